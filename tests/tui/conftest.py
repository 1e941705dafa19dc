"""The chat on a scripted model and a store in a temporary folder, and how tests wait and look at the screen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import TextArea

from agents.events import ApprovalAsked, Event, ToolResult
from fireside.conversations.store import ConversationStore
from fireside.models.scripted import ScriptedModel
from fireside.models.types import ReplyEvent
from fireside.settings import Settings
from tui.app import FiresideApp
from tui.chat.screen import ChatScreen
from tui.session import ChatSession

Reply = Sequence[str | ReplyEvent | Exception | asyncio.Event]


async def wait_until(pilot: Pilot[Any], holds: Callable[[], object], seconds: float = 10.0) -> None:
    """Let the app work until the condition holds; fail if it does not within a generous time."""
    async with asyncio.timeout(seconds):
        while not holds():
            await pilot.pause(0.005)
    await pilot.pause()


def screen_text(app: FiresideApp) -> str:
    """What the compositor would write to the terminal, as plain lines."""
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())


@dataclass
class Chat:
    """A running app with everything a test looks at."""

    app: FiresideApp
    pilot: Pilot[Any]
    session: ChatSession
    store: ConversationStore
    model: ScriptedModel

    @property
    def screen(self) -> ChatScreen:
        """The chat screen, below any dialog."""
        screen = self.app.screen_stack[0]
        assert isinstance(screen, ChatScreen)
        return screen

    @property
    def text(self) -> str:
        """What is on the screen."""
        return screen_text(self.app)

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait for a condition."""
        await wait_until(self.pilot, holds)

    async def until_seconds(self, seconds: float, holds: Callable[[], object]) -> None:
        """Wait longer for a condition: where a process of its own is at work."""
        await wait_until(self.pilot, holds, seconds)

    async def shows(self, text: str) -> None:
        """Wait until `text` is on the screen."""
        try:
            await self.until(lambda: text in self.text)
        except TimeoutError:
            raise AssertionError(f"{text!r} is not on the screen:\n{self.text}") from None

    async def write(self, text: str) -> None:
        """Put a text into the prompt as if typed, and press Enter."""
        self.screen.prompt.fill(text)
        await self.pilot.pause()
        await self.pilot.press("enter")

    async def send(self, text: str) -> None:
        """Send a message and wait until its reply has ended and is shown."""
        await self.write(text)
        await self.until(lambda: self.session.messages() and self.session.messages()[-1].role == "assistant")
        await self.settled()

    async def settled(self) -> None:
        """Wait until no turn runs and the finished message stands in the live one's place."""
        await self.until(lambda: not self.session.busy and self.screen.transcript.live is None)

    def texts(self) -> list[str]:
        """The texts of the shown path."""
        return [message.text for message in self.session.messages()]


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test touches the person's files, and the cursor does not blink."""
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(TextArea, "_restart_blink", lambda self: None)
    monkeypatch.setattr(TextArea, "_pause_blink", lambda self, visible=True: None)


@pytest.fixture
def chat_with(tmp_path: Path) -> Callable[..., Any]:
    """`async with chat_with(replies, size=...) as chat:` runs the app on a scripted model."""

    @asynccontextmanager
    async def running(
        replies: Sequence[Reply] = (), size: tuple[int, int] = (100, 30), model: ScriptedModel | None = None, **app: Any
    ) -> AsyncIterator[Chat]:
        store = ConversationStore(tmp_path / "conversations.db")
        scripted = model or ScriptedModel(replies)
        session = ChatSession(store, Settings(titles="first words"), lambda name: scripted)
        application = FiresideApp(session, **app)
        async with application.run_test(size=size) as pilot:
            chat = Chat(application, pilot, session, store, scripted)
            await chat.until(lambda: "ready" in chat.text or "no model" in chat.text or scripted.started)
            yield chat

    return running


@pytest.fixture
def wait() -> Callable[..., Any]:
    """`wait_until`, for apps that a test makes itself."""
    return wait_until


@pytest.fixture
def turn_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace the turn loop: each turn yields the given events; an approval is asked for, and its call then ends."""

    def replace(*events: Event, result: str = "the result") -> None:
        async def run_turn(turn: Any, model: Any, approve: Any) -> AsyncIterator[Event]:
            for event in events:
                yield event
                if isinstance(event, ApprovalAsked):
                    answer = await approve(event)
                    denied = answer == "deny"
                    text = "The person did not allow this call." if denied else result
                    yield ToolResult(event.call, "denied" if denied else "done", text)

        monkeypatch.setattr("agents.loop.run_turn", run_turn)

    return replace
