"""The slash commands that open a screen, and those of the app itself. Each function is one command."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fireside import paths
from fireside.errors import FiresideError
from tui.chat.dialogs import ChoiceDialog, HelpDialog, LineDialog
from tui.libraries import library_of
from tui.theme import THEMES

if TYPE_CHECKING:
    from tui.chat.screen import ChatScreen


async def help_(screen: ChatScreen, argument: str) -> None:
    """The commands and keys."""
    await screen.app.push_screen_wait(HelpDialog())


async def train(screen: ChatScreen, argument: str) -> None:
    """Fine-tune as a file says, or look at the runs."""
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


async def data(screen: ChatScreen, argument: str) -> None:
    """Look at training data as the model sees it."""
    from finetune.data.preview_process import PreviewProcess
    from fireside.models.catalog import BUNDLED_NAME
    from tui.data_screen import DataScreen
    from tui.models import REMOTE

    name = screen.session.model.name
    base = BUNDLED_NAME if name.startswith(REMOTE) else name
    await screen.app.push_screen(DataScreen(PreviewProcess(paths.expanded(argument), base)))


async def story(screen: ChatScreen, argument: str) -> None:
    """Write a story: by name, chosen, or new."""
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


async def library(screen: ChatScreen, argument: str) -> None:
    """Look into a document library."""
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


async def source(screen: ChatScreen, argument: str) -> None:
    """Open a source of the last reply."""
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


async def theme(screen: ChatScreen, argument: str) -> None:
    """Change the colours."""
    if argument not in ("", *THEMES):
        raise FiresideError(f"there is no theme {argument}", "write /theme dark or /theme light")
    wanted = argument or ("light" if screen.app.current_theme.dark else "dark")
    screen.app.theme = THEMES[wanted].name
    screen.show_sidebar()


async def quit_(screen: ChatScreen, argument: str) -> None:
    """Leave."""
    await screen.app.action_quit()
