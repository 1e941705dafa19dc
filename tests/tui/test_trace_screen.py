"""`/trace` and `/traces`: the tree of a run, folded, unfolded, and growing while the run is under way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from pytest_textual_snapshot import SVGImageExtension  # type: ignore[import-untyped]  # it ships no types
from syrupy.assertion import SnapshotAssertion
from textual.widgets import Tree

from agents.events import ApprovalAsked, TextDelta, ToolCallAsked, ToolResult, TurnFinished
from agents.traces import Answered, Begun, KeptEvent, Traces
from fireside.models.types import Called, Timings, ToolCall, Usage
from tui.chat.dialogs import ChoiceDialog
from tui.trace_screen import TraceScreen

SUM = Called(ToolCall("calculator", {"expression": "2+3"}))


def a_run() -> int:
    """A run of a call that was allowed and one that was denied, on a fixed day."""
    read, write = ToolCall("read_file", {"path": "todo.md"}), ToolCall("write_file", {"path": "a.md", "content": "x"})
    asked = ApprovalAsked(write, "it may come from what was read", 2, "writes", "+x", ("read_file(todo.md)",))
    told = [
        TextDelta("Let me look."),
        ToolCallAsked(read, 1),
        ToolResult(read, "done", "Buy wood.\nWrite a.md.", 1, 0.02),
        ToolCallAsked(write, 2),
        asked,
        ToolResult(write, "denied", "the person did not allow this call", 2),
        TurnFinished("So.", "stop", False, (), (), Usage(120, 0, 34), Timings()),
    ]
    with closing(Traces()) as traces:
        run = traces.begin(Begun("ask", "What is left to do?", "tiny"))
        traces.add(run, 0, [KeptEvent(number / 4, 5 * number, event) for number, event in enumerate(told)])
        traces.keep_answer(run, Answered(asked, "deny", "person", 1.2))
        finished = told[-1]
        assert isinstance(finished, TurnFinished)
        traces.end(run, "stop", finished)
        with traces._database.transaction() as connection:
            noon = time.mktime((2026, 3, 1, 12, 0, 0, 0, 0, -1))
            connection.execute("UPDATE runs SET started = ?, ended = ?", (noon, noon + 1.5))
    return run


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_the_tree_of_a_run(chat_with: Callable[..., Any], snapshot: SnapshotAssertion, theme: str) -> None:
    run = a_run()
    async with chat_with(size=(80, 24)) as chat:
        chat.app.theme = f"fireside-{theme}"
        await chat.app.push_screen(TraceScreen(run))
        await chat.shows("⊘ write_file")
        await chat.pilot.press("e")
        await chat.shows("answer: deny, by person")
        assert chat.app.export_screenshot() == snapshot.use_extension(SVGImageExtension)


async def test_a_line_unfolds_and_escape_goes_back(chat_with: Callable[..., Any]) -> None:
    run = a_run()
    async with chat_with() as chat:
        await chat.app.push_screen(TraceScreen(run))
        await chat.shows("read_file(path=")
        assert "Buy wood." not in chat.text
        await chat.pilot.press("down", "down", "enter")
        await chat.shows("done in 0.02 s")
        await chat.pilot.press("escape")
        await chat.until(lambda: chat.app.screen is chat.screen)


async def test_trace_shows_the_run_behind_the_last_reply(chat_with: Callable[..., Any], tmp_path: Path) -> None:
    async with chat_with([["Hello."], [SUM], ["Five."]]) as chat:
        await chat.send("Hi.")
        await chat.write("/trace")
        await chat.shows("was offered no tools")
        chat.session.use_tools(True)
        chat.session.allowed.add("calculator")
        await chat.send("2+3?")
        await chat.write("/trace")
        await chat.until(lambda: isinstance(chat.app.screen, TraceScreen))
        await chat.shows("calculator(expression=")
        await chat.shows("ended: stop")


async def test_traces_lists_the_runs_of_all_conversations(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        await chat.write("/traces")
        await chat.shows("there are no runs yet")
        a_run()
        await chat.write("/traces")
        await chat.until(lambda: isinstance(chat.app.screen, ChoiceDialog))
        assert "What is left to do?" in chat.text
        await chat.pilot.press("enter")
        await chat.until(lambda: isinstance(chat.app.screen, TraceScreen))


async def test_a_run_under_way_grows_on_the_screen_and_stays_unfolded(
    chat_with: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.trace_screen._LOOK_S", 0.05)
    more = asyncio.Event()
    async with chat_with([[SUM], ["Hm.", more, Called(ToolCall("now", {}))], ["Five."]]) as chat:
        chat.session.use_tools(True)
        chat.session.allowed |= {"calculator", "now"}
        await chat.write("2+3?")
        await chat.until(lambda: chat.model.requests[1:])
        await chat.write("/trace")
        await chat.until(lambda: isinstance(chat.app.screen, TraceScreen))
        await chat.shows("calculator(expression=")
        assert "now()" not in chat.text
        await chat.pilot.press("e")
        await chat.shows("2+3 = 5")
        more.set()
        await chat.shows("now()")
        await chat.shows("ended: stop")
        assert "2+3 = 5" in chat.text
        assert chat.app.screen.query_one(Tree).root.children[1].is_expanded


async def test_the_steps_of_delegated_work_are_seen_while_it_goes_on(chat_with: Callable[..., Any]) -> None:
    more = asyncio.Event()
    part = Called(ToolCall("delegate", {"task": "Add."}))
    async with chat_with([[part], [SUM], [more, "Five."], ["So."]]) as chat:
        chat.session.use_tools(True)
        chat.session.allowed |= {"calculator", "delegate"}
        await chat.write("2+3?")
        await chat.shows("↳ calculator(")
        await chat.write("/trace")
        await chat.until(lambda: isinstance(chat.app.screen, TraceScreen))
        await chat.pilot.press("e")
        await chat.shows("2+3 = 5")
        assert chat.session.busy
        more.set()
        await chat.shows("ended: stop")


async def test_a_deleted_conversation_takes_its_runs_along(chat_with: Callable[..., Any]) -> None:
    async with chat_with([[SUM], ["Five."]]) as chat:
        chat.session.use_tools(True)
        chat.session.allowed.add("calculator")
        await chat.send("2+3?")
        conversation = chat.session.conversation
        with closing(Traces()) as traces:
            assert [run.conversation for run in traces.runs()] == [conversation.id]
            chat.session.delete(conversation.id)
            assert traces.runs()  # it can still be brought back
            chat.session.recover()
            assert traces.runs() == []


async def test_what_happens_beside_the_calls_is_told_in_quiet_lines(
    chat_with: Callable[..., Any], turn_of: Callable[..., None]
) -> None:
    from agents.events import BudgetReached, Delegated, PlanChanged, PlanStep, ResultsShortened, ToolsNarrowed

    call = ToolCall("look", {"where": "here"})
    hold = asyncio.Event()

    async with chat_with() as chat:

        async def run_turn(turn: Any, model: Any, approve: Any) -> Any:
            yield ToolsNarrowed(("look", "plan"), 30)
            yield ToolCallAsked(call)
            yield Delegated(1, ToolResult(call, "failed", "it is dark"))
            yield ToolResult(call, "invalid", "no such place")
            yield PlanChanged((PlanStep("Look", "done"), PlanStep("Tell", "doing")))
            yield ResultsShortened(2)
            yield BudgetReached("steps")
            await hold.wait()
            yield TurnFinished("So.", "invalid", False, (), (call,), Usage(), Timings())

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("agents.loop.run_turn", run_turn)
            await chat.write("Look.")
            await chat.shows("no more tools")
            for line in (
                "2 of 30 tools are offered: look, plan",
                '↳ look(where="here"): failed',
                'look(where="here") invalid',
                "☑ Look",
                "▶ Tell",
                "2 earlier results are shown to the model shortened",
            ):
                assert line in chat.text
            hold.set()
            await chat.settled()
        assert "☑ Look" in chat.text
        assert "stopped: calls that could not be made" in chat.text
