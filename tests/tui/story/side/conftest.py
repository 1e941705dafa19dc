"""The screens beside a story in an app of their own, over a story that the tests make."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pytest_textual_snapshot import SVGImageExtension  # type: ignore[import-untyped]  # it ships no types
from screen_text import shown
from syrupy.assertion import SnapshotAssertion
from textual.app import App
from textual.binding import BindingType
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input, TextArea

from fireside.models.scripted import ScriptedModel
from fireside.models.types import ReplyEvent
from fireside.stories import manuscript as ms
from fireside.stories.lore import LoreEntry
from fireside.stories.outline_text import parse
from fireside.stories.store import Story, create_story
from tui.actions import bindings
from tui.app import FiresideApp
from tui.theme import DARK, LIGHT

PLAN = """# The Rock

A keeper is left alone on the rock.

## The Boat

The supply boat comes late.

- A boat comes out of the fog.
- Ilse climbs out and says that the light must stay dark tonight.

## Tea

- They drink tea and lie to each other.

# The Storm

## The Lamp

- The lamp goes out.
- Ilse is gone.
"""
LORE = (
    LoreEntry("Ilse", "Ilse smuggles books across the sound.", ("Ilse", "/sm[uv]ggler/i")),
    LoreEntry("The lamp", "The lamp burns whale oil.", ("lamp",), ("oil",), order=50),
    LoreEntry("The year", "It is 1911.", constant=True),
    LoreEntry("The old pier", "The pier burned down.", ("pier",), enabled=False),
)
PROMPT = "The harbour lay still. Nobody had lit the lamp.\n\n"
BOAT = "A boat came out of the fog, slowly.\n\n"
ILSE = "Ilse climbed out and said"


class SideApp(App[None]):
    """Nothing but what the screens need of the real app."""

    CSS_PATH = str(Path(__file__).parents[4] / "tui/chat/chat.tcss")
    HORIZONTAL_BREAKPOINTS = FiresideApp.HORIZONTAL_BREAKPOINTS
    VERTICAL_BREAKPOINTS = FiresideApp.VERTICAL_BREAKPOINTS
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = bindings("app")

    def __init__(self, theme: str = "dark") -> None:
        super().__init__()
        for each in (DARK, LIGHT):
            self.register_theme(each)
        self.theme = f"fireside-{theme}"


@dataclass
class Beside:
    """A running app with a screen beside a story."""

    app: SideApp
    pilot: Pilot[Any]
    story: Story
    model: ScriptedModel
    left: list[Any]

    @property
    def text(self) -> str:
        return shown(self.app)

    async def shows(self, *texts: str) -> None:
        """Wait until all of `texts` are on the screen; looking is what costs most here."""
        for _ in range(250):
            now = self.text
            if all(text in now for text in texts):
                return
            await self.pilot.pause(0.02)
        raise AssertionError(f"{texts} are not on the screen:\n{self.text}")

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                await self.pilot.pause(0.01)
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def fill(self, text: str, key: str = "enter") -> None:
        """Write into the field of the dialog, or the text of the screen, that stands open, and press `key`."""
        await self.until(lambda: self.app.screen.query("Input, TextArea"))
        field = self.app.screen.query("Input, TextArea").first()
        if isinstance(field, TextArea):
            field.text = text
        else:
            assert isinstance(field, Input)
            field.value = text
        await self.press(key)

    async def mark(self, text: str) -> None:
        """Go down until the marked thing, shown whole beside the list, is `text`."""
        for _ in range(40):
            if self._marked() == text:
                return
            await self.press("j")
            await self.pilot.pause()
        raise AssertionError(f"{text!r} cannot be marked:\n{self.text}")

    def _marked(self) -> str:
        view = self.app.screen.query(".side-view Static").first()
        return str(view.render()).split("\n")[0].strip()


@pytest.fixture
def svg(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """A screenshot to compare with."""
    return snapshot.use_extension(SVGImageExtension)


@pytest.fixture
def empty() -> Story:
    """A story with nothing in it."""
    return create_story("sea", "The Sea")


@pytest.fixture
def sea(empty: Story) -> Story:
    """A story that is planned and begun, with lore."""
    empty.save_outline(parse(PLAN))
    beats = [node for node in empty.outline.nodes.values() if node.kind == "beat"]
    manuscript = ms.append(empty.manuscript, "prompt", PROMPT)
    manuscript = ms.append(manuscript, "model", BOAT, beats[0].parent, beats[0].id)
    manuscript = ms.append(manuscript, "model", ILSE, beats[1].parent, beats[1].id)
    empty.save(manuscript)
    empty.change(lore=LORE, synopsis="A keeper hides a boat.")
    return empty


Opens = Callable[..., Any]


@pytest.fixture
def beside() -> Opens:
    """`async with beside(Screen, story, replies) as at:` shows a screen beside a story on a scripted model."""

    @asynccontextmanager
    async def running(
        pane: Callable[..., Screen[Any]],
        story: Story,
        replies: Sequence[Sequence[str | ReplyEvent | Exception | asyncio.Event]] = (),
        size: tuple[int, int] = (100, 30),
        theme: str = "dark",
        model: ScriptedModel | None = None,
    ) -> AsyncIterator[Beside]:
        app, scripted = SideApp(theme), model or ScriptedModel(replies)
        left: list[Any] = []
        async with app.run_test(size=size) as pilot:
            await app.push_screen(pane(story, scripted), left.append)
            await pilot.pause()
            yield Beside(app, pilot, story, scripted, left)
        story.close()

    return running
