"""The line of the person's own words under the page: Enter puts them at the story's end and lets the model go on."""

from __future__ import annotations

from textual import events
from textual.message import Message
from textual.widgets import TextArea


class StoryPrompt(TextArea):
    """The person's own words. Enter writes on; Ctrl+J, Shift+Enter or Alt+Enter begins a new line."""

    HELP = """Your own words for the story's end: Enter adds them and lets the model write on, and alone lets it write
    on. Ctrl+J begins a new line. Up, on the first line, goes into the story."""

    class Sent(Message):
        """Enter: add this text, which may be empty, and go on."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Walk(Message):
        """Undo or redo on an empty line: meant for the story."""

        def __init__(self, back: bool) -> None:
            super().__init__()
            self.back = back

    class Up(Message):
        """Out of the line, into the story."""

    def __init__(self) -> None:
        super().__init__(
            id="story-prompt",
            compact=True,
            highlight_cursor_line=False,
            placeholder="Your own words, or just Enter to let the model write on",
        )

    async def _on_key(self, event: events.Key) -> None:
        """Keys with a meaning of their own here; the rest is the text area's."""
        match event.key:
            case "ctrl+j" | "shift+enter" | "alt+enter":
                self.insert("\n")
            case "enter":
                self.post_message(self.Sent(self.text))
            case "ctrl+z" | "ctrl+y" if not self.text:
                self.post_message(self.Walk(event.key == "ctrl+z"))
            case "up" if self.cursor_at_first_line:
                self.post_message(self.Up())
            case _:
                return
        event.stop()
        event.prevent_default()
