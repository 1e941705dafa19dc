"""The slash commands about conversations. Each function is one command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fireside import paths
from fireside.errors import FiresideError
from fireside.text import for_terminal_line
from tui.chat.dialogs import ChoiceDialog, ConfirmDialog, LineDialog

if TYPE_CHECKING:
    from tui.chat.screen import ChatScreen

_LARGEST_IMPORT = 100_000_000


async def new(screen: ChatScreen, argument: str) -> None:
    """Leave the conversation; the next message begins another."""
    screen.session.new()
    await screen.show_conversation()
    screen.prompt.focus()


async def open_(screen: ChatScreen, argument: str) -> None:
    """Go to another conversation: by its title, or chosen from the list."""
    conversations = screen.session.store.conversations()
    if not conversations:
        raise FiresideError("there are no conversations yet", "send a message to begin one")
    if argument:
        matching = [one for one in conversations if argument.lower() in one.title.lower()]
        if not matching:
            raise FiresideError(f"no conversation has {argument!r} in its title", "/search looks in the messages")
        exact = [one for one in matching if one.title.lower() == argument.lower()]
        await _open_id(screen, (exact or matching)[0].id)
        return
    chosen = await screen.app.push_screen_wait(
        ChoiceDialog("Open a conversation", [one.title or "untitled" for one in conversations])
    )
    if chosen is not None:
        await _open_id(screen, conversations[chosen].id)


async def _open_id(screen: ChatScreen, conversation_id: int) -> None:
    screen.session.open(conversation_id)
    await screen.show_conversation()
    screen.prompt.focus()
    for problem in await screen.session.restore():
        screen.show_error(problem)


async def search(screen: ChatScreen, argument: str) -> None:
    """Find text in all conversations, and go to what was found."""
    hits = screen.session.store.search(argument)
    if not hits:
        raise FiresideError(f"no conversation holds {argument!r}", "every word must occur; the last may be a beginning")
    lines = [f"{hit.title or 'untitled'}: {hit.excerpt}" if hit.message is not None else hit.title for hit in hits]
    chosen = await screen.app.push_screen_wait(ChoiceDialog(f"Found {len(hits)}", lines))
    if chosen is None:
        return
    hit = hits[chosen]
    if hit.message is not None:
        screen.session.open(hit.conversation)
        screen.session.store.select(hit.message)
    await _open_id(screen, hit.conversation)


async def rename(screen: ChatScreen, argument: str) -> None:
    """Give the open conversation a title."""
    title = argument or await screen.app.push_screen_wait(LineDialog("Rename the conversation", screen.session.title))
    if title:
        screen.session.rename(title)
        screen.show_sidebar()


async def delete(screen: ChatScreen, argument: str) -> None:
    """Delete the open conversation."""
    if screen.session.conversation is None:
        raise FiresideError("there is nothing to delete yet", "send a message first")
    await conversation(screen, "delete", screen.session.conversation.id)


async def conversation(screen: ChatScreen, act: str, conversation_id: int | None) -> None:
    """What the list of conversations asks for: new, open, rename or delete."""
    try:
        if act == "new":
            await new(screen, "")
        elif conversation_id is None:
            return
        elif act == "open":
            if screen.has_class("narrow"):
                screen.remove_class("browsing")
            await _open_id(screen, conversation_id)
        elif act == "rename":
            old = screen.session.store.get(conversation_id).title
            title = await screen.app.push_screen_wait(LineDialog("Rename the conversation", old))
            if title:
                screen.session.rename(title, conversation_id)
                screen.show_sidebar()
        elif act == "delete":
            await _delete_id(screen, conversation_id)
    except FiresideError as error:
        screen.show_error(error)


async def _delete_id(screen: ChatScreen, conversation_id: int) -> None:
    title = for_terminal_line(screen.session.store.get(conversation_id).title, 40) or "untitled"
    if await screen.app.push_screen_wait(ConfirmDialog(f"Delete “{title}”?", "It cannot be brought back.")):
        was_open = screen.session.conversation is not None and screen.session.conversation.id == conversation_id
        screen.session.delete(conversation_id)
        if was_open:
            await screen.show_conversation()
        else:
            screen.show_sidebar()


async def export(screen: ChatScreen, argument: str) -> None:
    """Save the open conversation as a file, in the form that its suffix names."""
    from fireside.atomic import write_text
    from fireside.conversations.export import to_json, to_markdown

    conversation = screen.session.conversation
    if conversation is None:
        raise FiresideError("there is nothing to export yet", "send a message first")
    path = paths.expanded(argument)
    if path.suffix not in (".md", ".json"):
        raise FiresideError(f"{path.name} is neither .md nor .json", "end the file name in .md or .json")
    if path.exists() and not await screen.app.push_screen_wait(ConfirmDialog(f"Replace {path.name}?")):
        return
    if path.suffix == ".md":
        write_text(path, to_markdown(conversation, screen.session.messages()))
    else:
        write_text(path, to_json(conversation, screen.session.store.messages(conversation.id)))
    screen.show_notice(f"saved as {path}")


async def import_(screen: ChatScreen, argument: str) -> None:
    """Bring in a conversation from a file, and go to it."""
    from fireside.conversations.export import from_json

    path = paths.expanded(argument)
    if path.is_file() and path.stat().st_size > _LARGEST_IMPORT:
        raise FiresideError(f"{path.name} is larger than 100 MB", "/import takes what /export saved as .json")
    saved = from_json(path.read_text("utf-8", "replace"))
    await _open_id(screen, screen.session.store.restore(*saved).id)
