"""One of two replies that are written at once: who writes it, its text as it comes, how fast, and how it ended."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from agents.events import ApprovalAsked, Event, TextDelta, TurnFailed, TurnFinished
from agents.turn import Answer, Turn
from fireside.errors import FiresideError
from fireside.models.types import ChatModel
from fireside.text import for_terminal, for_terminal_line
from tui.chat.reply import LiveReply
from tui.compare.sides import Side

_SAY_S = 0.25
_CHARACTERS_A_TOKEN = 4
"""What English has of them, until the model tells how many tokens there were."""


class Column(Vertical):
    """A side and its reply."""

    def __init__(self, side: Side, number: int) -> None:
        """`number`: the key that keeps this reply."""
        super().__init__(classes="side")
        self.side, self._number = side, number
        self.text = ""
        self.details: Mapping[str, Any] = {}
        self.running = False
        self._began = self._said_at = 0.0

    def compose(self) -> ComposeResult:
        """Who writes, the reply, how it goes."""
        yield Static(f"{self._number}  {for_terminal_line(self.side.title, 80)}", markup=False, classes="side-title")
        yield VerticalScroll(classes="side-text", can_focus=True)
        yield Static(markup=False, classes="side-state")

    async def write(self, turn: Turn) -> None:
        """Write the reply to `turn`. What came stays where this is cancelled."""
        self.text, self.details, self.running = "", {}, True
        self._began = 0.0
        scroll = self.query_one(VerticalScroll)
        scroll.anchor(False)
        await scroll.remove_children()
        live = LiveReply()
        await scroll.mount(live)
        self._say("loading…" if self.side.owned else "thinking…")
        try:
            await self.side.model.start()
            self._say("thinking…")
            async with aclosing(_events(turn, self.side.model)) as events:
                async for event in events:
                    self._follow(event)
                    await live.take(event)
                    self._keep_end()
        except FiresideError as error:
            self._fail(error.message, error.hint)
        finally:
            self.running = False
            if self.is_attached:
                await live.end()
                self.call_after_refresh(self._keep_end)
                if not self.details and not self.has_class("failed"):
                    self.details = {"finish": "cancelled"}
                    self._say("stopped")

    def _keep_end(self) -> None:
        """Follow the end. An anchor puts a text at the bottom: it waits until there is more than fits."""
        scroll = self.query_one(VerticalScroll)
        if scroll.max_scroll_y and not scroll.is_anchored:
            scroll.anchor()

    def _follow(self, event: Event) -> None:
        match event:
            case TextDelta(text):
                self.text += text
                now = time.monotonic()
                self._began = self._began or now
                if now - self._said_at >= _SAY_S and now > self._began:
                    self._said_at = now
                    self._say(f"about {len(self.text) / _CHARACTERS_A_TOKEN / (now - self._began):.0f} tokens/s")
            case TurnFinished():
                self.text = event.text
                self.details = {
                    "finish": event.finish,
                    "refused": event.refused,
                    "citations": [dataclasses.asdict(citation) for citation in event.citations],
                    "usage": dataclasses.asdict(event.usage),
                    "timings": dataclasses.asdict(event.timings),
                    "written_by": self.side.title,
                    **({"thinking": event.thinking} if event.thinking else {}),
                    **({"unsupported": list(event.unsupported)} if event.unsupported else {}),
                    **({"untrusted": list(event.untrusted)} if event.untrusted else {}),
                }
                count = event.usage.completion_tokens
                self._say(f"{event.timings.tokens_per_s:.0f} tokens/s   {count:,} token{'s' * (count != 1)}")
            case TurnFailed(message, hint):
                self._fail(message, hint)
            case _:
                pass

    def _fail(self, message: str, hint: str | None) -> None:
        self.add_class("failed")
        self._say(f"✗ {message}" + (f"; {hint}" if hint else ""))

    def _say(self, text: str) -> None:
        if self.is_attached:
            self.set_class(text.startswith("✗"), "failed")
            self.query_one(".side-state", Static).update(for_terminal(text))


async def _events(turn: Turn, model: ChatModel) -> AsyncGenerator[Event, None]:
    """The events of a turn in which no tool is offered."""
    from agents.loop import run_turn

    async with aclosing(run_turn(turn, model, _deny)) as events:
        async for event in events:
            yield event


async def _deny(asked: ApprovalAsked) -> Answer:
    return "deny"
