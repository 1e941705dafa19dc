"""The slash commands about conversations. Each function is one command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from fireside import paths
from fireside.errors import FiresideError
from fireside.text import for_terminal_line
from tui.chat.dialogs import ChoiceDialog, ConfirmDialog, LineDialog

if TYPE_CHECKING:
    from fireside.conversations.types import Conversation
    from tui.chat.screen import ChatScreen


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


async def search(screen: ChatScreen, argument: str) -> None:
    """Find text in all conversations, and go to what was found."""
    await _search(screen, argument, here=False)


async def find(screen: ChatScreen, argument: str) -> None:
    """Find text in the open conversation, and go to what was found."""
    await _search(screen, argument, here=True)


async def _search(screen: ChatScreen, argument: str, *, here: bool) -> None:
    from tui.chat.search_screen import SearchScreen

    session = screen.session
    opened = session.conversation.id if session.conversation else None
    hit = await screen.app.push_screen_wait(SearchScreen(session.store, argument, opened, here=here))
    if hit is not None:
        await go_to(screen, hit.conversation, hit.message)


async def go_to(screen: ChatScreen, conversation_id: int, message_id: int | None) -> None:
    """Show a conversation, and of it a message on whatever branch, with the cursor on it."""
    opened = screen.session.conversation
    if message_id is not None:
        screen.session.store.select(message_id)
    if opened is None or opened.id != conversation_id:
        await _open_id(screen, conversation_id)
    else:
        screen.session.open(conversation_id)
        await screen.show_conversation()
    if message_id is not None:
        view = await screen.transcript.reveal(message_id)
        if view is not None:
            view.focus()


async def tree(screen: ChatScreen, argument: str) -> None:
    """The tree of the open conversation, to go to any message of any branch."""
    from tui.chat.tree_screen import TreeScreen

    conversation = _opened(screen)
    rows = await asyncio.to_thread(screen.session.store.tree, conversation.id)
    path = [message.id for message in screen.session.messages()]
    title = for_terminal_line(conversation.title, 60) or "untitled"
    chosen = await screen.app.push_screen_wait(TreeScreen(title, rows, path))
    if chosen is not None:
        await go_to(screen, conversation.id, chosen)


async def rename(screen: ChatScreen, argument: str) -> None:
    """Give the open conversation a title."""
    title = argument or await screen.app.push_screen_wait(LineDialog("Rename the conversation", screen.session.title))
    if title:
        screen.session.rename(title)
        screen.show_sidebar()


async def delete(screen: ChatScreen, argument: str) -> None:
    """Delete the open conversation."""
    await conversation(screen, "delete", _opened(screen).id)


async def pin(screen: ChatScreen, argument: str) -> None:
    """Keep the open conversation at the top of the list, or let it go."""
    await conversation(screen, "pin", _opened(screen).id)


async def archive(screen: ChatScreen, argument: str) -> None:
    """Take the open conversation out of the list, or put it back."""
    await conversation(screen, "archive", _opened(screen).id)


async def tag(screen: ChatScreen, argument: str) -> None:
    """Give the open conversation a tag, or take it away where it has it."""
    _tag(screen, _opened(screen).id, argument)


async def conversation(screen: ChatScreen, act: str, conversation_id: int | None) -> None:
    """What the list of conversations asks for: new, open, rename, delete, pin, archive, tag or undo."""
    if act == "new":
        await new(screen, "")
        return
    if act == "undo":
        screen.action_slash("undo")
        return
    if conversation_id is None:
        return
    session = screen.session
    held = session.store.get(conversation_id)
    match act:
        case "open":
            if screen.has_class("narrow"):
                screen.remove_class("browsing")
            await _open_id(screen, conversation_id)
            return
        case "rename":
            title = await screen.app.push_screen_wait(LineDialog("Rename the conversation", held.title))
            if title:
                session.rename(title, conversation_id)
        case "delete":
            was_open = session.conversation is not None and session.conversation.id == conversation_id
            session.delete(conversation_id)
            if was_open:
                await screen.show_conversation()
            title = for_terminal_line(held.title, 40) or "untitled"
            screen.show_notice(f"deleted “{title}”; /undo brings it back until Fireside ends")
        case "pin":
            session.organise(conversation_id, "unpin" if held.pinned else "pin")
        case "archive":
            session.organise(conversation_id, "unarchive" if held.archived else "archive")
            screen.show_notice("back in the list" if held.archived else "archived: /search finds it, A lists it")
        case "tag":
            written = await screen.app.push_screen_wait(LineDialog("Tag: again takes it away", ""))
            if written:
                _tag(screen, conversation_id, written)
    screen.show_sidebar()


def _tag(screen: ChatScreen, conversation_id: int, written: str) -> None:
    has = {tag.casefold() for tag in screen.session.store.get(conversation_id).tags}
    screen.session.organise(conversation_id, "untag" if written.casefold() in has else "tag", written)
    tags = ", ".join(screen.session.store.get(conversation_id).tags)
    screen.show_notice(f"tags: {tags}" if tags else "no tags")
    screen.show_sidebar()


def _opened(screen: ChatScreen) -> Conversation:
    if screen.session.conversation is None:
        raise FiresideError("nothing was said yet in this conversation", "send a message first")
    return screen.session.conversation


async def _open_id(screen: ChatScreen, conversation_id: int) -> None:
    """Show a conversation, and take up what it was held with."""
    screen.session.open(conversation_id)
    await screen.show_conversation()
    screen.prompt.focus()
    model = screen.session.model.name
    if screen.session.conversation and screen.session.conversation.model not in ("", model):
        screen.set_state("loading…")
    for problem in await screen.session.restore():
        screen.show_error(problem)
    screen.set_state("ready" if screen.session.info else "no model")


async def export(screen: ChatScreen, argument: str) -> None:
    """Save the open conversation as a file, in the form that its suffix names."""
    from fireside.atomic import write_text
    from fireside.conversations.export import to_json, to_markdown
    from fireside.conversations.html import to_html

    conversation, shown = _opened(screen), screen.session.messages()
    forms: dict[str, Callable[[], str]] = {
        ".md": lambda: to_markdown(conversation, shown),
        ".html": lambda: to_html(conversation, shown),
        ".json": lambda: to_json(conversation, screen.session.store.messages(conversation.id)),
    }
    path = paths.expanded(argument)
    if path.suffix not in forms:
        raise FiresideError(f"{path.name} is neither .md nor .html nor .json", "end the file name in one of them")
    if path.exists() and not await screen.app.push_screen_wait(ConfirmDialog(f"Replace {path.name}?")):
        return
    write_text(path, await asyncio.to_thread(forms[path.suffix]))
    screen.show_notice(f"saved as {path}")


async def import_(screen: ChatScreen, argument: str) -> None:
    """Bring in conversations from a file: Fireside's own, ChatGPT's export, or lists of messages."""
    from fireside.conversations.imports import read_file

    screen.show_notice("reading …")
    found = await asyncio.to_thread(read_file, paths.expanded(argument))
    store = screen.session.store
    kept = await asyncio.to_thread(lambda: [store.restore(*each) for each in found.found])
    if kept:
        await _open_id(screen, kept[0].id)
    said = [f"{len(kept)} conversations brought in" if len(kept) != 1 else "one conversation brought in"]
    screen.show_notice(
        "\n".join(said + [for_terminal_line(f"{each.place}: {each.reason}", 200) for each in found.refused[:3]])
    )
