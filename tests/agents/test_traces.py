"""Kept runs: what a turn leaves behind, in order, with its approvals, and from where it can be gone on."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from turns import ALLOWED, CALL, TALK, Measuring, answers, events_of, finished

from agents.events import (
    ApprovalAsked,
    Event,
    StepEnded,
    TextDelta,
    ThinkingDelta,
    ToolCallAsked,
    ToolResult,
    TurnFailed,
    TurnFinished,
)
from agents.loop import Turn
from agents.traced import held_with, run_traced
from agents.traces import Begun, KeptEvent, Traces
from fireside import paths
from fireside.errors import FiresideError, StorageError
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Called, Finished, Thinking, Timings, ToolCall, Usage

BEGUN = Begun("ask", "How warm is the fire?", "scripted")


def call(what: str) -> Called:
    return Called(ToolCall("measure", {"what": what}))


async def kept(
    turn: Turn, model: ScriptedModel, *given: Any, begun: Begun = BEGUN, notes: list[str] | None = None
) -> list[Event]:
    said = notes if notes is not None else []
    events = run_traced(turn, model, answers(*given), begun, "person", said.append)
    return [event async for event in events]


def measured(**more: Any) -> Turn:
    return Turn(TALK, tools=(Measuring().tool,), **more)


@pytest.fixture
def traces() -> Any:
    with closing(Traces()) as opened:
        yield opened


async def test_a_run_is_kept_as_it_happened_with_its_pieces_of_text_as_one(traces: Traces) -> None:
    ending = Finished("stop", Usage(50, 0, 7), Timings())
    script = [[Thinking("Hm"), Thinking("."), "Let ", "me see.", call("fire"), ending], ["So", "."]]
    events = await kept(measured(rules=ALLOWED), ScriptedModel(script))
    (run,) = traces.runs()
    happened = traces.events(run.id)
    assert [type(each.event) for each in happened] == [
        ThinkingDelta,
        TextDelta,
        ToolCallAsked,
        ToolResult,
        TextDelta,
        TurnFinished,
    ]
    assert [each.event for each in happened[:2]] == [ThinkingDelta("Hm."), TextDelta("Let me see.")]
    told = [event for event in events if not isinstance(event, TextDelta | ThinkingDelta | StepEnded)]
    assert [each.event for each in happened if not isinstance(each.event, TextDelta | ThinkingDelta)] == told
    assert [each.tokens for each in happened] == [0, 0, 7, 7, 7, 9]
    assert sorted(each.at for each in happened) == [each.at for each in happened]
    assert (run.origin, run.question, run.model, run.finish) == ("ask", TALK[-1].content, "scripted", "stop")
    assert run.usage == finished(events).usage
    assert run.ended is not None
    assert run.ended >= run.started


async def test_a_turn_that_is_offered_no_tool_leaves_no_trace() -> None:
    events = await kept(Turn(TALK), ScriptedModel([["Warm."]]))
    assert finished(events).text == "Warm."
    assert not paths.traces_database().exists()


async def test_what_was_asked_is_kept_with_the_answer_and_who_gave_it(traces: Traces) -> None:
    script = [[call("fire")], [call("sea")], ["So."]]
    events = await kept(measured(), ScriptedModel(script), "once", "deny")
    (run,) = traces.runs()
    answered = traces.answers(run.id)
    assert [(each.answer, each.by) for each in answered] == [("once", "person"), ("deny", "person")]
    assert [each.asked for each in answered] == [event for event in events if isinstance(event, ApprovalAsked)]


async def test_an_answer_is_on_disk_before_the_call_runs() -> None:
    found: list[str] = []

    class Looking(Measuring):
        @property
        def tool(self) -> Any:
            def look(what: str) -> str:
                with closing(sqlite3.connect(paths.traces_database())) as other:
                    found.extend(row[0] for row in other.execute("SELECT answer FROM approvals"))
                return what

            return replace(super().tool, run=look)

    await kept(Turn(TALK, tools=(Looking().tool,)), ScriptedModel([[call("fire")], ["So."]]), "once")
    assert found == ["once"]


async def test_an_answer_that_cannot_be_kept_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise StorageError("the disk is full", "free some space")

    monkeypatch.setattr(Traces, "keep_answer", full)
    measuring = Measuring()
    events = await kept(Turn(TALK, tools=(measuring.tool,)), ScriptedModel([[call("fire")]]), "once")
    assert events[-1] == TurnFailed("the disk is full", "free some space")
    assert measuring.runs == []


async def test_a_trace_that_cannot_be_kept_to_its_end_is_one_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(Traces, "add", full)
    notes: list[str] = []
    events = await kept(measured(rules=ALLOWED), ScriptedModel([[call("fire")], ["So."]]), notes=notes)
    assert finished(events).text == "So."
    assert notes == ["this run is not kept any further: the disk is full"]


async def test_a_file_that_is_no_database_fails_the_turn_with_one_line() -> None:
    paths.ensure_folder(paths.home())
    paths.traces_database().write_text("x" * 2000, "utf-8")
    events = await kept(measured(), ScriptedModel([]))
    assert isinstance(events[-1], TurnFailed)
    assert "not a database" in events[-1].message


async def stopped_at(kind: type[Event], turn: Turn, model: ScriptedModel, *given: Any) -> None:
    events = run_traced(turn, model, answers(*given), BEGUN, "person", print)
    async for event in events:
        if isinstance(event, kind):
            break
    await events.aclose()


async def test_a_run_that_was_stopped_goes_on_from_its_last_state(traces: Traces) -> None:
    measuring = Measuring()
    turn = Turn(TALK, tools=(measuring.tool,), rules=ALLOWED)
    script = [["Let me see.", call("fire")], [call("sea"), "and", asyncio.Event()]]
    events = run_traced(turn, ScriptedModel(script), answers(), BEGUN, "person", print)
    seen = 0
    async for event in events:
        seen += isinstance(event, TextDelta)
        if seen == 2:
            break
    await events.aclose()
    (run,) = traces.runs()
    assert run.finish == "stopped"
    assert traces.events(run.id)[-1].event == TextDelta("\n\nand")
    state = traces.state(run.id)
    assert state is not None
    assert [message.role for message in state.messages] == ["system", "user", "assistant", "tool"]
    assert (state.calls, state.pending, state.text, state.spent.steps) == ((CALL,), (), "Let me see.", 1)
    rest = await events_of(replace(turn, resume=state), ScriptedModel([["So."]]))
    assert finished(rest).text == "Let me see.\n\nSo."
    assert measuring.runs == ["fire"]


async def test_a_call_that_waited_for_its_answer_is_pending(traces: Traces) -> None:
    await stopped_at(ApprovalAsked, measured(), ScriptedModel([[call("fire")]]))
    state = traces.state(traces.runs()[0].id)
    assert state is not None
    assert state.pending == (CALL,)


async def test_the_state_is_the_last_one_even_where_its_messages_have_changed(traces: Traces) -> None:
    run = traces.begin(BEGUN)
    events = await events_of(measured(rules=ALLOWED), ScriptedModel([[call("fire")], [call("sea")], ["So."]]))
    states = [event.state for event in events if isinstance(event, StepEnded)]
    first = states[-1]
    traces.keep_state(run, first)
    shorter = replace(
        first,
        messages=(first.messages[0], replace(first.messages[1], content="Shortened."), *first.messages[2:4]),
    )
    traces.keep_state(run, shorter, first.messages)
    assert traces.state(run) == shorter


async def test_a_run_that_was_not_begun_has_no_state_and_an_unknown_one_is_said(traces: Traces) -> None:
    assert traces.state(traces.begin(BEGUN)) is None
    with pytest.raises(FiresideError, match="there is no run 99"):
        traces.run(99)


async def test_a_turn_that_breaks_off_is_kept_as_failed(traces: Traces) -> None:
    with pytest.raises(ZeroDivisionError):
        await kept(measured(), ScriptedModel([["So", ZeroDivisionError("x")]]))
    (run,) = traces.runs()
    assert run.finish == "failed"
    last = traces.events(run.id)[-1].event
    assert isinstance(last, TurnFailed)
    assert "ZeroDivisionError" in last.message


def test_the_oldest_runs_go_by_number_and_by_size(traces: Traces) -> None:
    for _ in range(5):
        run = traces.begin(BEGUN, most_runs=3)
        traces.add(run, 0, [KeptEvent(0.0, 0, TextDelta("x" * 1000))])
    assert [run.id for run in traces.runs()] == [5, 4, 3]
    assert traces.begin(BEGUN, most_characters=1500) == 6
    assert [run.id for run in traces.runs()] == [6, 5]
    assert traces.events(3) == []


def test_a_conversation_that_is_deleted_takes_its_runs_along(traces: Traces) -> None:
    mine = traces.begin(replace(BEGUN, conversation=7, message=8))
    traces.begin(BEGUN)
    found = traces.run_of(7, 8)
    assert found is not None
    assert found.id == mine
    assert traces.forget(conversation=7) == 1
    assert traces.run_of(7, 8) is None
    assert len(traces.runs()) == 1


def test_what_a_run_was_held_with_comes_back(traces: Traces) -> None:
    held = held_with(measured(plans=True), Path("/notes"), "wood")
    run = traces.run(traces.begin(replace(BEGUN, held=held, parent=None)))
    assert run.held == held
    assert (run.held.tools, run.held.folder, run.held.library, run.held.plans) == (("measure",), "/notes", "wood", True)


async def test_events_that_end_without_a_word_are_a_stopped_run(traces: Traces) -> None:
    from agents.traced import traced

    async def events() -> AsyncGenerator[Event, None]:
        yield TextDelta("So")

    run = traces.begin(BEGUN)
    assert [event async for event in traced(traces, run, events(), print)] == [TextDelta("So")]
    assert traces.run(run).finish == "stopped"
