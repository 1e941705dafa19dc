from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any, cast

import pytest
from turns import ARGUMENTS, CALL, TALK, Measuring, answers, events_of, finished, long, messages_of

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
from fireside.errors import ModelError, ToolError, WorkerDied
from fireside.models.constraints import Choice, JsonSchema
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


async def test_an_allowed_tool_runs_and_the_model_answers_from_its_result() -> None:
    measuring = Measuring()
    model = ScriptedModel([["measure"], [ARGUMENTS[:5], ARGUMENTS[5:]], ["none"], ["600 degrees."]])
    events = await events_of(Turn(TALK, tools=(measuring.tool,), allowed=frozenset({"measure"}), keep=True), model)
    result = ToolResult(CALL, "done", "fire: 600 degrees")
    assert events[:-1] == [ToolCallAsked(CALL), result, TextDelta("600 degrees.")]
    assert finished(events).calls == (CALL,)
    assert finished(events).usage.completion_tokens == 5
    assert measuring.runs == ["fire"]
    model.assert_exhausted()
    choice, arguments, _, answer = model.requests
    assert choice.constraint == Choice(("measure", "none"))
    assert arguments.constraint == JsonSchema(measuring.tool.parameters)
    # What the person does not see is not the conversation that goes on.
    assert [request.keep for request in model.requests] == [False, False, False, True]
    assert arguments.reply_prefix.endswith('{"name": "measure", "arguments": ')
    assert arguments.sampling.temperature == 0
    assert answer.prompt == (
        *TALK,
        Message("assistant", "", (CALL,)),
        Message("tool", "fire: 600 degrees", tool="measure"),
    )


@pytest.mark.parametrize(("answer", "runs"), [("once", 1), ("deny", 0), ("nonsense", 0)])
async def test_a_tool_that_is_not_allowed_is_asked_for(answer: Answer, runs: int) -> None:
    measuring = Measuring()
    model = ScriptedModel([["measure"], [ARGUMENTS], ["none"], ["So."]])
    events = await events_of(Turn(TALK, tools=(measuring.tool,)), model, answer)
    assert events[0] == ToolCallAsked(CALL)
    assert isinstance(events[1], ApprovalAsked)
    assert isinstance(events[2], ToolResult)
    assert events[2].status == ("done" if runs else "denied")
    assert len(measuring.runs) == runs
    assert finished(events).text == "So."


async def test_always_asks_once_in_a_turn() -> None:
    measuring = Measuring()
    other = json.dumps({"what": "sea"})
    model = ScriptedModel([["measure"], [ARGUMENTS], ["measure"], [other], ["none"], ["So."]])
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
        model = ScriptedModel([["measure"], [ARGUMENTS], ["none"], ["So."]])
        return [event async for event in run_turn(Turn(TALK, tools=(measuring.tool,)), model, approve)]

    task = asyncio.create_task(collect())
    await asked.wait()
    assert measuring.runs == []
    gate.set()
    await task
    assert measuring.runs == ["fire"]


async def test_arguments_that_do_not_end_fail_the_turn_with_one_line() -> None:
    events = await events_of(Turn(TALK, tools=(Measuring().tool,)), ScriptedModel([["measure"], ['{"what": "fi']]))
    assert isinstance(events[-1], TurnFailed)
    assert "did not end within" in events[-1].message


async def test_arguments_that_the_engine_could_not_end_fail_the_turn_in_its_words() -> None:
    unfinished = ModelError("the JSON did not end within 512 tokens", "raise max_tokens")
    events = await events_of(Turn(TALK, tools=(Measuring().tool,)), ScriptedModel([["measure"], ['{"w', unfinished]]))
    assert events == [TurnFailed("the JSON did not end within 512 tokens", "raise max_tokens")]


async def test_what_the_model_thinks_is_told_and_is_no_part_of_the_reply() -> None:
    model = ScriptedModel([[Thinking("Fire "), Thinking("is warm."), "Very warm."]])
    events = await events_of(Turn(TALK), model)
    assert events[:-1] == [ThinkingDelta("Fire "), ThinkingDelta("is warm."), TextDelta("Very warm.")]
    end = finished(events)
    assert (end.text, end.thinking) == ("Very warm.", "Fire is warm.")


async def test_thoughts_on_the_way_to_a_tool_are_passed_over() -> None:
    measuring = Measuring()
    thought = Thinking("I should measure.")
    model = ScriptedModel([[thought, "measure"], [thought, ARGUMENTS], [thought, "none"], ["So."]])
    turn = Turn(TALK, tools=(measuring.tool,), allowed=frozenset({"measure"}))
    end = finished(await events_of(turn, model))
    assert (measuring.runs, end.text, end.thinking) == (["fire"], "So.", "")


async def test_a_call_that_nobody_offered_is_passed_over() -> None:
    events = await events_of(Turn(TALK), ScriptedModel([["So.", Called(CALL)]]))
    assert (events[:-1], finished(events).calls) == ([TextDelta("So.")], ())


async def test_usage_adds_up_over_the_generations_of_a_turn() -> None:
    def ending(number: int) -> Finished:
        return Finished("stop", Usage(number, number, number, number, number), Timings())

    model = ScriptedModel([["measure", ending(1)], [ARGUMENTS, ending(2)], ["none", ending(3)], ["So.", ending(4)]])
    turn = Turn(TALK, tools=(Measuring().tool,), allowed=frozenset({"measure"}))
    assert finished(await events_of(turn, model)).usage == Usage(10, 10, 10, 10, 10)


class Silent(ScriptedModel):
    """A model on a server that tells neither its size nor its context."""

    async def start(self) -> ModelInfo:
        return replace(await super().start(), context_length=0, parameters=0)


async def test_a_server_that_tells_nothing_is_given_everything() -> None:
    talk = (TALK[0], long("user", 9000), long("assistant", 900), TALK[1])
    model = Silent([["measure"], [ARGUMENTS], ["none"], ["So."]])
    turn = Turn(talk, tools=(Measuring().tool,), allowed=frozenset({"measure"}))
    events = await events_of(turn, model)
    assert not any(isinstance(event, TurnsDropped) for event in events)
    assert finished(events).calls == (CALL,)
    assert messages_of(model, -1)[: len(talk)] == talk


@pytest.mark.parametrize("failure", [ValueError("broken"), ToolError("broken")])
async def test_a_failing_tool_is_told_to_the_model(failure: Exception) -> None:
    model = ScriptedModel([["measure"], [ARGUMENTS], ["none"], ["Sorry."]])
    turn = Turn(TALK, tools=(Measuring(failure).tool,), allowed=frozenset({"measure"}))
    events = await events_of(turn, model)
    assert isinstance(events[1], ToolResult)
    assert (events[1].status, events[1].text.split()[-1]) == ("failed", "broken")
    assert finished(events).text == "Sorry."


async def test_arguments_of_another_shape_fail_the_call_only() -> None:
    model = ScriptedModel([["measure"], ['{"which": 1}'], ["none"], ["Sorry."]])
    measuring = Measuring()
    events = await events_of(Turn(TALK, tools=(measuring.tool,), allowed=frozenset({"measure"})), model)
    assert isinstance(events[1], ToolResult)
    assert events[1].status == "failed"
    assert measuring.runs == []


async def test_the_same_call_twice_in_a_row_ends_the_loop() -> None:
    measuring = Measuring()
    model = ScriptedModel([["measure"], [ARGUMENTS], ["measure"], [ARGUMENTS], ["So."]])
    events = await events_of(Turn(TALK, tools=(measuring.tool,), allowed=frozenset({"measure"})), model)
    assert measuring.runs == ["fire"]
    assert (finished(events).finish, finished(events).text, finished(events).calls) == ("loop", "So.", (CALL,))


async def test_the_step_budget_ends_the_loop() -> None:
    measuring = Measuring()
    calls = [[json.dumps({"what": str(index)})] for index in range(2)]
    model = ScriptedModel([["measure"], calls[0], ["measure"], calls[1], ["measure"], ["So."]])
    turn = Turn(TALK, tools=(measuring.tool,), allowed=frozenset({"measure"}), max_steps=2)
    events = await events_of(turn, model)
    assert measuring.runs == ["0", "1"]
    assert (finished(events).finish, finished(events).text) == ("budget", "So.")


async def test_a_budget_that_was_just_enough_is_no_stop() -> None:
    measuring = Measuring()
    model = ScriptedModel([["measure"], [ARGUMENTS], ["none"], ["So."]])
    turn = Turn(TALK, tools=(measuring.tool,), allowed=frozenset({"measure"}), max_steps=1)
    assert finished(await events_of(turn, model)).finish == "stop"


async def test_a_dry_run_names_the_call_and_runs_nothing() -> None:
    measuring = Measuring()
    turn = Turn(TALK, tools=(measuring.tool,), allowed=frozenset({"measure"}), dry_run=True)
    events = await events_of(turn, ScriptedModel([["measure"], [ARGUMENTS]]))
    assert finished(events).calls == (CALL,)
    assert measuring.runs == []
    assert finished(await events_of(turn, ScriptedModel([["none"]]))).calls == ()


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
