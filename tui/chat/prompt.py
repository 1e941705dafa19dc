"""Where the person writes: a multi-line prompt with history, and the dropdown of slash commands above it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

from rich.table import Table
from rich.text import Text
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static, TextArea

from fireside.errors import FiresideError
from fireside.text import for_terminal_line
from tui.actions import bindings
from tui.attach.attachment import FOLDED_LINES, names_any
from tui.attach.mentions import being_written, mention_of, pasted_path
from tui.attach.picker import FilePicker, dropped_file, folded
from tui.chat.vim_keys import Typing
from tui.key_order import act_on_key
from tui.slash import COMMANDS, Choices, Completion, complete

PLACEHOLDER = "Write a message, or / for commands"
VISIBLE = 7
"""Rows of the dropdown."""
ROOMY = 50
"""Columns from which a command's meaning is shown beside it."""


class Dropdown(Static):
    """The list of completions; `place` is the highlighted one, None for none."""

    class Taken(Message):
        """A completion was clicked on."""

        def __init__(self, completion: Completion) -> None:
            super().__init__()
            self.completion = completion

    def __init__(self) -> None:
        super().__init__(markup=False, id="completions")
        self.completions: Sequence[Completion] = ()
        self.place: int | None = None

    def offer(self, completions: Sequence[Completion], highlight: bool) -> None:
        """Show these, the first highlighted or none; hide where there are none."""
        self.completions, self.place = completions, 0 if highlight and completions else None
        self.display = bool(completions)
        self._show()

    def move(self, step: int) -> None:
        """Highlight the next or the previous one, going round."""
        start = self.place if self.place is not None else (-1 if step > 0 else 0)
        self.place = (start + step) % len(self.completions)
        self._show()

    def on_click(self, event: events.Click) -> None:
        """Take the line that was clicked on."""
        place = self._first + event.get_content_offset_capture(self).y
        if place < len(self.completions):
            self.post_message(self.Taken(self.completions[place]))

    @property
    def _first(self) -> int:
        """The completion on the first row."""
        return max(0, min((self.place or 0) - VISIBLE // 2, len(self.completions) - VISIBLE))

    def _show(self) -> None:
        if not self.completions:
            return
        colours = self.app.theme_variables
        first = self._first
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        table.add_column(no_wrap=True, overflow="ellipsis")
        roomy = self.size.width >= ROOMY
        if roomy:
            table.add_column(no_wrap=True, overflow="ellipsis", ratio=1, style=colours["muted"])
        for place, completion in enumerate(self.completions[first : first + VISIBLE], first):
            chosen = place == self.place
            style = f"bold {colours['user']}" if chosen else colours["foreground"]
            mark = "› " if chosen else "  "
            label = Text(mark + for_terminal_line(completion.label, 60), style=style)
            table.add_row(label, Text(completion.summary)) if roomy else table.add_row(label)
        self.update(table)


class Prompt(TextArea):
    """The text being written; `tui.action_table` has its keys."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("prompt")
    HELP = (
        "Write and press Enter. A slash at the beginning lists the commands; Up brings back what you sent. "
        "Text pasted here loses what a terminal would act on."
    )

    class ModeChanged(Message):
        """vim's mode may be another than before."""

    class Failed(Message):
        """What the person asked of the prompt could not be done."""

        def __init__(self, error: FiresideError) -> None:
            super().__init__()
            self.error = error

    class Submitted(Message):
        """The person sent the text, stripped and not empty."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, dropdown: Dropdown) -> None:
        super().__init__(id="prompt", compact=True, highlight_cursor_line=False, placeholder=PLACEHOLDER)
        self._dropdown = dropdown
        self.vim: Typing | None = None
        self._history: list[str] = []
        self._back = 0
        self._draft = ""
        self.pasted: dict[str, str] = {}
        self.dropped: str | None = None

    @property
    def cursor_index(self) -> int:
        """How many characters stand before the cursor."""
        row, column = self.cursor_location
        return sum(len(line) + 1 for line in self.text.split("\n")[:row]) + column

    async def _on_paste(self, event: events.Paste) -> None:
        """A file that is dropped here is offered to go with the message; a long text is folded into a mark."""
        path = pasted_path(event.text)
        if path is not None and names_any(mention_of(path), {}):
            event.text = self.dropped = path
        elif len(event.text.splitlines()) > FOLDED_LINES:
            event.text = folded(event.text, self.pasted)

    def use_keys(self, kind: Literal["plain", "vim"]) -> None:
        """Edit as any text field, or with vim's modes, beginning in insert mode."""
        self.vim = Typing() if kind == "vim" else None
        self.post_message(self.ModeChanged())

    async def _on_key(self, event: events.Key) -> None:
        """Keys with a meaning here, then those of vim's modes; the rest is the text area's."""
        if await act_on_key(self, event):
            return
        if self.vim is not None and self.vim.took(self, event.key, event.character):
            event.stop()
            event.prevent_default()
            self.post_message(self.ModeChanged())
        elif event.key in ("up", "down"):
            # A keymap that gives Up another meaning takes the text area's along.
            event.prevent_default()
            self.action_cursor_up() if event.key == "up" else self.action_cursor_down()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is about the list is there while the list is."""
        if action in ("take", "close_list"):
            return self._dropdown.display
        if action == "unfold":
            return not self._dropdown.display and any(mark in self.text for mark in self.pasted)
        return True

    def action_delete_left(self) -> None:
        """Delete a character, or the mark of a folded text as a whole: half of one would stand for nothing."""
        mark = self._mark_before() if self.selection.is_empty else ""
        if mark:
            self.delete(self._location(self.cursor_index - len(mark)), self.cursor_location)
        else:
            super().action_delete_left()

    def action_unfold(self) -> None:
        """Write out the folded text whose mark is nearest to the cursor."""
        at = self.cursor_index
        places = [(self.text.find(mark), mark) for mark in self.pasted if mark in self.text]
        start, mark = min(places, key=lambda place: abs(place[0] + len(place[1]) / 2 - at))
        self.fill(
            self.text[:start] + self.pasted[mark] + self.text[start + len(mark) :], start + len(self.pasted[mark])
        )

    def action_editor(self) -> None:
        """Write the text in the person's own editor."""
        from tui.editor import edited

        try:
            self.fill(edited(self.app, self.text))
        except FiresideError as error:
            self.post_message(self.Failed(error))

    def _mark_before(self) -> str:
        """The mark of a folded text that ends at the cursor, "" for none."""
        before = self.text[: self.cursor_index]
        return next((mark for mark in self.pasted if before.endswith(mark)), "")

    def action_new_line(self) -> None:
        """Begin a new line."""
        self.insert("\n")

    def action_step(self, step: int) -> None:
        """In the list, its next line; at the text's edge, what was sent before or after; else a line up or down."""
        if self._dropdown.display:
            self._dropdown.move(step)
        elif step < 0 and self.cursor_at_first_line and self._back < len(self._history):
            self._recall(self._back + 1)
        elif step > 0 and self.cursor_at_last_line and self._back:
            self._recall(self._back - 1)
        elif step < 0:
            self.action_cursor_up()
        else:
            self.action_cursor_down()

    def action_take(self) -> None:
        """Write the marked line of the list into the prompt."""
        self._accept(self._dropdown.completions[self._dropdown.place or 0])

    def action_close_list(self) -> None:
        """Close the list; the text stays."""
        self._dropdown.offer((), highlight=False)

    def action_send(self) -> None:
        """Take the marked completion, or send."""
        place = self._dropdown.place if self._dropdown.display else None
        name = self.text.strip().removeprefix("/")
        if place is not None and all(command.name != name for command in COMMANDS):
            completion = self._dropdown.completions[place]
            self._accept(completion)
            if not completion.final or completion.line.endswith(" "):
                return
        text = self.text.strip()
        if text:
            self.post_message(self.Submitted(text))

    def _accept(self, completion: Completion) -> None:
        self.fill(completion.line, completion.cursor)

    def fill(self, text: str, cursor: int | None = None) -> None:
        """Replace the text, with the cursor behind so many characters, or at its end."""
        self.text = text
        self.move_cursor(self.document.end if cursor is None else self._location(cursor))

    def _location(self, index: int) -> tuple[int, int]:
        """The row and column behind so many characters."""
        before = self.text[:index].split("\n")
        return len(before) - 1, len(before[-1])

    def sent(self, text: str) -> None:
        """Empty the prompt and remember `text` for Up."""
        if not self._history or self._history[-1] != text:
            self._history.append(text)
        self._back, self._draft = 0, ""
        self.fill("")

    def remember(self, texts: Sequence[str]) -> None:
        """Take over what was sent before, oldest first."""
        self._history = list(texts)
        self._back = 0

    def _recall(self, back: int) -> None:
        """Show what was sent `back` messages ago; 0 is the draft that was being written."""
        if self._back == 0:
            self._draft = self.text
        self._back = back
        self.fill(self._history[-back] if back else self._draft)


class Composer(Vertical):
    """The prompt with its dropdown."""

    def __init__(self, choices: Callable[[Choices], Sequence[str]]) -> None:
        """`choices` names what a command's argument may be."""
        super().__init__(id="composer")
        self._choices = choices
        self._files = FilePicker()
        self._dropdown = Dropdown()
        self.prompt = Prompt(self._dropdown)
        self._mode = Static(markup=False, id="prompt-mode")

    def compose(self) -> ComposeResult:
        """The dropdown above the prompt, vim's mode below it."""
        yield self._dropdown
        yield self.prompt
        yield self._mode

    @on(Prompt.ModeChanged)
    def _show_mode(self) -> None:
        """Say in which mode vim is, in words."""
        vim = self.prompt.vim
        self._mode.display = vim is not None
        self._mode.update(vim.words if vim is not None else "")

    @on(Dropdown.Taken)
    def _taken(self, event: Dropdown.Taken) -> None:
        """A click on a completion writes it out."""
        self.prompt.fill(event.completion.line, event.completion.cursor)
        self.prompt.focus()

    @on(TextArea.Changed)
    def _offer(self) -> None:
        """Offer completions while a command, or a file's name behind an @, is typed; of arguments, none is highlighted
        before a letter is."""
        text, cursor = self.prompt.text, self.prompt.cursor_index
        dropped, self.prompt.dropped = self.prompt.dropped, None
        if dropped is not None and text[:cursor].endswith(dropped):
            self._dropdown.offer([dropped_file(text, cursor, dropped)], highlight=True)
        elif being_written(text[:cursor]) is not None:
            self._offer_files(text, cursor)
        else:
            _, space, typed = text.partition(" ")
            found = complete(text, self._choices)
            self._dropdown.offer(found, highlight=not space or bool(typed))

    @work(group="files", exclusive=True)
    async def _offer_files(self, text: str, cursor: int) -> None:
        """Offer the files that fit what is typed."""
        found = await self._files.completions(text, cursor)
        if (self.prompt.text, self.prompt.cursor_index) == (text, cursor):
            # A name that is whole needs nothing more: Enter sends.
            whole = any(each.line.strip() == text.strip() for each in found)
            self._dropdown.offer(found, highlight=not whole)
