"""The dialog for what goes with a story: its title, memory, author's note, and the note's depth."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widgets import Input, Static, TextArea

from fireside.stories.store import StoryChanges, StoryInfo
from fireside.text import for_terminal, for_terminal_line
from tui.actions import bindings
from tui.chat.dialogs import Dialog


class NotesDialog(Dialog[StoryChanges | None]):
    """Answers with what was changed; None where it was left."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("text-dialog")

    def __init__(self, info: StoryInfo) -> None:
        super().__init__(None)
        self._info = info

    def compose(self) -> ComposeResult:
        """One field under another."""
        with VerticalScroll(classes="panel", can_focus=False):
            yield Static("Title", markup=False, classes="label")
            yield Input(for_terminal_line(self._info.title), compact=True, select_on_focus=False, id="title")
            yield Static("Memory: what always holds", markup=False, classes="label")
            yield TextArea(for_terminal(self._info.memory), compact=True, highlight_cursor_line=False, id="memory")
            yield Static("Author's note: how to go on, for now", markup=False, classes="label")
            yield TextArea(for_terminal(self._info.note), compact=True, highlight_cursor_line=False, id="note")
            yield Static("Paragraphs between the note and the end", markup=False, classes="label")
            yield Input(str(self._info.note_depth), compact=True, type="integer", max_length=3, id="depth")
            yield Static("Ctrl+S saves   Tab next   Escape leaves it", markup=False, classes="keys")

    def on_mount(self) -> None:
        """Begin where most is written."""
        self.query_one("#memory").focus()

    def on_input_submitted(self) -> None:
        """Enter on a line saves too."""
        self.action_save()

    def action_save(self) -> None:
        """Close with what was written; an unusable depth stays as it was."""
        depth = self.query_one("#depth", Input).value.strip()
        title = for_terminal_line(self.query_one("#title", Input).value)
        self.dismiss(
            StoryChanges(
                title=title or self._info.title,
                memory=for_terminal(self.query_one("#memory", TextArea).text).strip(),
                note=for_terminal(self.query_one("#note", TextArea).text).strip(),
                note_depth=max(1, int(depth)) if depth.isdecimal() else self._info.note_depth,
            )
        )
