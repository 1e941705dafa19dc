"""The turn loop, the only place that runs a turn: documents, then tools, then the model's answer, as typed events.

A turn with a library first searches it. If the passages found bear on the question (decided by scores, outside the
model), the model answers from them and the reply is checked against them (`agents/documents.py`); if not, and no tool
helps, the turn is refused. A turn with tools lets the model call them, again and again, inside a budget
(`agents/steps.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from agents.budget import left
from agents.context import fit
from agents.documents import DocumentAnswer
from agents.events import Event, TurnFailed, TurnsDropped
from agents.prompts import REFUSAL
from agents.reply import OutOfTime, Reply, UnreadableArguments
from agents.state import RunState
from agents.steps import ToolSteps
from agents.turn import Answer as Answer
from agents.turn import Approve as Approve
from agents.turn import Turn as Turn
from fireside.errors import FiresideError
from fireside.models.types import ChatModel


async def run_turn(turn: Turn, model: ChatModel, approve: Approve) -> AsyncGenerator[Event, None]:
    """Run one turn; the last event is TurnFinished or TurnFailed. Closing the iterator stops the model at once.

    approve: asked about calls that `agents/approval.py` does not decide; anything but "once" or "always" denies.
    """
    try:
        async with aclosing(_events(turn, model, approve)) as events:
            async for event in events:
                yield event
    except UnreadableArguments as error:
        yield TurnFailed(error.message, error.hint, "arguments")
    except FiresideError as error:
        yield TurnFailed(error.message, error.hint)


async def _events(turn: Turn, model: ChatModel, approve: Approve) -> AsyncGenerator[Event, None]:
    """The whole turn, or what is left of it."""
    reply = Reply(turn, model)
    if turn.reply_prefix:
        async with aclosing(reply.write(turn.messages)) as written:
            async for piece in written:
                yield piece
        yield reply.finished()
        return
    state = turn.resume
    tooled = bool(turn.tools or turn.plans or turn.delegates)
    if state is None:
        if turn.library is not None:
            answer = DocumentAnswer(turn, turn.library, model, reply)
            async with aclosing(answer.events()) as events:
                async for event in events:
                    yield event
            if answer.answered:
                yield reply.finished(refused=answer.refused, untrusted=answer.sources)
                return
        messages = turn.messages
        # Without tools a refusal is all that is left to say, and takes no model.
        if turn.library is None or tooled:
            messages, reply.dropped = await fit(messages, model, turn.max_tokens)
        if reply.dropped:
            yield TurnsDropped(reply.dropped)
        state = RunState(messages)
    reply.go_on(state.text, state.seen)
    steps = ToolSteps(turn, model, approve, reply, state)
    if tooled:
        async with aclosing(steps.events()) as events:
            async for event in events:
                yield event
    if turn.library is not None and not steps.calls and not steps.answered and not turn.dry_run:
        yield reply.shown(REFUSAL)
        yield reply.finished(refused=True)
        return
    rest = left(turn.budget, steps.spent)
    if not steps.answered and not turn.dry_run and rest.tokens and rest.seconds:
        if tooled:
            reply.deadline = asyncio.get_running_loop().time() + rest.seconds
        try:
            most = min(turn.max_tokens, rest.tokens)
            async with aclosing(reply.write(steps.messages, max_tokens=most)) as events:
                async for event in events:
                    yield event
        except OutOfTime:
            reply.finish = "budget"
    yield reply.finished(steps.calls, untrusted=steps.untrusted)
