"""Makes the pictures of the README from real runs: the real app, the bundled model, a real training run.

    python docs/screenshots.py [NAME...]     NAME: chat, documents, tools, training, story; all without one

Runs headless, in a temporary FIRESIDE_HOME; takes about three minutes on two cores.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from textual.pilot import Pilot

HERE = Path(__file__).parent
SIZE = (96, 30)
PATIENCE_SECONDS = 300


async def chat(pilot: Pilot[None]) -> None:
    """A question, and its streamed answer."""
    await say(pilot, "Why do leaves turn red in autumn? Answer in two sentences.")


async def documents(pilot: Pilot[None]) -> None:
    """A question answered from a library, one it cannot answer, with sources and refusal."""
    from rag.ingest import add
    from rag.library import create_library

    add(create_library("notes"), [HERE / "examples" / "notes"], 200)
    await say(pilot, "/docs notes")
    await say(pilot, "How long is the compressor covered?")
    await say(pilot, "Who won the world cup in 1998?")


async def tools(pilot: Pilot[None]) -> None:
    """A tool call that was asked for, allowed, and answered from."""
    await say(pilot, "/tools on")
    await type_line(pilot, "What is 15% of 2480?")
    await until(pilot, lambda: len(pilot.app.screen_stack) > 1)
    save(pilot, "approval")
    await pilot.press("a")
    await until(pilot, lambda: not session(pilot).busy)


async def training(pilot: Pilot[None]) -> None:
    """A training run, seen while it trains; then the adapter in the open chat."""
    from tui.runs.screen import RunScreen

    await say(pilot, "What is Fireside?")
    await type_line(pilot, f"/train {HERE / 'examples' / 'fireside.toml'}")
    await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))
    screen = pilot.app.screen
    assert isinstance(screen, RunScreen)
    await until(pilot, lambda: len(screen._metrics) > 14)
    save(pilot, "training")
    await until(pilot, lambda: screen._ended)
    await pilot.press("escape")
    await say(pilot, "/adapter fireside")
    await say(pilot, "/retry")
    save(pilot, "adapter")


async def story(pilot: Pilot[None]) -> None:
    """A manuscript with the person's words, and the model's behind them."""
    from tui.story.screen import StoryScreen

    await type_line(pilot, "/story lighthouse")
    await until(pilot, lambda: isinstance(pilot.app.screen, StoryScreen))
    screen = pilot.app.screen
    assert isinstance(screen, StoryScreen)
    for line in ("The old lighthouse keeper found a letter under the door.", "He read it twice."):
        await type_line(pilot, line)
        await pilot.pause(0.5)
        await until(pilot, lambda: not screen.busy)
    save(pilot, "story")


SCENES: dict[str, Callable[[Pilot[None]], Awaitable[None]]] = {
    "chat": chat,
    "documents": documents,
    "tools": tools,
    "training": training,
    "story": story,
}


def session(pilot: Pilot[None]):  # type: ignore[no-untyped-def]  # typed by what it returns
    """The open chat."""
    from tui.app import FiresideApp

    assert isinstance(pilot.app, FiresideApp)
    return pilot.app.session


async def type_line(pilot: Pilot[None], text: str) -> None:
    """Put `text` into the focused prompt, and press Enter."""
    focused = pilot.app.focused
    assert focused is not None
    focused.text = text  # type: ignore[attr-defined]  # both prompts are text areas
    await pilot.pause()
    await pilot.press("escape") if text.startswith("/") else None
    await pilot.press("enter")


async def say(pilot: Pilot[None], text: str) -> None:
    """Send `text`, and wait until the reply has come."""
    await type_line(pilot, text)
    await pilot.pause(1.5)
    await until(pilot, lambda: not session(pilot).busy)


async def until(pilot: Pilot[None], true: Callable[[], bool]) -> None:
    """Wait for a condition. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError("the app did not get there")
        await pilot.pause(0.1)
    await pilot.pause(0.3)


def save(pilot: Pilot[None], name: str) -> None:
    """Write the screen as docs/images/NAME.svg, without fonts from the network."""
    svg = pilot.app.export_screenshot(title="Fireside")
    svg = re.sub(r"@font-face\s*{.*?}", "", svg, flags=re.DOTALL)
    (HERE / "images" / f"{name}.svg").write_text(svg, "utf-8")
    sys.stderr.write(f"docs/images/{name}.svg\n")


async def take(name: str) -> None:
    """Play one scene in a new app with a new home."""
    from fireside import paths
    from fireside.conversations.store import ConversationStore
    from fireside.settings import load
    from tui.app import FiresideApp
    from tui.models import open_model
    from tui.session import ChatSession

    with tempfile.TemporaryDirectory() as home:
        os.environ["FIRESIDE_HOME"] = home
        settings = load()
        store = ConversationStore(paths.conversations_database())
        app = FiresideApp(ChatSession(store, settings, lambda model: open_model(settings, model)))
        async with app.run_test(size=SIZE) as pilot:
            await until(pilot, lambda: app.session.info is not None)
            await SCENES[name](pilot)
            if name not in ("training", "story"):
                save(pilot, name)


if __name__ == "__main__":
    for scene in sys.argv[1:] or SCENES:
        asyncio.run(take(scene))
