"""The slash commands about messages: retry, edit, copy. Each function is one command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fireside.errors import FiresideError
from fireside.text import for_terminal
from tui.chat import message_acts

if TYPE_CHECKING:
    from fireside.conversations.types import StoredMessage
    from tui.chat.screen import ChatScreen


async def retry(screen: ChatScreen, argument: str) -> None:
    """Write the last reply again, beside the old one."""
    last = _last(screen, "assistant")
    screen.begin_turn(lambda: screen.session.retry(last.id))


async def edit(screen: ChatScreen, argument: str) -> None:
    """Change the person's last message."""
    await message_acts.edit(screen, _last(screen, "user"))


async def copy(screen: ChatScreen, argument: str) -> None:
    """Copy the last reply."""
    screen.app.copy_to_clipboard(for_terminal(_last(screen, "assistant").text))
    screen.show_notice("copied")


async def continue_(screen: ChatScreen, argument: str) -> None:
    """Write on behind the last reply."""
    last = _last(screen, "assistant")
    screen.begin_turn(lambda: screen.session.go_on(last.id))


async def code(screen: ChatScreen, argument: str) -> None:
    """Copy a code block of the last reply."""
    await message_acts.copy_code(screen, _last(screen, "assistant"))


async def undo(screen: ChatScreen, argument: str) -> None:
    """Take back the last act that destroyed or changed something."""
    undone = screen.session.undo()
    if not undone:
        raise FiresideError("there is nothing to undo", "what was deleted, edited in place or moved can be")
    await screen.show_conversation()
    screen.show_notice(f"undone: {undone}")


def _last(screen: ChatScreen, role: str) -> StoredMessage:
    """The last message of `role` in the open conversation."""
    for message in reversed(screen.session.messages()):
        if message.role == role:
            return message
    raise FiresideError("there is no message yet", "send one first")
