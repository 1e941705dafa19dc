"""The lorebook: its entries, what of it the next prompt would have and why; changed, imported and exported."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from fireside import paths
from fireside.errors import FiresideError
from fireside.models.types import AdapterUse, ChatModel
from fireside.stories.export import write
from fireside.stories.info import StoryInfo
from fireside.stories.lore import LoreEntry
from fireside.stories.lore_json import to_json
from fireside.stories.manuscript import text
from fireside.stories.store import Story
from fireside.stories.write import add_text
from fireside.text import for_terminal_line
from tui.actions import bindings
from tui.chat.dialogs import ConfirmDialog, LineDialog
from tui.lists import LineList
from tui.story.side.bringing import ask_for_import
from tui.story.side.frame import Pane
from tui.story.side.lore_entry import LoreEntryScreen
from tui.story.side.lore_rows import Firing, cost, firing, row, triggers, whole

_EMPTY = """No lore yet.

An entry is a text about the story's world that the model is shown when the story speaks of it: a person, a place, a \
rule. n writes one; i imports a lorebook of SillyTavern, NovelAI or Kobold, or a character card (JSON or PNG)."""


class LoreScreen(Pane):
    """The entries at the left, all of the marked one beside them."""

    AUTO_FOCUS = "#lore-list"
    BINDINGS: ClassVar[list[BindingType]] = bindings("lore")
    KEYS = (
        "lore.edit", "lore.new", "lore.on", "lore.go", "lore.delete", "lore.undo", "lore.import", "lore.export",
        "lore.copy", "pane.back",
    )  # fmt: skip

    def __init__(self, story: Story, model: ChatModel, adapters: tuple[AdapterUse, ...] = ()) -> None:
        super().__init__(f"Lorebook of {story.info.title}", story, model, adapters)
        self._fires: Firing | None = None

    def body(self) -> ComposeResult:
        """What it costs, entries, marked entry."""
        yield Static(markup=False, id="lore-cost", classes="side-about")
        with Horizontal(classes="side-body"):
            yield LineList(id="lore-list", classes="side-list", markup=False, compact=True)
            with VerticalScroll(classes="side-view"):
                yield Static(markup=False, id="lore-entry")

    def on_mount(self) -> None:
        """Show it, and again in another theme's colours."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show())
        self.show_story()

    def on_resize(self) -> None:
        """Rows are cut to the width."""
        self.call_after_refresh(self._show)

    @property
    def entries(self) -> tuple[LoreEntry, ...]:
        """The entries, as they are saved."""
        return self.story.info.lore

    @property
    def marked(self) -> int | None:
        """The index of the marked entry."""
        index = self.query_one("#lore-list", OptionList).highlighted
        return index if index is not None and index < len(self.entries) else None

    # What is shown

    def show_story(self) -> None:
        """Show the entries as they are now, and look what fires."""
        self._fires = None
        self._show()
        self._look()

    def _show(self) -> None:
        entries, marked = self.query_one("#lore-list", OptionList), self.marked
        colours = self.app.theme_variables
        entries.clear_options()
        width = (entries.size.width or self.size.width) - 1
        entries.add_options(
            [Option(row(each, index, self._fires, colours, width)) for index, each in enumerate(self.entries)]
        )
        has_any = bool(self.entries)
        self.query_one(".side-body").display = has_any
        self.query_one("#lore-cost", Static).display = has_any
        if not has_any:
            self.say(_EMPTY)
            self.set_focus(None)
            return
        entries.highlighted = min(marked or 0, len(self.entries) - 1)
        entries.focus()
        self._show_marked()

    def _show_marked(self) -> None:
        index = self.marked
        if index is not None:
            shown = whole(self.story, index, self._fires, self.app.theme_variables)
            self.query_one("#lore-entry", Static).update(shown)

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        """What would fire now, when the model has counted."""
        told = self.query_one("#lore-cost", Static)
        told.update("counting…")
        try:
            self._fires = await firing(self.story, self.model)
            told.update(for_terminal_line(cost(self._fires, len(self.entries)), 300))
        except FiresideError as error:
            told.update(for_terminal_line(error.message, 300))
            return
        self._show()

    @on(OptionList.OptionHighlighted, "#lore-list")
    def _highlighted(self) -> None:
        self._show_marked()
        self.query_one(".side-view", VerticalScroll).scroll_home(animate=False)

    # Changing

    def save(self, entries: tuple[LoreEntry, ...], what: str, mark: int | None = None) -> bool:
        """Save other entries; undo brings the ones before back. Whether it worked."""
        before = self.entries
        try:
            self.story.change(lore=entries)
        except FiresideError as error:
            self.say_error(error)
            return False
        self.undos.add(what, lambda: self.story.change(lore=before))
        self.say("")
        self.show_story()
        if mark is not None and entries:
            self.query_one("#lore-list", OptionList).highlighted = mark
        return True

    @work(exclusive=True, group="dialog")
    async def action_edit(self) -> None:
        """Edit the marked entry."""
        index = self.marked
        if index is None:
            return
        entry = await self.app.push_screen_wait(LoreEntryScreen(self.entries[index], text(self.story.manuscript)))
        if entry is not None and entry != self.entries[index]:
            self.save((*self.entries[:index], entry, *self.entries[index + 1 :]), f"{entry.name} as it was", index)

    @work(exclusive=True, group="dialog")
    async def action_new(self) -> None:
        """Write a new entry."""
        entry = await self.app.push_screen_wait(LoreEntryScreen(LoreEntry("", ""), text(self.story.manuscript)))
        if entry is not None:
            self.save((*self.entries, entry), f"the new entry {entry.name}", len(self.entries))

    def action_on(self) -> None:
        """Turn the marked entry on or off."""
        index = self.marked
        if index is not None:
            entry = replace(self.entries[index], enabled=not self.entries[index].enabled)
            self.save((*self.entries[:index], entry, *self.entries[index + 1 :]), f"{entry.name} as it was", index)

    def action_copy(self) -> None:
        """A copy of the marked entry behind it."""
        index = self.marked
        if index is not None:
            copy = replace(self.entries[index], name=f"{self.entries[index].name} (copy)")
            self.save((*self.entries[: index + 1], copy, *self.entries[index + 1 :]), "the copy", index + 1)

    def action_delete(self) -> None:
        """Take the marked entry out."""
        index = self.marked
        if index is not None:
            name = for_terminal_line(self.entries[index].name, 60)
            if self.save((*self.entries[:index], *self.entries[index + 1 :]), f"{name} is back") and self.entries:
                self.say(f"{name} is deleted; u brings it back")

    def action_go(self) -> None:
        """Back to the story, where the key stands that calls the marked entry up."""
        index = self.marked
        trigger = triggers(self._fires.lore).get(index) if self._fires is not None and index is not None else None
        if trigger is None or not trigger.key or trigger.by is not None:
            self.say("no key of this entry stands in the story where it is looked for")
        else:
            self.leave(trigger.start)

    # Files

    @work(exclusive=True, group="dialog")
    async def action_bring_in(self) -> None:
        """Import a file of another program."""
        taken = await ask_for_import(self, new_story=False)
        if taken is None:
            return
        before, head = self.story.info, self.story.manuscript
        try:
            if taken.entries:
                self.story.change(lore=(*before.lore, *taken.entries))
            if taken.memory:
                self.story.change(memory=f"{before.memory}\n\n{taken.memory}".strip())
            if taken.note:
                self.story.change(note=f"{before.note}\n\n{taken.note}".strip())
            add_text(self.story, taken.opening)
        except FiresideError as error:
            self.say_error(error)
        self.undos.add("the import", lambda: self._take_back(before, len(head.steps)))
        self.show_story()
        self.say(f"{len(taken.entries)} entries from {taken.kind}; u takes the import back")

    def _take_back(self, info: StoryInfo, steps: int) -> None:
        from fireside.stories.manuscript import undo

        self.story.change(lore=info.lore, memory=info.memory, note=info.note)
        if len(self.story.manuscript.steps) > steps:
            self.story.save(undo(self.story.manuscript))

    @work(exclusive=True, group="dialog")
    async def action_export(self) -> None:
        """Save the lorebook as a JSON file."""
        if not self.entries:
            self.say("there is nothing to export yet")
            return
        named = await self.app.push_screen_wait(LineDialog("Export to", f"{self.story.info.name}-lore.json"))
        if not named:
            return
        try:
            file = paths.expanded(named).absolute()
            if file.is_file() and not await self.app.push_screen_wait(ConfirmDialog(f"Replace {file.name}?")):
                return
            await asyncio.to_thread(write, file, to_json(self.entries).encode(), force=True)
            self.say(f"saved as {file}")
        except FiresideError as error:
            self.say_error(error)
