"""A story, open in the app on a scripted model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from screen_text import shown
from textual.pilot import Pilot
from textual.screen import Screen

import tui.app
from fireside.conversations.store import ConversationStore
from fireside.models.scripted import ScriptedModel
from fireside.settings import Settings, ThemeName
from fireside.stories import manuscript as ms
from fireside.stories.manuscript import Author
from fireside.stories.store import create_story
from tui.app import FiresideApp
from tui.session import ChatSession
from tui.story.prompt import StoryPrompt
from tui.story.screen import StoryScreen

Reply = Sequence[str | Exception | asyncio.Event]


class Desk:
    """A running app with a story open."""

    def __init__(self, app: FiresideApp, pilot: Pilot[Any], screen: StoryScreen, model: ScriptedModel) -> None:
        self.app, self.pilot, self.screen, self.model = app, pilot, screen, model

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                await self.pilot.pause(0.005)
        await self.pilot.pause()

    @property
    def text(self) -> str:
        """What is on the screen."""
        return str(shown(self.app))

    @property
    def prose(self) -> str:
        """What the story's file says."""
        self.screen.save_now()
        return ms.text(self.screen.story.manuscript)

    @property
    def authors(self) -> list[tuple[Author, str]]:
        """The pieces that are read, by who wrote them."""
        self.screen.save_now()
        return [(piece.author, piece.text) for piece in ms.path(self.screen.story.manuscript)]

    async def write(self, words: str = "") -> None:
        """Type, press Enter, and wait until the model has written."""
        asked = len(self.model.requests)
        self.screen.query_one(StoryPrompt).text = words
        await self.pilot.press("enter")
        await self.until(lambda: len(self.model.requests) > asked and not self.screen.busy)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.until(lambda: not self.screen.busy)

    async def type(self, words: str) -> None:
        """Type into the manuscript."""
        await self.pilot.press(*words)

    async def dialog(self, *keys: str) -> Any:
        """Press keys, and the dialog or screen they open."""
        await self.pilot.press(*keys)
        await self.until(lambda: self.app.screen is not self.screen)
        return self.app.screen

    async def closed(self) -> None:
        """Wait until the story is what is shown."""
        await self.until(lambda: self.app.screen is self.screen)


class StoryApp(FiresideApp):
    """The app without a chat below the story: it would be built for every test."""

    CSS_PATH = str(Path(tui.app.__file__).parent / FiresideApp.CSS_PATH)

    def get_default_screen(self) -> Screen[None]:
        return Screen()


def story_app(tmp_path: Path, model: ScriptedModel, theme: ThemeName = "dark") -> FiresideApp:
    store = ConversationStore(tmp_path / "conversations.db")
    return StoryApp(ChatSession(store, Settings(theme=theme), lambda name: model))


@pytest.fixture
def app_for(tmp_path: Path) -> Callable[..., FiresideApp]:
    """The app on a model and in a theme."""
    return lambda model, theme="dark": story_app(tmp_path, model, theme)


@pytest.fixture
def told() -> Callable[..., None]:
    """Keep the story `sea` of the given pieces."""

    def keep(*pieces: tuple[Author, str], title: str = "") -> None:
        story = create_story("sea", title=title)
        manuscript = story.manuscript
        for author, text in pieces:
            manuscript = ms.append(manuscript, author, text)
        story.save(manuscript)
        story.close()

    return keep


@pytest.fixture
def desk(tmp_path: Path) -> Callable[..., Any]:
    """`async with desk(replies, size=...) as at:` opens the story `sea`."""

    @asynccontextmanager
    async def running(replies: Sequence[Reply] = (), size: tuple[int, int] = (80, 24)) -> AsyncIterator[Desk]:
        model = ScriptedModel(replies)
        app = story_app(tmp_path, model)
        async with app.run_test(size=size) as pilot:
            screen = StoryScreen("sea", model)
            await app.push_screen(screen)
            await pilot.pause()
            yield Desk(app, pilot, screen, model)

    return running
