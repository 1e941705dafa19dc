"""What happens to a message that is sent: it waits for its turn, the files that it names are read, and it goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fireside.errors import FiresideError
from tui.attach.attachment import names_any
from tui.chat.waiting import Waiting
from tui.slash import is_command, parse

if TYPE_CHECKING:
    from fireside.conversations.types import StoredMessage
    from tui.attach.attachment import Attachment
    from tui.chat.screen import ChatScreen


def submitted(screen: ChatScreen, text: str) -> None:
    """Run a command, or send a message; while a reply is written, or files are read, it waits."""
    if is_command(text):
        try:
            parse(text)
        except FiresideError as error:
            # The line stays in the prompt, to be corrected.
            screen.show_error(error)
            return
        screen.prompt.sent(text)
        screen.run_command(text)
    elif screen.session.busy or screen.reading_files:
        screen.prompt.sent(text)
        screen.query_one(Waiting).add(text)
    elif _begin(screen, text):
        screen.prompt.sent(text)


def send_next(screen: ChatScreen, finished: StoredMessage) -> None:
    """Send what waits; after a reply that was stopped or failed, it goes back into the prompt instead."""
    waiting = screen.query_one(Waiting)
    if finished.status != "complete":
        _give_back(screen, waiting.take_all())
    elif (text := waiting.take()) and not _begin(screen, text):
        screen.prompt.fill(text)


def _begin(screen: ChatScreen, text: str) -> bool:
    """Send at once, or as soon as the files are read; False where it could not be sent."""
    if not names_any(text, screen.prompt.pasted):
        return _send(screen, text, ())
    screen.reading_files = True
    screen.run_worker(_read_and_send(screen, text), group="files")
    return True


async def _read_and_send(screen: ChatScreen, text: str) -> None:
    conversation = screen.session.conversation
    screen.set_state("reading files…")
    try:
        attached = await screen.session.attach(text, screen.prompt.pasted)
    except FiresideError as error:
        screen.show_error(error)
        sent = False
    else:
        # The person may have gone to another conversation meanwhile.
        there = screen.session.conversation
        same = (conversation and conversation.id) == (there and there.id)
        sent = same and not screen.session.busy and _send(screen, text, attached)
    finally:
        screen.reading_files = False
    if not sent:
        screen.set_state("ready" if screen.session.info else "no model")
        _give_back(screen, "\n\n".join(part for part in (text, screen.query_one(Waiting).take_all()) if part))


def _send(screen: ChatScreen, text: str, attached: Sequence[Attachment]) -> bool:
    try:
        reply = screen.session.send(text, attached)
    except FiresideError as error:
        screen.show_error(error)
        return False
    screen.show_notice("")
    screen.write(reply, asked=True)
    return True


def _give_back(screen: ChatScreen, text: str) -> None:
    """Put what was not sent back before what is in the prompt."""
    if text:
        screen.prompt.fill("\n\n".join(part for part in (text, screen.prompt.text) if part))
