"""A finished message: one focusable widget, drawn once a width and kept, with the keys that act on it."""

from __future__ import annotations

from typing import ClassVar

from rich.console import RenderableType
from textual.binding import BindingType
from textual.message import Message

from fireside.conversations.types import StoredMessage
from tui.actions import bindings
from tui.attach.attachment import attachments_of, with_data
from tui.chat import rendering
from tui.chat.drawn import Drawn


class MessageView(Drawn, can_focus=True):
    """One message of the transcript. The keys post `Act`, which the screen carries out."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("message")
    HELP = "One message. What is edited or written again stands beside the old version; none is lost."

    class Act(Message):
        """A key was pressed on a message: edit, retry, copy, previous, next, up, down or leave."""

        def __init__(self, view: MessageView, act: str) -> None:
            super().__init__()
            self.view = view
            self.act = act

    def __init__(self, message: StoredMessage, place: tuple[int, int]) -> None:
        """`place` is the message's index among its siblings, from 0, and their count."""
        super().__init__(classes=f"message {message.role}")
        self.message = message
        self.place = place
        self._thoughts = False

    def on_mount(self) -> None:
        """Draw again when the theme changes."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self.redraw())

    def on_unmount(self) -> None:
        """The signal would keep what it calls."""
        self.app.theme_changed_signal.unsubscribe(self)

    def parts(self) -> list[RenderableType]:
        """The message in the theme's colours."""
        colours = self.app.theme_variables
        if self.message.role == "user":
            return [rendering.user_message(self.message, self.place, colours)]
        return rendering.assistant_parts(self.message, self.place, colours, thoughts=self._thoughts)

    def action_thoughts(self) -> None:
        """Unfold or fold what the model thought before it replied."""
        self._thoughts = not self._thoughts
        self.redraw()

    def action_whole(self) -> None:
        """Show the whole text as it was written, by itself, with what goes with it unfolded."""
        from tui.chat.whole import WholeText

        self.app.push_screen(WholeText(with_data(self.message.text, attachments_of(self.message))))

    def action_act(self, act: str) -> None:
        """Tell the screen which key was pressed."""
        self.post_message(self.Act(self, act))
