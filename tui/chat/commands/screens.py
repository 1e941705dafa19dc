"""The slash commands that open a screen, and those of the app itself. Each function is one command."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fireside import paths
from fireside.errors import FiresideError, did_you_mean
from tui.chat.dialogs import ConfirmDialog, HelpDialog
from tui.libraries import encoder_of, library_of
from tui.slash import is_command
from tui.theme import THEME_NAMES, textual_name

if TYPE_CHECKING:
    from tui.chat.screen import ChatScreen


async def help_(screen: ChatScreen, argument: str) -> None:
    """The commands and keys."""
    await screen.app.push_screen_wait(HelpDialog(screen.session.settings.keys))


async def context(screen: ChatScreen, argument: str) -> None:
    """Open the context bar: every part of the next prompt."""
    from tui.context.screen import ContextScreen

    draft = screen.prompt.text.strip()
    upcoming = await screen.session.upcoming(
        "" if is_command(draft) else draft, search=True, pasted=screen.prompt.pasted
    )
    if upcoming is None:
        raise FiresideError(
            "the next prompt is not known yet", "wait until the model is loaded and its reply is written"
        )
    await screen.app.push_screen(ContextScreen(upcoming, screen.reading_speed))


async def compare(screen: ChatScreen, argument: str) -> None:
    """Two replies to one question side by side."""
    from tui.compare.screen import CompareScreen
    from tui.compare.sides import sides_of

    if screen.session.busy:
        raise FiresideError("a reply is still being written", "Escape stops it")
    sides = await sides_of(screen.session, argument)
    if await screen.app.push_screen_wait(CompareScreen(screen.session, sides)):
        await screen.show_conversation()
        screen.show_notice("kept; the other reply is another version of it")


async def models(screen: ChatScreen, argument: str) -> None:
    """Every model; the one that is chosen there is chatted with."""
    from tui.models_screen.screen import ModelsScreen

    before = screen.session.model.name
    await screen.app.push_screen_wait(ModelsScreen(screen.session))
    if screen.session.model.name != before:
        screen.show_notice(f"chatting with {screen.session.model.name}")
        screen.transcript.show_welcome()
        screen.set_state("ready" if screen.session.info else "no model")


async def adapters(screen: ChatScreen, argument: str) -> None:
    """Every adapter; those that are blended there count from the next reply on."""
    from tui.adapters_screen.screen import AdaptersScreen

    await screen.app.push_screen_wait(AdaptersScreen(screen.session))


async def evals(screen: ChatScreen, argument: str) -> None:
    """Results of evaluations."""
    from tui.evals.screen import EvalsScreen

    await screen.app.push_screen(EvalsScreen())


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


async def plan(screen: ChatScreen, argument: str) -> None:
    """What a training run will take, before it is started."""
    from tui.runs.plan_screen import PlanScreen

    await screen.app.push_screen(PlanScreen(paths.expanded(argument)))


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
    """Write a story: by name, or one of the list."""
    from tui.story.screen import StoryScreen
    from tui.story.side.stories import StoriesScreen

    name: str | None = argument
    if not name:
        name = await screen.app.push_screen_wait(StoriesScreen())
    if name:
        await screen.app.push_screen(StoryScreen(name, screen.session.model, screen.session.adapters))


async def library(screen: ChatScreen, argument: str) -> None:
    """Look into a document library; one that is not there yet is made, once the person has said so."""
    from rag.library import DEFAULT, create_library, library_names
    from tui.library.screen import LibraryScreen

    attached, documents, jobs = screen.session.library, screen.session.settings.documents, screen.session.jobs
    if attached is not None and argument in ("", attached.name):
        await screen.app.push_screen_wait(LibraryScreen(attached, documents, jobs))
        return
    names = await asyncio.to_thread(library_names)
    name = argument or (names[0] if len(names) == 1 else DEFAULT)
    if argument and name not in names:
        paths.checked_name(name, "library")
        others = f"There are: {', '.join(names)}." if names else ""
        asked = ConfirmDialog(f"There is no document library {name!r}. Make it?", others)
        if not await screen.app.push_screen_wait(asked):
            return
    library = library_of(documents, name) if name in names else create_library(name, encoder_of(documents))
    try:
        await screen.app.push_screen_wait(LibraryScreen(library, documents, jobs))
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


async def settings(screen: ChatScreen, argument: str) -> None:
    """Look at all settings and change them."""
    from tui.app import FiresideApp
    from tui.settings_screen.screen import SettingsScreen

    assert isinstance(screen.app, FiresideApp)
    await screen.app.push_screen(SettingsScreen(screen.app.take_settings))


async def tour(screen: ChatScreen, argument: str) -> None:
    """Five steps through what there is."""
    screen.show_tour()


async def theme(screen: ChatScreen, argument: str) -> None:
    """Change the colours."""
    if argument not in ("", *THEME_NAMES):
        hint = did_you_mean(argument, THEME_NAMES, "/theme dark or /theme light")
        raise FiresideError(f"there is no theme {argument}", hint)
    wanted = argument or ("light" if screen.app.current_theme.dark else "dark")
    screen.app.theme = textual_name(wanted)
    screen.show_sidebar()


async def quit_(screen: ChatScreen, argument: str) -> None:
    """Leave."""
    await screen.app.action_quit()
