"""The form of a lore entry: looked at while it is typed, also for what would call it up now."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import ItemGrid, Vertical, VerticalScroll
from textual.widgets import Checkbox, Input, OptionList, Static, TextArea
from textual.widgets.option_list import Option

from fireside.stories.lore import Logic, LoreEntry, would_trigger
from fireside.stories.prose import paragraph_starts
from fireside.text import for_terminal, for_terminal_line
from tui.actions import bindings
from tui.chat.dialogs import ConfirmDialog
from tui.lists import LineList
from tui.story.side.frame import Framed, Tick
from tui.story.side.lore_form import FLAGS, NUMBERS, entry_of, problems
from tui.story.side.lore_rows import LOGICS

_AREAS = {
    "keys": "Keys, one a line: words, or /a regular expression/",
    "text": "What the model is shown",
    "secondary": "Secondary keys, one a line",
}
_BY_FIELD = ("name", "text", "keys", "secondary", "numbers")


class LoreEntryScreen(Framed[LoreEntry | None]):
    """Gives the entry as it was saved, None where the person left it as it was."""

    AUTO_FOCUS = "#lore-name"
    BINDINGS: ClassVar[list[BindingType]] = bindings("lore-entry")
    KEYS = ("lore-entry.save", "pane.back")

    def __init__(self, entry: LoreEntry, read: str) -> None:
        """read: the story, in which keys are looked for."""
        super().__init__("An entry of the lorebook" if entry.name else "A new entry of the lorebook")
        self._entry, self._read = entry, read
        self._logics = list(LOGICS)

    def body(self) -> ComposeResult:
        """All fields of an entry, what matters most first."""
        entry = self._entry
        with VerticalScroll(classes="side-form", can_focus=False):
            yield Static("Name", markup=False, classes="side-label")
            yield Input(entry.name, id="lore-name", classes="side-field", compact=True, select_on_focus=False)
            yield Static(markup=False, id="lore-name-problem", classes="side-problem")
            yield from self._area("keys", "\n".join(entry.keys))
            yield Static(markup=False, id="lore-fires", classes="side-fires")
            yield from self._area("text", entry.text)
            with ItemGrid(min_column_width=26, classes="side-row side-label"):
                for flag, words in FLAGS.items():
                    yield Tick(words, getattr(entry, flag), f"lore-{flag}")
            yield from self._area("secondary", "\n".join(entry.secondary))
            yield Static("What must hold of the secondary keys", markup=False, classes="side-label")
            yield LineList(
                *(Option(f"{words} them" if "none" in words else words) for words in LOGICS.values()),
                id="lore-logic", classes="side-choice", compact=True, markup=False,
            )  # fmt: skip
            with ItemGrid(min_column_width=34, classes="side-row"):
                for field, words in NUMBERS.items():
                    with Vertical(classes="cell"):
                        yield Static(words, markup=False, classes="side-label")
                        yield Input(
                            str(getattr(entry, field)), id=f"lore-{field}", classes="side-field short", compact=True
                        )
            yield Static(markup=False, id="lore-numbers-problem", classes="side-problem")
            yield Static("Group: of its entries only one is shown", markup=False, classes="side-label")
            yield Input(entry.group, id="lore-group", classes="side-field", compact=True, select_on_focus=False)
            yield Static("A note for yourself", markup=False, classes="side-label")
            yield TextArea(entry.comment, id="lore-comment", classes="side-lines", compact=True)

    def _area(self, field: str, text: str) -> ComposeResult:
        yield Static(_AREAS[field], markup=False, classes="side-label")
        classes = "side-lines tall" if field == "text" else "side-lines"
        yield TextArea(
            for_terminal(text), id=f"lore-{field}", classes=classes, compact=True, highlight_cursor_line=False
        )
        yield Static(markup=False, id=f"lore-{field}-problem", classes="side-problem")

    def on_mount(self) -> None:
        """Begin with what the entry is."""
        self.query_one("#lore-logic", OptionList).highlighted = self._logics.index(self._entry.logic)
        self._look()
        self.call_after_refresh(self.query_one(".side-form").scroll_home, animate=False)

    # What is typed

    @property
    def texts(self) -> dict[str, str]:
        """What is typed, by the names of the entry's fields."""
        lines = {field: self.query_one(f"#lore-{field}", Input).value for field in ("name", "group", *NUMBERS)}
        return lines | {field: self.query_one(f"#lore-{field}", TextArea).text for field in (*_AREAS, "comment")}

    @property
    def flags(self) -> dict[str, bool]:
        """What is ticked, by the names of the entry's fields."""
        return {flag: self.query_one(f"#lore-{flag}", Checkbox).value for flag in FLAGS}

    @property
    def logic(self) -> Logic:
        """What must hold of the secondary keys."""
        return self._logics[self.query_one("#lore-logic", OptionList).highlighted or 0]

    @on(Input.Changed)
    @on(TextArea.Changed)
    @on(Checkbox.Changed)
    @on(OptionList.OptionHighlighted)
    def _changed(self) -> None:
        self._look()

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        """Say what is wrong, and what of the story would call the entry up."""
        texts, flags = self.texts, self.flags
        # Keys are compiled, and a long story is looked through, elsewhere than here.
        found = await asyncio.to_thread(problems, texts, flags)
        for field in _BY_FIELD:
            said = self.query_one(f"#lore-{field}-problem", Static)
            said.update("\n".join(f"✗ {each}" for each in found[field]))
            said.display = bool(found[field])
        if found["keys"] or found["secondary"] or found["numbers"]:
            self.query_one("#lore-fires", Static).update("")
            return
        entry = entry_of(self._entry, texts, flags, self.logic)
        self.query_one("#lore-fires", Static).update(await asyncio.to_thread(self._fires, entry))

    def _fires(self, entry: LoreEntry) -> str:
        if not entry.enabled:
            return "off: never shown"
        if entry.constant:
            return "always shown"
        triggers = would_trigger([entry], self._read)
        if not triggers:
            where = f"the last {entry.scan_depth} paragraphs" if entry.scan_depth else "the story"
            return f"not called up now: nothing of it in {where}"
        trigger = triggers[0]
        behind = len(paragraph_starts(self._read[trigger.end :])) or 1
        place = "in the last paragraph" if behind == 1 else f"{behind} paragraphs before the end"
        return f"called up now: “{for_terminal_line(self._read[trigger.start : trigger.end], 60)}” {place}"

    @work(exclusive=True, group="leave")
    async def action_save(self) -> None:
        """Close with the entry, unless something is wrong with it."""
        texts, flags = self.texts, self.flags
        found = await asyncio.to_thread(problems, texts, flags)
        wrong = [each for field in _BY_FIELD for each in found[field]]
        if wrong:
            self.say(f"not saved: {wrong[0]}", error=True)
        else:
            self.dismiss(entry_of(self._entry, texts, flags, self.logic))

    @work(exclusive=True, group="leave")
    async def action_back(self) -> None:
        """Close and leave the entry as it was; ask first where something was changed."""
        texts, flags = self.texts, self.flags
        right = not any(problems(texts, flags)["numbers"])
        entry = entry_of(self._entry, texts, flags, self.logic) if right else None
        untouched = entry == self._entry or not any(texts[each] for each in ("name", "text", "keys"))
        if untouched or await self.app.push_screen_wait(ConfirmDialog("Leave your changes unsaved?")):
            self.dismiss(None)
