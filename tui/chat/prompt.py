"""Where the person writes: a multi-line prompt with history, and the dropdown of slash commands above it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.table import Table
from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static, TextArea

from fireside.text import for_terminal_line
from tui.slash import COMMANDS, Choices, Completion, complete

PLACEHOLDER = "Write a message, or / for commands"
VISIBLE = 7
"""Rows of the dropdown."""
ROOMY = 50
"""Columns from which a command's meaning is shown beside it."""


class Dropdown(Static):
    """The list of completions; `place` is the highlighted one, None for none."""

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

    def _show(self) -> None:
        if not self.completions:
            return
        colours = self.app.theme_variables
        first = max(0, min((self.place or 0) - VISIBLE // 2, len(self.completions) - VISIBLE))
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
    """The text being written. Enter sends; Ctrl+J, Shift+Enter or Alt+Enter begins a new line."""

    class Submitted(Message):
        """The person sent the text, stripped and not empty."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, dropdown: Dropdown) -> None:
        super().__init__(id="prompt", compact=True, highlight_cursor_line=False, placeholder=PLACEHOLDER)
        self._dropdown = dropdown
        self._history: list[str] = []
        self._back = 0
        self._draft = ""

    async def _on_key(self, event: events.Key) -> None:
        """Keys with a meaning of their own here; the rest is the text area's."""
        if self._took(event.key):
            event.stop()
            event.prevent_default()

    def _took(self, key: str) -> bool:
        """Whether `key` meant something else than text or movement."""
        open_list = self._dropdown.display
        match key:
            case "ctrl+j" | "shift+enter" | "alt+enter":
                self.insert("\n")
            case "enter":
                self._enter()
            case "tab" if open_list:
                self._accept(self._dropdown.completions[self._dropdown.place or 0])
            case "escape" if open_list:
                self._dropdown.offer((), highlight=False)
            case "up" if open_list:
                self._dropdown.move(-1)
            case "down" if open_list:
                self._dropdown.move(1)
            case "up" if self.cursor_at_first_line and self._back < len(self._history):
                self._recall(self._back + 1)
            case "down" if self.cursor_at_last_line and self._back:
                self._recall(self._back - 1)
            case _:
                return False
        return True

    def _enter(self) -> None:
        """Take the highlighted completion, or send."""
        place = self._dropdown.place if self._dropdown.display else None
        name = self.text.strip().removeprefix("/")
        if place is not None and all(command.name != name for command in COMMANDS):
            completion = self._dropdown.completions[place]
            self._accept(completion)
            if completion.line.endswith(" "):
                return
        text = self.text.strip()
        if text:
            self.post_message(self.Submitted(text))

    def _accept(self, completion: Completion) -> None:
        self.fill(completion.line)

    def fill(self, text: str) -> None:
        """Replace the text, with the cursor at its end."""
        self.text = text
        self.move_cursor(self.document.end)

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
        self._dropdown = Dropdown()
        self.prompt = Prompt(self._dropdown)

    def compose(self) -> ComposeResult:
        """The dropdown above the prompt."""
        yield self._dropdown
        yield self.prompt

    @on(TextArea.Changed)
    def _offer(self) -> None:
        """Offer completions while a command is typed; of arguments, none is highlighted before a letter is."""
        text = self.prompt.text
        _, space, typed = text.partition(" ")
        found = complete(text, self._choices)
        self._dropdown.offer(found, highlight=not space or bool(typed))
