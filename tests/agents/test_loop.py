from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any, cast

import pytest
from turns import ALLOWED, CALL, TALK, Measuring, answers, events_of, finished, long, messages_of, results_of

from agents.events import (
    ApprovalAsked,
    Event,
    TextDelta,
    ThinkingDelta,
    ToolCallAsked,
    ToolResult,
    TurnFailed,
    TurnsDropped,
)
from agents.loop import Answer, Turn, run_turn
from fireside.errors import ToolError, WorkerDied
from fireside.models.sampling import Sampling
from fireside.models.scripted import ScriptedModel
from fireside.models.types import (
    AdapterUse,
    Called,
    Finished,
    Message,
    ModelInfo,
    Thinking,
    Timings,
    ToolCall,
    ToolSpec,
    Usage,
)


async def test_a_plain_reply() -> None:
    model = ScriptedModel([["Very ", "warm."]])
    adapters = (AdapterUse("a", cast(Any, "a.gguf")),)
    events = await events_of(Turn(TALK, adapters=adapters, max_tokens=9, keep=True), model)
    assert events[:-1] == [TextDelta("Very "), TextDelta("warm.")]
    end = finished(events)
    assert (end.text, end.finish, end.refused, end.calls) == ("Very warm.", "stop", False, ())
    assert end.usage.completion_tokens == 2
    assert end.timings.tokens_per_s == 100
    (request,) = model.requests
    assert (request.prompt, request.max_tokens, request.adapters, request.constraint) == (TALK, 9, adapters, None)
    assert request.keep
    assert request.sampling == Sampling()


async def test_a_reply_that_stands_already_is_gone_on_with() -> None:
    measuring = Measuring()
    model = ScriptedModel([[" and dry."]])
    turn = Turn(TALK, tools=(measuring.tool,), rules=ALLOWED, reply_prefix="Warm")
    events = await events_of(turn, model)
    assert events[:-1] == [TextDelta(" and dry.")]
    assert finished(events).text == "Warm and dry."
    (request,) = model.requests
    assert (request.prompt, request.reply_prefix, request.tools) == (TALK, "Warm", ())


async def test_what_stands_already_counts_where_the_context_is_full() -> None:
    model = ScriptedModel([["."]])
    talk = (Message("user", "word " * 1200), Message("assistant", "word " * 1200), Message("user", "and?"))
    events = await events_of(Turn(talk, reply_prefix="word " * 2000, max_tokens=20), model)
    assert TurnsDropped(2) in events
    assert model.requests[0].prompt == talk[2:]


async def test_an_allowed_tool_runs_and_the_model_answers_from_its_result() -> None:
    measuring = Measuring()
    model = ScriptedModel([["Let me see.", Called(CALL)], ["600 ", "degrees."]])
    events = await events_of(Turn(TALK, tools=(measuring.tool,), rules=ALLOWED, keep=True), model)
    asked, result = [event for event in events if isinstance(event, ToolCallAsked | ToolResult)]
    assert asked == ToolCallAsked(CALL, 1)
    assert isinstance(result, ToolResult)
    assert (result.call, result.status, result.text, result.number) == (CALL, "done", "fire: 600 degrees", 1)
    assert finished(events).calls == (CALL,)
    assert finished(events).text == "Let me see.\n\n600 degrees."
    assert finished(events).usage.completion_tokens == 4
    assert measuring.runs == ["fire"]
    model.assert_exhausted()
    spec = ToolSpec("measure", "Measure something.", measuring.tool.parameters)
    assert [request.tools for request in model.requests] == [(spec,), (spec,)]
    assert model.requests[-1].prompt == (
        *TALK,
        Message("assistant", "Let me see.", (CALL,)),
        Message("tool", "fire: 600 degrees", tool="measure"),
    )


@pytest.mark.parametrize(("answer", "runs"), [("once", 1), ("deny", 0), ("nonsense", 0)])
async def test_a_tool_that_is_not_allowed_is_asked_for(answer: Answer, runs: int) -> None:
    measuring = Measuring()
    model = ScriptedModel([[Called(CALL)], ["So."]])
    events = await events_of(Turn(TALK, tools=(measuring.tool,)), model, answer)
    asked, approval, result = [each for each in events if isinstance(each, ToolCallAsked | ApprovalAsked | ToolResult)]
    assert asked == ToolCallAsked(CALL, 1)
    assert approval == ApprovalAsked(CALL, "measure is not allowed without asking", 1)
    assert isinstance(result, ToolResult)
    assert result.status == ("done" if runs else "denied")
    assert len(measuring.runs) == runs
    assert finished(events).text == "So."


async def test_always_asks_once_in_a_turn() -> None:
    measuring = Measuring()
    other = ToolCall("measure", {"what": "sea"})
    model = ScriptedModel([[Called(CALL)], [Called(other)], ["So."]])
    events = await events_of(Turn(TALK, tools=(measuring.tool,)), model, "always")
    assert sum(isinstance(event, ApprovalAsked) for event in events) == 1
    assert measuring.runs == ["fire", "sea"]


async def test_nothing_runs_before_the_person_has_answered() -> None:
    measuring = Measuring()
    asked, gate = asyncio.Event(), asyncio.Event()

    async def approve(_: ApprovalAsked) -> Answer:
        asked.set()
        await gate.wait()
        return "once"

    async def collect() -> list[Event]:
        model = ScriptedModel([[Called(CALL)], ["So."]])
        return [event async for event in run_turn(Turn(TALK, tools=(measuring.tool,)), model, approve)]

    task = asyncio.create_task(collect())
    await asked.wait()
    assert measuring.runs == []
    gate.set()
    await task
    assert measuring.runs == ["fire"]


async def test_what_the_model_thinks_is_told_and_is_no_part_of_the_reply() -> None:
    model = ScriptedModel([[Thinking("Fire "), Thinking("is warm."), "Very warm."]])
    events = await events_of(Turn(TALK), model)
    assert events[:-1] == [ThinkingDelta("Fire "), ThinkingDelta("is warm."), TextDelta("Very warm.")]
    end = finished(events)
    assert (end.text, end.thinking) == ("Very warm.", "Fire is warm.")


async def test_a_call_that_nobody_offered_is_passed_over() -> None:
    events = await events_of(Turn(TALK), ScriptedModel([["So.", Called(CALL)]]))
    assert (events[:-1], finished(events).calls) == ([TextDelta("So.")], ())


async def test_usage_adds_up_over_the_generations_of_a_turn() -> None:
    def ending(number: int) -> Finished:
        return Finished("stop", Usage(number, number, number, number, number), Timings())

    model = ScriptedModel([[Called(CALL), ending(1)], ["So.", ending(4)]])
    turn = Turn(TALK, tools=(Measuring().tool,), rules=ALLOWED)
    assert finished(await events_of(turn, model)).usage == Usage(5, 5, 5, 5, 5)


class Silent(ScriptedModel):
    """A model on a server that tells neither its size nor its context."""

    async def start(self) -> ModelInfo:
        return replace(await super().start(), context_length=0, parameters=0)


async def test_a_server_that_tells_nothing_is_given_everything() -> None:
    talk = (TALK[0], long("user", 9000), long("assistant", 900), TALK[1])
    model = Silent([[Called(CALL)], ["So."]])
    turn = Turn(talk, tools=(Measuring().tool,), rules=ALLOWED)
    events = await events_of(turn, model)
    assert not any(isinstance(event, TurnsDropped) for event in events)
    assert finished(events).calls == (CALL,)
    assert messages_of(model, -1)[: len(talk)] == talk


@pytest.mark.parametrize("failure", [ValueError("broken"), ToolError("broken")])
async def test_a_failing_tool_is_told_to_the_model(failure: Exception) -> None:
    model = ScriptedModel([[Called(CALL)], ["Sorry."]])
    turn = Turn(TALK, tools=(Measuring(failure).tool,), rules=ALLOWED)
    events = await events_of(turn, model)
    (result,) = results_of(events)
    assert (result.status, result.text.split()[-1]) == ("failed", "broken")
    assert finished(events).text == "Sorry."


async def test_a_dying_worker_fails_the_turn_and_keeps_what_came() -> None:
    model = ScriptedModel([["Very ", WorkerDied("the model's process stopped", "send again")]])
    assert await events_of(Turn(TALK), model) == [
        TextDelta("Very "),
        TurnFailed("the model's process stopped", "send again"),
    ]


async def test_closing_early_cancels_the_model() -> None:
    model = ScriptedModel([["Very ", asyncio.Event(), "warm."]])
    events: AsyncGenerator[Event, None] = run_turn(Turn(TALK), model, answers())
    assert await anext(events) == TextDelta("Very ")
    await events.aclose()
    assert model.cancelled == 1
