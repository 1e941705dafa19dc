"""What the keys on a message do: edit, retry, go on, copy, remove, and walk to its versions and its neighbours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fireside.errors import FiresideError
from fireside.text import for_terminal
from tui.chat.dialogs import ChoiceDialog, TextDialog

if TYPE_CHECKING:
    from fireside.conversations.types import StoredMessage
    from tui.chat.message import MessageView
    from tui.chat.screen import ChatScreen

_FENCE = re.compile(r"^(?P<fence>`{3,}|~{3,})[^\n]*\n(?P<code>.*?)^(?P=fence)[`~]*[ \t]*$", re.MULTILINE | re.DOTALL)


async def act(screen: ChatScreen, view: MessageView, name: str) -> None:
    """Carry out what a key on `view` asks for. Raises FiresideError."""
    message = view.message
    match name:
        case "leave":
            screen.prompt.focus()
            screen.transcript.anchor()
        case "up" | "down":
            await _walk(screen, view, -1 if name == "up" else 1)
        case "previous" | "next":
            await _turn(screen, message, -1 if name == "previous" else 1)
        case "edit":
            await edit(screen, message)
        case "rewrite":
            await rewrite(screen, message)
        case "retry":
            screen.begin_turn(lambda: screen.session.retry(message.id))
        case "go-on":
            screen.begin_turn(lambda: screen.session.go_on(message.id))
        case "words":
            await words(screen, message)
        case "copy":
            screen.app.copy_to_clipboard(for_terminal(message.text))
            screen.show_notice("copied")
        case "copy-code":
            await copy_code(screen, message)
        case "remove":
            screen.session.remove(message.id)
            await screen.show_conversation()
            screen.show_notice("removed, with what followed it; /undo brings it back")


async def edit(screen: ChatScreen, message: StoredMessage) -> None:
    """Change a message in a dialog; the old one stays as a version. The person's own is answered anew."""
    text = await screen.app.push_screen_wait(TextDialog("Edit: the old message stays as a version", message.text))
    if text and text != message.text:
        attached = await screen.session.attach(text, message_id=message.id) if message.role == "user" else ()
        screen.begin_turn(lambda: screen.session.edit(message.id, text, attached))


async def rewrite(screen: ChatScreen, message: StoredMessage) -> None:
    """Change a message in place, whoever wrote it; what follows it stays."""
    text = await screen.app.push_screen_wait(TextDialog("Edit in place: what follows stays", message.text))
    if text and text != message.text:
        screen.session.rewrite(message.id, text)
        await screen.show_conversation()
        screen.show_notice("changed; /undo brings the old text back")


async def words(screen: ChatScreen, message: StoredMessage) -> None:
    """Look at a reply word by word; another token taken there begins another reply, which goes on from it."""
    from tui.words.screen import WordsScreen

    if message.role != "assistant" or not message.text.strip():
        raise FiresideError("only a reply has words that the model chose", "choose one of the assistant's messages")
    taken = await screen.app.push_screen_wait(
        WordsScreen(message.text, lambda end: screen.session.alternatives(message.id, end))
    )
    if taken is not None:
        screen.begin_turn(lambda: screen.session.go_on(message.id, taken))


async def copy_code(screen: ChatScreen, message: StoredMessage) -> None:
    """Copy a code block of a message, chosen where there are several."""
    blocks = code_blocks(message.text)
    if not blocks:
        raise FiresideError("there is no code in this message", "c copies the whole message")
    chosen: int | None = 0
    if len(blocks) > 1:
        firsts = [block.strip().split("\n")[0] for block in blocks]
        chosen = await screen.app.push_screen_wait(ChoiceDialog("Copy which block?", firsts))
    if chosen is not None:
        screen.app.copy_to_clipboard(for_terminal(blocks[chosen]))
        screen.show_notice(f"copied {len(blocks[chosen].splitlines())} lines of code")


def code_blocks(text: str) -> list[str]:
    """What stands in the fenced code blocks of a Markdown text, the last of which may be unfinished."""
    found = [match["code"] for match in _FENCE.finditer(text)]
    rest = text[max((match.end() for match in _FENCE.finditer(text)), default=0) :]
    opened = re.search(r"^(?:`{3,}|~{3,})[^\n]*\n", rest, re.MULTILINE)
    if opened and rest[opened.end() :].strip():
        found.append(rest[opened.end() :])
    return found


async def _walk(screen: ChatScreen, view: MessageView, step: int) -> None:
    """Go to the message above or below; below the last one is the prompt."""
    other = screen.transcript.beside(view, step)
    if other is not None:
        other.focus()
    elif step > 0:
        screen.prompt.focus()
    else:
        await screen.transcript.show_earlier()


async def _turn(screen: ChatScreen, message: StoredMessage, step: int) -> None:
    """Show the version before or after a message, keeping the cursor on it."""
    shown = [each.id for each in screen.session.messages()]
    if message.id not in shown:
        return  # A second key, pressed before the first had brought another branch.
    place = shown.index(message.id)
    if screen.session.sibling(message.id, step):
        await screen.show_conversation()
        view = await screen.transcript.reveal(screen.session.messages()[place].id)
        if view is not None:
            view.focus()
