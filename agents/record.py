"""Writes a turn into the conversation store as it happens: at most a quarter of a second of text is ever unsaved."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

from agents.events import (
    ApprovalAsked,
    BudgetReached,
    Delegated,
    Event,
    PassagesFound,
    PlanChanged,
    ResultsShortened,
    StepEnded,
    TextDelta,
    ThinkingDelta,
    ToolCallAsked,
    ToolResult,
    ToolsNarrowed,
    TurnFailed,
    TurnFinished,
    TurnsDropped,
)
from agents.state import RunState
from fireside.conversations.store import ConversationStore
from fireside.conversations.types import Status
from fireside.errors import StorageError

_SAVE_SECONDS = 0.25


async def record_turn(
    store: ConversationStore,
    message_id: int,
    events: AsyncGenerator[Event, None],
    state: RunState | None = None,
    begun: str = "",
) -> AsyncGenerator[Event, None]:
    """Pass `events` through, keeping the assistant's message `message_id` in step with them.

    Closed early (Escape), the message keeps what came, as "stopped". Its details hold `tools` (calls and results),
    `citations`, `unsupported` (sentences without a source), `untrusted` (what came in from elsewhere), `plan`, `usage`,
    `timings`, `finish`, `refused`, `dropped`, `thinking` (what the model thought or copied before it replied, which is
    no part of the conversation), and `error` with `hint`. Raises StorageError.

    state: from where the turn goes on whose message this is already. begun: what the reply begins with
    (`Turn.reply_prefix`).
    """
    recording = _Recording(store, message_id, begun)
    if state is not None:
        recording.go_on(state)
    async with aclosing(events):
        try:
            async for event in events:
                recording.take(event)
                yield event
        except Exception as error:
            recording.break_off(error)
            raise
        finally:
            recording.close()


class _Recording:
    """The message as it stands, and the timer that saves text which no further event has saved by then."""

    def __init__(self, store: ConversationStore, message_id: int, begun: str) -> None:
        self._store, self._message_id = store, message_id
        self._text = begun
        self._details: dict[str, Any] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._status: Status = "streaming"

    def go_on(self, state: RunState) -> None:
        """Begin with what the message held when the turn stood there; what came after is told again."""
        details = self._store.message(self._message_id).details
        self._text = state.text
        self._details = {name: value for name, value in details.items() if name not in ("error", "hint")}
        self._details["tools"] = details.get("tools", [])[: len(state.calls)]

    def take(self, event: Event) -> None:
        """Fold an event into the message, and save it: text within a quarter of a second, the rest at once."""
        match event:
            case TextDelta(text):
                self._text += text
                self._save_soon()
                return
            case ThinkingDelta(text):
                self._details["thinking"] = self._details.get("thinking", "") + text
                self._save_soon()
                return
            case ToolCallAsked(call):
                self._tools().append({"name": call.name, "arguments": call.arguments, "status": "asked", "result": ""})
            case ToolResult(_, status, text, number):
                self._tools()[number - 1] |= {"status": status, "result": text}
            case PlanChanged(steps):
                self._details["plan"] = [dataclasses.asdict(step) for step in steps]
            case StepEnded(state):
                # Should the turn not end, the next one still knows what it has read.
                if list(state.untrusted) == self._details.get("untrusted", []):
                    return
                self._details["untrusted"] = list(state.untrusted)
            case ApprovalAsked() | ToolsNarrowed() | ResultsShortened() | BudgetReached() | Delegated():
                return
            case TurnsDropped(count):
                self._details["dropped"] = count
            case PassagesFound(_, passages, relevant):
                self._details["passages"] = [dataclasses.asdict(passage) for passage in passages]
                self._details["relevant"] = relevant
            case TurnFinished():
                self._text = event.text
                self._status = "complete"
                self._details |= {
                    "finish": event.finish,
                    "refused": event.refused,
                    "citations": [dataclasses.asdict(citation) for citation in event.citations],
                    "usage": dataclasses.asdict(event.usage),
                    "timings": dataclasses.asdict(event.timings),
                    **({"unsupported": list(event.unsupported)} if event.unsupported else {}),
                    **({"untrusted": list(event.untrusted)} if event.untrusted else {}),
                }
            case TurnFailed(message, hint):
                self._status = "failed"
                self._details |= {"error": message, "hint": hint}
        self._save()

    def break_off(self, error: Exception) -> None:
        """The turn ended in a fault of the program: it failed, and nobody stopped it."""
        if self._status == "streaming":
            self._status = "failed"
            self._details |= {"error": f"the turn broke off: {type(error).__name__}: {error}", "hint": None}
            self._save()

    def close(self) -> None:
        """The events have ended: a message that is not finished by now was stopped."""
        if self._status == "streaming":
            self._status = "stopped"
            self._save()

    def _tools(self) -> list[dict[str, Any]]:
        tools: list[dict[str, Any]] = self._details.setdefault("tools", [])
        return tools

    def _save_soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SAVE_SECONDS, self._save_late)

    def _save(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._store.write(self._message_id, self._text, self._status, self._details)

    def _save_late(self) -> None:
        # Nobody could catch the error here; where it lasts, the next save raises it.
        with suppress(StorageError):
            self._save()
