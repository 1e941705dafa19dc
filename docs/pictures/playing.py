"""How the walk is played: keys into the real app, waiting for what they do, and pictures of the screen."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from textual.pilot import Pilot
from textual.widgets import Input

from tui.app import FiresideApp
from tui.chat.prompt import Prompt
from tui.session import ChatSession
from tui.theme import textual_name

DOCS = Path(__file__).parent.parent
PICTURES = DOCS / "images" / "tour"
SIZE = (96, 30)
NARROW = (60, 20)
_PATIENCE_S = 120.0
_DRAWN_S = 0.4


@dataclass(frozen=True)
class Walk:
    """A running app. wanted: the names of the pictures to take, empty for all. desk: the folder it works in."""

    pilot: Pilot[None]
    wanted: frozenset[str]
    desk: Path

    @property
    def app(self) -> FiresideApp:
        """The app."""
        return cast(FiresideApp, self.pilot.app)

    @property
    def session(self) -> ChatSession:
        """The open chat."""
        return self.app.session

    @property
    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(strip.text.rstrip() for strip in self.app.screen._compositor.render_strips())

    async def press(self, *keys: str) -> None:
        """Press keys one after another."""
        await self.pilot.press(*keys)
        await self.pilot.pause(0.1)

    async def write(self, line: str) -> None:
        """Put a line into the chat's prompt, and press Enter."""
        self.prompt.fill(line)
        await self.pilot.pause(0.2)
        if "@" in line:
            await self.press("escape")
        await self.press("enter")

    async def say(self, line: str) -> None:
        """Send a line, and wait until the reply has come."""
        await self.write(line)
        await self.pilot.pause(1.0)
        await self.rested()

    async def fill_in(self, text: str) -> None:
        """Put a text into the focused line of a dialog, and press Enter."""
        await self.until(lambda: isinstance(self.app.focused, Input))
        cast(Input, self.app.focused).value = text
        await self.press("enter")

    @property
    def prompt(self) -> Prompt:
        """The chat's prompt."""
        return self.app.screen_stack[0].query_one(Prompt)

    async def rested(self) -> None:
        """Wait until no reply is being written."""
        await self.until(lambda: not self.session.busy)

    async def on_screen(self, kind: str) -> None:
        """Wait until a screen of the class `kind` is shown."""
        await self.until(lambda: type(self.app.screen).__name__ == kind)

    async def home(self) -> None:
        """Back to the chat, out of whatever is open."""
        for _ in range(8):
            if len(self.app.screen_stack) == 1:
                break
            await self.press("escape")
        self.prompt.focus()

    async def shows(self, *texts: str) -> None:
        """Wait until one of the texts is on the screen."""
        await self.until(lambda: any(text in self.text for text in texts))

    async def until(self, holds: Callable[[], object], seconds: float = _PATIENCE_S) -> None:
        """Wait for a condition. Raises TimeoutError with what is on the screen."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the app did not get there:\n{self.text}")
            await self.pilot.pause(0.05)
        await self.pilot.pause(0.2)

    async def keep(self, name: str, *, light: bool = False, narrow: bool = False) -> None:
        """Take the picture `name`; light: also in the light theme; narrow: also at 60x20."""
        if self.wanted and name not in self.wanted:
            return
        await self.pilot.pause(_DRAWN_S)
        self._save(name)
        if light:
            self.app.theme = textual_name("light")
            await self.pilot.pause(_DRAWN_S)
            self._save(f"{name}-light")
            self.app.theme = textual_name("dark")
            await self.pilot.pause(_DRAWN_S)
        if narrow:
            await self.pilot.resize_terminal(*NARROW)
            await self.pilot.pause(_DRAWN_S)
            self._save(f"{name}-narrow")
            await self.pilot.resize_terminal(*SIZE)
            await self.pilot.pause(_DRAWN_S)

    def _save(self, name: str) -> None:
        svg = self.app.export_screenshot(title="Fireside")
        # Without fonts from the network: the reader's own monospace font.
        svg = re.sub(r"@font-face\s*{.*?}", "", svg, flags=re.DOTALL)
        (PICTURES / f"{name}.svg").write_text(svg, "utf-8")
        sys.stderr.write(f"{name}.svg\n")
