"""A finished message: one focusable widget, rendered once and cached, with the keys that act on it."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.message import Message
from textual.widgets import Static

from fireside.conversations.types import StoredMessage
from tui.actions import bindings
from tui.chat import rendering


class MessageView(Static, can_focus=True):
    """One message of the transcript. The keys post `Act`, which the screen carries out."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("message")

    class Act(Message):
        """A key was pressed on a message: edit, retry, copy, previous, next, up, down or leave."""

        def __init__(self, view: MessageView, act: str) -> None:
            super().__init__()
            self.view = view
            self.act = act

    def __init__(self, message: StoredMessage, place: tuple[int, int]) -> None:
        """`place` is the message's index among its siblings, from 0, and their count."""
        super().__init__(markup=False, classes=f"message {message.role}")
        self.message = message
        self.place = place
        self._thoughts = False

    def on_mount(self) -> None:
        """Render in the theme's colours, and again when the theme changes."""
        self._show()
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show())

    def _show(self) -> None:
        colours = self.app.theme_variables
        if self.message.role == "user":
            self.update(rendering.user_message(self.message, self.place, colours))
        else:
            self.update(rendering.assistant_message(self.message, self.place, colours, thoughts=self._thoughts))

    def action_thoughts(self) -> None:
        """Unfold or fold what the model thought before it replied."""
        self._thoughts = not self._thoughts
        self._show()

    def action_act(self, act: str) -> None:
        """Tell the screen which key was pressed."""
        self.post_message(self.Act(self, act))
