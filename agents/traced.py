"""Runs a turn and keeps its trace beside it: events pass through unchanged, answers to approvals are kept too."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import ExitStack, aclosing, closing

from agents.events import (
    ApprovalAsked,
    Event,
    StepEnded,
    TextDelta,
    ThinkingDelta,
    TurnFailed,
    TurnFinished,
)
from agents.owned import owned
from agents.spans import send_where_wanted
from agents.traces import Answered, Begun, Held, KeptEvent, Traces
from agents.turn import Answer, Approve, Turn
from fireside.errors import FiresideError, StorageError
from fireside.models.types import ChatModel, Message


def held_with(turn: Turn, folder: object | None, library: str | None) -> Held:
    """What `turn` is held with, for `Begun`. folder: that of its file tools. library: its name."""
    return Held(
        tuple(tool.name for tool in turn.tools),
        None if folder is None else str(folder),
        library,
        tuple(adapter.spec for adapter in turn.adapters),
        turn.plans,
        turn.delegates,
        turn.sampling,
        turn.max_tokens,
    )


async def run_traced(
    turn: Turn, model: ChatModel, approve: Approve, begun: Begun, by: str, note: Callable[[str], None]
) -> AsyncGenerator[Event, None]:
    """`agents.loop.run_turn`, kept in the traces where the model is offered any tool.

    by: who answers `approve`, in a word. note: told in one line where the trace cannot be sent, or kept to its end; the
    turn goes on. Where it cannot be begun, or an answer cannot be kept, the turn fails: nothing is allowed that nobody
    could look up later.
    """
    from agents.loop import run_turn

    if not (turn.tools or turn.plans or turn.delegates):
        async with aclosing(run_turn(turn, model, approve)) as events:
            async for event in events:
                yield event
        return
    with ExitStack() as opened:
        try:
            traces = opened.enter_context(closing(Traces()))
            run = traces.begin(begun)
            opened.enter_context(owned(run))
        except FiresideError as error:
            yield TurnFailed(error.message, error.hint)
            return
        asking = kept_answers(traces, run, approve, by)
        try:
            async with aclosing(traced(traces, run, run_turn(turn, model, asking), note)) as events:
                async for event in events:
                    yield event
        finally:
            # Here, and not at the end: who reads the events may stop at the last one.
            await send_where_wanted(traces, run, note)


def kept_answers(traces: Traces, run: int, approve: Approve, by: str) -> Approve:
    """`approve`, whose answers are kept before they count."""
    began = time.monotonic()

    async def approve_and_keep(asked: ApprovalAsked) -> Answer:
        answer = await approve(asked)
        traces.keep_answer(run, Answered(asked, answer, by, time.monotonic() - began))
        return answer

    return approve_and_keep


async def traced(
    traces: Traces, run: int, events: AsyncGenerator[Event, None], note: Callable[[str], None]
) -> AsyncGenerator[Event, None]:
    """Pass `events` through and keep them: text that comes in pieces as one, states in the place of the one before."""
    tracing = _Tracing(traces, run, note)
    async with aclosing(events):
        try:
            async for event in events:
                tracing.take(event)
                yield event
        except Exception as error:
            tracing.end("failed", TurnFailed(f"the turn broke off: {type(error).__name__}: {error}", None))
            raise
        finally:
            tracing.end("stopped")


class _Tracing:
    """What is not yet kept of a run, and how far it has come."""

    def __init__(self, traces: Traces, run: int, note: Callable[[str], None]) -> None:
        self._traces, self._run, self._note = traces, run, note
        self._began = time.monotonic()
        self._number = self._tokens = 0
        self._text: KeptEvent | None = None
        self._messages: tuple[Message, ...] = ()
        self._ended = False

    def take(self, event: Event) -> None:
        """Keep an event, text when something else follows it."""
        if self._ended:
            return
        try:
            match event:
                case TextDelta() | ThinkingDelta():
                    self._join(event)
                case StepEnded(state):
                    self._tokens = state.spent.tokens
                    self._keep()
                    self._traces.keep_state(self._run, state, self._messages)
                    self._messages = state.messages
                case TurnFinished():
                    self._tokens = event.usage.completion_tokens
                    self._keep(event)
                    self._end(event.finish, event)
                case TurnFailed():
                    self._keep(event)
                    self._end("failed")
                case _:
                    self._keep(event)
        except StorageError as error:
            self._give_up(error)

    def end(self, finish: str, event: Event | None = None) -> None:
        """The events have ended, early where the turn itself has not told."""
        if self._ended:
            return
        try:
            self._keep(event)
            self._end(finish)
        except StorageError as error:
            self._give_up(error)

    def _join(self, event: TextDelta | ThinkingDelta) -> None:
        last = self._text
        if last is not None and type(last.event) is type(event):
            self._text = KeptEvent(last.at, last.tokens, type(event)(last.event.text + event.text))
            return
        self._keep()
        self._text = self._now(event)

    def _keep(self, event: Event | None = None) -> None:
        kept = [each for each in (self._text, None if event is None else self._now(event)) if each is not None]
        self._text = None
        if kept:
            self._traces.add(self._run, self._number, kept)
            self._number += len(kept)

    def _now(self, event: Event) -> KeptEvent:
        return KeptEvent(time.monotonic() - self._began, self._tokens, event)

    def _end(self, finish: str, finished: TurnFinished | None = None) -> None:
        self._ended = True
        self._traces.end(self._run, finish, finished)

    def _give_up(self, error: FiresideError) -> None:
        self._ended = True
        self._note(f"this run is not kept any further: {error.message}")
