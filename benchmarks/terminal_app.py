"""The real app on a model that writes at a clocked rate, over a conversation made for measuring; and the loop's lag."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from textual._compositor import CompositorUpdate
from textual.pilot import Pilot
from textual.screen import Screen

from fireside.conversations.store import ConversationStore
from fireside.conversations.types import Conversation, StoredMessage
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Delta, Finished, ReplyEvent, Request, Timings, Usage
from fireside.settings import Settings
from tui.app import FiresideApp
from tui.chat.screen import ChatScreen
from tui.session import ChatSession

RATE = 50.0
"""Tokens a second, the rate of a small model on a desktop's CPU."""

_SECTION = """## Laying a fire

A fire needs *dry* wood, air and **patience**. Split logs burn better than round ones, because the bark keeps
the damp in; a log is dry enough when it weighs little and its ends have cracked.

- two thick logs at the back, a finger's width apart
- kindling across them, no thicker than `2 cm`
- one sheet of paper below, not five

```python
def hours(weight: float, kilowatts: float = 4.1) -> float:
    # a kilogram of dry beech holds 4.1 kWh
    return weight * 4.1 / kilowatts
```

Light it from the top: the smoke then passes through the flame and burns. Ash is best left a finger deep, since it
holds the heat, and the door stays open by a hand's width for the first ten minutes.

"""


def tokens(count: int) -> list[str]:
    """A reply of `count` pieces of four characters."""
    text = (_SECTION * (4 * count // len(_SECTION) + 1))[: 4 * count]
    return [text[at : at + 4] for at in range(0, len(text), 4)]


class ClockedModel(ScriptedModel):
    """Writes each reply at `RATE`, by the clock: a piece that is late does not put off those after it."""

    def __init__(self, replies: list[list[str]]) -> None:
        super().__init__(replies)
        self.began = 0.0

    async def generate(self, request: Request) -> AsyncGenerator[ReplyEvent, None]:
        """Play the next reply; what is asked for beyond them, as a title is, comes at once."""
        if len(self.requests) >= len(self._replies):
            yield Delta("A fire")
            yield Finished("stop", Usage(100, 0, 1), Timings(0.0, 0.1, 0.1, RATE))
            return
        reply = self._replies[len(self.requests)]
        self.requests.append(request)
        self.began = time.perf_counter()
        for place, piece in enumerate(reply):
            assert isinstance(piece, str)
            await asyncio.sleep(max(0.0, self.began + (place + 1) / RATE - time.perf_counter()))
            yield Delta(piece)
        yield Finished("stop", Usage(100, 0, len(reply)), Timings(0.0, 0.1, 0.1, RATE))


def made_conversation(store: ConversationStore, messages: int, title: str = "Long") -> Conversation:
    """A conversation of that many messages, questions of a line and answers of some twelve lines in turn."""
    now = time.time()
    made = []
    for number in range(1, messages + 1):
        asked = number % 2 == 1
        text = f"Question {number}: which wood burns longest?" if asked else f"Answer {number}.\n\n{_SECTION}"
        parent = number - 1 or None
        made.append(StoredMessage(number, 1, parent, "user" if asked else "assistant", text, "complete", now, {}))
    return store.restore(Conversation(1, title, "s", "scripted", None, None, messages, now, now), made)


@dataclass
class Lag:
    """How late a task came that wanted to run every five milliseconds, in seconds."""

    seconds: list[float] = field(default_factory=list)

    async def watch(self) -> None:
        """Note it, until cancelled."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            self.seconds.append(max(0.0, time.perf_counter() - began - 0.005))


@asynccontextmanager
async def lag() -> AsyncIterator[Lag]:
    """Watch the event loop's lag."""
    found = Lag()
    task = asyncio.ensure_future(found.watch())
    try:
        yield found
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@dataclass
class Running:
    """The app while it runs without a terminal."""

    app: FiresideApp
    pilot: Pilot[Any]
    session: ChatSession
    model: ClockedModel
    noticed: Callable[[str], object] | None = None
    """Told what would be written to the terminal."""

    def watch_writing(self) -> None:
        """Make for each frame the characters that a terminal would be sent; without one, Textual leaves that out."""
        display = self.app._display

        def displayed(screen: Screen[Any], renderable: RenderableType | None) -> None:
            if self.noticed is not None and isinstance(renderable, CompositorUpdate):
                self.noticed(renderable.render_segments(self.app.console))
            display(screen, renderable)

        self.app._display = displayed  # type: ignore[method-assign]  # what is displayed, overheard

    @property
    def screen(self) -> ChatScreen:
        """The chat."""
        screen = self.app.screen
        assert isinstance(screen, ChatScreen)
        return screen

    def shown(self) -> str:
        """What is on the screen."""
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())

    async def until(self, holds: Callable[[], object], seconds: float = 60.0, every: float = 0.002) -> None:
        """Let the app work until the condition holds."""
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(every)

    async def drawn(self, act: Callable[[], object]) -> float:
        """Do something; seconds until the screen has been drawn again."""
        drawn = asyncio.Event()
        began = time.perf_counter()
        act()
        self.app.screen.call_after_refresh(drawn.set)
        await drawn.wait()
        return time.perf_counter() - began

    async def open(self, title: str, last: str) -> float:
        """Go to a saved conversation; seconds until its `last` text is on the screen."""
        began = time.perf_counter()
        self.screen.run_command(f"/open {title}")
        await self.until(lambda: last in self.shown(), every=0.001)
        return time.perf_counter() - began

    async def ask(self, text: str = "Go on.") -> None:
        """Send a message, and wait until its reply begins."""
        asked = len(self.model.requests)
        self.screen.prompt.fill(text)
        await self.pilot.press("enter")
        await self.until(lambda: len(self.model.requests) > asked)

    async def finished(self) -> float:
        """Wait until the reply stands as a finished message; seconds since the model began it."""

        def done() -> bool:
            return not self.session.busy and self.screen.transcript.live is None and "ready" in self.shown()

        await self.until(done, every=0.005)
        return time.perf_counter() - self.model.began


@asynccontextmanager
async def running(folder: Path, replies: list[list[str]], messages: int = 0) -> AsyncIterator[Running]:
    """The app at 120 by 40 without a terminal, a conversation "Long" of that many messages in its store."""
    store = ConversationStore(folder / "conversations.db")
    if messages:
        made_conversation(store, messages)
    model = ClockedModel(replies)
    session = ChatSession(store, Settings(), lambda name: model)
    app = FiresideApp(session)
    async with app.run_test(size=(120, 40)) as pilot:
        run = Running(app, pilot, session, model)
        run.watch_writing()
        await run.until(lambda: "ready" in run.shown())
        yield run
