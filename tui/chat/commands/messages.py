"""The slash commands about messages: retry, edit, copy. Each function is one command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fireside.errors import FiresideError
from fireside.text import for_terminal

if TYPE_CHECKING:
    from fireside.conversations.types import StoredMessage
    from tui.chat.screen import ChatScreen


async def retry(screen: ChatScreen, argument: str) -> None:
    """Write the last reply again, beside the old one."""
    last = _last(screen, "assistant")
    screen.begin_turn(lambda: screen.session.retry(last.id))


async def edit(screen: ChatScreen, argument: str) -> None:
    """Change the person's last message."""
    screen.edit(_last(screen, "user"))


async def copy(screen: ChatScreen, argument: str) -> None:
    """Copy the last reply."""
    screen.app.copy_to_clipboard(for_terminal(_last(screen, "assistant").text))
    screen.show_notice("copied")


def _last(screen: ChatScreen, role: str) -> StoredMessage:
    """The last message of `role` in the open conversation."""
    for message in reversed(screen.session.messages()):
        if message.role == role:
            return message
    raise FiresideError("there is no message yet", "send one first")
