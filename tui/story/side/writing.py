"""A screen to write a longer text on: checked as it is typed, saved with Ctrl+S, left as it was with Escape."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static, TextArea

from fireside.errors import FiresideError
from fireside.text import for_terminal, for_terminal_line
from tui.actions import bindings
from tui.chat.dialogs import ConfirmDialog
from tui.story.side.frame import Framed


class WritingScreen(Framed[str | None]):
    """Gives the text as it was saved, None where the person left it as it was."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("writing")
    KEYS = ("writing.save", "writing.editor", "pane.back")

    def __init__(
        self, heading: str, text: str, about: str = "", check: Callable[[str], object] = lambda text: None
    ) -> None:
        """about: a line on what the text is for. check: raises FiresideError for a text that cannot be saved."""
        super().__init__(heading)
        self._text, self._about, self._check = for_terminal(text), about, check

    def body(self) -> ComposeResult:
        """The text, alone."""
        if self._about:
            yield Static(for_terminal_line(self._about, 400), markup=False, classes="side-about")
        yield TextArea(self._text, highlight_cursor_line=False, classes="side-text")

    def on_mount(self) -> None:
        """Write at the end of it."""
        area = self.query_one(TextArea)
        area.focus()
        area.move_cursor(area.document.end)

    @on(TextArea.Changed)
    def _looked_at(self) -> None:
        """Check while it is typed."""
        self._right()

    def _right(self) -> bool:
        """Whether the text can be saved; says why not."""
        try:
            self._check(self.query_one(TextArea).text)
        except FiresideError as error:
            self.say_error(error)
            return False
        self.say("")
        return True

    def action_save(self) -> None:
        """Close with the text."""
        if self._right():
            self.dismiss(for_terminal(self.query_one(TextArea).text))

    def action_editor(self) -> None:
        """Write on in the person's own editor."""
        from tui.editor import edited

        area = self.query_one(TextArea)
        text = edited(self.app, area.text)
        if text is not None:
            area.text = text

    @work(exclusive=True, group="leave")
    async def action_back(self) -> None:
        """Close and leave the text as it was; ask first where something was written."""
        text = self.query_one(TextArea).text
        if text == self._text or await self.app.push_screen_wait(ConfirmDialog("Leave what you wrote unsaved?")):
            self.dismiss(None)
