"""Carries out the slash commands, and names what their arguments may be. Each function is one command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fireside import paths
from fireside.errors import FiresideError
from fireside.text import for_terminal, for_terminal_line
from tui.chat import tool_commands
from tui.chat.dialogs import ChoiceDialog, ConfirmDialog, HelpDialog, LineDialog, TextDialog
from tui.libraries import library_of
from tui.slash import Choices
from tui.theme import THEMES

if TYPE_CHECKING:
    from fireside.conversations.types import StoredMessage
    from tui.chat.screen import ChatScreen

_LARGEST_IMPORT = 100_000_000
_DATA_SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".txt")


async def run(screen: ChatScreen, name: str, argument: str) -> None:
    """Run the command `name`. Raises FiresideError, which the screen shows."""
    await _COMMANDS[name](screen, argument)


async def _help(screen: ChatScreen, argument: str) -> None:
    await screen.app.push_screen_wait(HelpDialog())


async def _new(screen: ChatScreen, argument: str) -> None:
    screen.session.new()
    await screen.show_conversation()
    screen.prompt.focus()


async def _open(screen: ChatScreen, argument: str) -> None:
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


async def _search(screen: ChatScreen, argument: str) -> None:
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


async def _rename(screen: ChatScreen, argument: str) -> None:
    title = argument or await screen.app.push_screen_wait(LineDialog("Rename the conversation", screen.session.title))
    if title:
        screen.session.rename(title)
        screen.show_sidebar()


async def _delete(screen: ChatScreen, argument: str) -> None:
    if screen.session.conversation is None:
        raise FiresideError("there is nothing to delete yet", "send a message first")
    await conversation(screen, "delete", screen.session.conversation.id)


async def conversation(screen: ChatScreen, act: str, conversation_id: int | None) -> None:
    """What the list of conversations asks for: new, open, rename or delete."""
    try:
        if act == "new":
            await _new(screen, "")
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


async def _retry(screen: ChatScreen, argument: str) -> None:
    last = _last(screen, "assistant")
    screen.begin_turn(lambda: screen.session.retry(last.id))


async def _edit(screen: ChatScreen, argument: str) -> None:
    screen.edit(_last(screen, "user"))


async def _copy(screen: ChatScreen, argument: str) -> None:
    screen.app.copy_to_clipboard(for_terminal(_last(screen, "assistant").text))
    screen.show_notice("copied")


def _last(screen: ChatScreen, role: str) -> StoredMessage:
    """The last message of `role` in the open conversation."""
    for message in reversed(screen.session.messages()):
        if message.role == role:
            return message
    raise FiresideError("there is no message yet", "send one first")


async def _system(screen: ChatScreen, argument: str) -> None:
    dialog = TextDialog("System prompt", screen.session.system)
    text = argument or await screen.app.push_screen_wait(dialog)
    if text:
        screen.session.change_system(text)
        screen.show_notice("system prompt changed; it counts from the next reply on")


async def _model(screen: ChatScreen, argument: str) -> None:
    from tui.models import sampling_text

    if not argument:
        session = screen.session
        settings = session.settings.reply.sampling()
        how = sampling_text(settings.over(session.info.sampling) if session.info else settings)
        what = f"{session.model.name} ({how})" if how else session.model.name
        screen.show_notice(f"chatting with {what}; /model NAME changes it")
        return
    screen.set_state("loading…")
    try:
        info = await screen.session.use_model(argument)
        screen.show_notice(f"chatting with {info.name}")
        screen.transcript.show_welcome()
    finally:
        screen.set_state("ready" if screen.session.info else "no model")


async def _docs(screen: ChatScreen, argument: str) -> None:
    if not argument:
        if screen.session.library_name is None:
            raise FiresideError("no library is attached", "/docs NAME attaches one; `fireside docs add` fills it")
        screen.show_notice(f"answering from {screen.session.library_name}; /docs off detaches it")
        return
    await screen.session.use_library(None if argument == "off" else argument)
    screen.show_notice("answering without documents" if argument == "off" else f"answering from {argument}")


async def _adapter(screen: ChatScreen, argument: str) -> None:
    if not argument:
        adapter = screen.session.adapter
        if adapter is None:
            raise FiresideError("no adapter is applied", "/adapter NAME applies one; /train makes one")
        screen.show_notice(f"{adapter.name} is applied at {adapter.scale:g}; /adapter off takes it out")
        return
    await screen.session.use_adapter(None if argument == "off" else argument)
    adapter = screen.session.adapter
    if adapter is None:
        screen.show_notice("adapter taken out")
        return
    from fireside.models.adapters import find_adapter

    caution = find_adapter(adapter.name).note
    # A small model repeats the answers it sees above, whichever adapter is on.
    advice = "/retry answers the last question with it, /new asks afresh"
    screen.show_notice(f"{argument} applies from the next reply on; {caution or advice}")


async def _theme(screen: ChatScreen, argument: str) -> None:
    if argument not in ("", *THEMES):
        raise FiresideError(f"there is no theme {argument}", "write /theme dark or /theme light")
    wanted = argument or ("light" if screen.app.current_theme.dark else "dark")
    screen.app.theme = THEMES[wanted].name
    screen.show_sidebar()


async def _quit(screen: ChatScreen, argument: str) -> None:
    await screen.app.action_quit()


async def _train(screen: ChatScreen, argument: str) -> None:
    if not argument:
        from tui.runs.list import RunsScreen

        await screen.app.push_screen(RunsScreen())
        return
    from finetune.config import load_config
    from finetune.run import start_run
    from tui.runs.screen import RunScreen

    config = await asyncio.to_thread(load_config, paths.expanded(argument))
    folder = await asyncio.to_thread(start_run, config)
    await screen.app.push_screen(RunScreen(folder))


async def _data(screen: ChatScreen, argument: str) -> None:
    from finetune.data.preview_process import PreviewProcess
    from fireside.models.catalog import BUNDLED_NAME
    from tui.data_screen import DataScreen
    from tui.models import REMOTE

    name = screen.session.model.name
    base = BUNDLED_NAME if name.startswith(REMOTE) else name
    await screen.app.push_screen(DataScreen(PreviewProcess(paths.expanded(argument), base)))


async def _story(screen: ChatScreen, argument: str) -> None:
    from fireside.stories.store import list_stories
    from tui.story import StoryScreen

    name = argument
    if not name:
        names = [story.name for story in await asyncio.to_thread(list_stories)]
        chosen = await screen.app.push_screen_wait(ChoiceDialog("Stories", [*names, "a new story"])) if names else 0
        if chosen is None:
            return
        if chosen == len(names):
            name = await screen.app.push_screen_wait(LineDialog("Name of the new story", ""))
        else:
            name = names[chosen]
    if name:
        adapters = (screen.session.adapter,) if screen.session.adapter else ()
        await screen.app.push_screen(StoryScreen(name, screen.session.model, adapters))


async def _library(screen: ChatScreen, argument: str) -> None:
    from rag.library import DEFAULT, library_names
    from tui.library.screen import LibraryScreen

    attached = screen.session.library
    if attached is not None and argument in ("", attached.name):
        await screen.app.push_screen_wait(LibraryScreen(attached))
        return
    names = await asyncio.to_thread(library_names)
    name = argument or (names[0] if len(names) == 1 else DEFAULT)
    library = library_of(screen.session.settings.documents, name)
    try:
        await screen.app.push_screen_wait(LibraryScreen(library))
    finally:
        await asyncio.to_thread(library.close)


async def _source(screen: ChatScreen, argument: str) -> None:
    from tui.library.open_file import open_document

    replies = [message for message in screen.session.messages() if message.role == "assistant"]
    citations = replies[-1].details.get("citations") or [] if replies else []
    found = {str(each["marker"]): each for each in citations if isinstance(each, dict) and "marker" in each}
    if not found:
        raise FiresideError("the last reply names no sources", "/docs NAME lets it answer from documents")
    cited = found.get(argument or next(iter(found)))
    if cited is None:
        raise FiresideError(f"the last reply has no source {argument}", f"it has: {', '.join(found)}")
    library = screen.session.library
    if library is None:
        raise FiresideError("the library of this reply is not attached", "/docs NAME attaches it")
    document = await asyncio.to_thread(library.document, str(cited["document"]))
    open_document(screen.app, document, int(cited["start"]))


async def _export(screen: ChatScreen, argument: str) -> None:
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


async def _import(screen: ChatScreen, argument: str) -> None:
    from fireside.conversations.export import from_json

    path = paths.expanded(argument)
    if path.is_file() and path.stat().st_size > _LARGEST_IMPORT:
        raise FiresideError(f"{path.name} is larger than 100 MB", "/import takes what /export saved as .json")
    saved = from_json(path.read_text("utf-8", "replace"))
    await _open_id(screen, screen.session.store.restore(*saved).id)


_COMMANDS: dict[str, Callable[[ChatScreen, str], Awaitable[None]]] = {
    "help": _help,
    "new": _new,
    "open": _open,
    "search": _search,
    "rename": _rename,
    "delete": _delete,
    "retry": _retry,
    "edit": _edit,
    "copy": _copy,
    "system": _system,
    "model": _model,
    "docs": _docs,
    "library": _library,
    "source": _source,
    "adapter": _adapter,
    "tools": tool_commands.tools,
    "mcp": tool_commands.mcp,
    "allow": tool_commands.allow,
    "trace": tool_commands.trace,
    "traces": tool_commands.traces,
    "train": _train,
    "data": _data,
    "story": _story,
    "export": _export,
    "import": _import,
    "theme": _theme,
    "quit": _quit,
}


def choices(screen: ChatScreen, kind: Choices) -> Sequence[str]:
    """What an argument may be, for the dropdown; cheap, and empty where it cannot be told."""
    match kind:
        case "conversations":
            return [for_terminal_line(one.title, 60) for one in screen.session.store.conversations() if one.title]
        case "models":
            from fireside.models.catalog import models
            from tui.models import remote_names

            return [*(model.name for model in models()), *remote_names(screen.session.settings)]
        case "servers":
            from agents.mcp.servers import server_names

            return [*server_names(), "off"]
        case "libraries":
            from rag.library import library_names

            return [*library_names(), "off"]
        case "adapters":
            return [*_folders(paths.adapters_folder()), "off"]
        case "tools":
            return ["on", "off"]
        case "tool":
            return [tool.name for tool in screen.session.tools]
        case "configs":
            return sorted(path.name for path in Path.cwd().glob("*.toml"))
        case "data":
            return sorted(path.name for path in Path.cwd().iterdir() if path.suffix in _DATA_SUFFIXES)
        case "stories":
            return sorted(path.stem for path in paths.stories_folder().glob("*.db"))
        case "themes":
            return list(THEMES)
        case _:
            return []


def _folders(parent: Path) -> list[str]:
    """The names of the folders in `parent`, which need not exist."""
    return sorted(path.name for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []
