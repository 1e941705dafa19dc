"""`fireside traces resume`: never beside the run itself, with what the run was held with, into its conversation."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from turns import TALK, answers

from agents.builtin import builtin_tools
from agents.events import ApprovalAsked
from agents.record import record_turn
from agents.traced import held_with, run_traced
from agents.traces import Begun, Traces
from agents.turn import Turn
from fireside import paths
from fireside.conversations.store import ConversationStore
from fireside.models.sampling import Sampling
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Called, ToolCall
from tui import cli

SUM = Called(ToolCall("calculator", {"expression": "2+3"}))
TURN = Turn(TALK, tools=builtin_tools(None, None))
LOOK = ["Let me see.", SUM]


@pytest.fixture
def resume(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Resume run 1 on a scripted model: exit status, stdout, stderr, and the model."""

    def run(*replies: Any) -> tuple[int, str, str, ScriptedModel]:
        model = ScriptedModel(replies)
        monkeypatch.setattr("tui.models.open_model", lambda settings, name=None: model)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
        status = cli.main(["traces", "resume", "1", "--yes"])
        model.assert_exhausted()
        return status, *capsys.readouterr(), model

    return run


class Waiting:
    """A run whose call waits for its approval, under way until `stop`."""

    def __init__(self, turn: Turn = TURN, reply: tuple[int, int] | None = None) -> None:
        """reply: the conversation and the message that it writes."""
        self._runner = asyncio.Runner()
        held = held_with(turn, None, None)
        conversation, message = reply or (None, None)
        begun = Begun("chat", "2+3?", "tiny", held, conversation, message)
        self._events = run_traced(turn, ScriptedModel([LOOK]), answers(), begun, "person", lambda _: None)
        if message is not None:
            self._store = ConversationStore(paths.conversations_database())
            self._events = record_turn(self._store, message, self._events)
        self._runner.run(self._until_asked())

    async def _until_asked(self) -> None:
        while not isinstance(await anext(self._events), ApprovalAsked):
            pass

    def stop(self) -> None:
        self._runner.run(self._closed())
        self._runner.close()

    async def _closed(self) -> None:
        await self._events.aclose()


def kept() -> Any:
    with closing(Traces()) as traces:
        return traces.runs()


def test_a_run_under_way_is_not_gone_on_from(resume: Callable[..., Any]) -> None:
    waiting = Waiting()
    status, out, err, _ = resume()
    assert (status, out) == (1, "")
    assert err.splitlines()[0] == "error: run 1 is under way: a program is at work on it, or goes on from it"
    assert len(kept()) == 1
    waiting.stop()
    assert resume(["Five."])[:2] == (0, "Let me see.\n\nFive.\n")


def test_a_run_is_gone_on_from_by_one_program_at_a_time(resume: Callable[..., Any]) -> None:
    from agents.owned import owned

    Waiting().stop()
    with owned(1):
        assert resume()[0] == 1
    assert len(kept()) == 1


def test_a_run_goes_on_with_plans_delegates_seed_and_sampling(resume: Callable[..., Any]) -> None:
    sampling = Sampling(seed=7, temperature=0.25, logit_bias={5: float("-inf")}, banned_phrases=("fire",))
    turn = replace(TURN, plans=True, delegates=True, sampling=sampling, max_tokens=77)
    Waiting(turn).stop()
    status, *_, model = resume([Called(ToolCall("delegate", {"task": "Add."}))], ["No."], ["Five."])
    assert status == 0
    assert [tool.name for tool in model.requests[0].tools][-2:] == ["plan", "delegate"]
    assert (model.requests[0].sampling, model.requests[0].max_tokens) == (sampling, 77)
    # A part of the work is given the system prompt that the run had, not the settings' own.
    assert model.requests[1].prompt[0] == TALK[0]
    assert [run.held for run in kept()] == [kept()[1].held] * 2


def test_an_older_run_goes_on_with_the_settings(resume: Callable[..., Any]) -> None:
    Waiting().stop()
    with closing(Traces()) as traces, traces._database.transaction() as connection:
        connection.execute("UPDATE runs SET held = json_remove(held, '$.sampling', '$.max_tokens')")
    assert resume(["Five."])[0] == 0


@pytest.fixture
def reply() -> Iterator[tuple[int, int]]:
    """An empty reply in a conversation."""
    with closing(ConversationStore(paths.conversations_database())) as store:
        conversation = store.create("Be kind.", "tiny", "A sum")
        asked = store.add(conversation.id, None, "user", "2+3?")
        message = store.add(conversation.id, asked.id, "assistant", "", status="streaming")
        yield conversation.id, message.id


def test_a_run_of_the_chat_goes_on_in_its_conversation(resume: Callable[..., Any], reply: tuple[int, int]) -> None:
    Waiting(reply=reply).stop()
    with closing(ConversationStore(paths.conversations_database())) as store:
        before = store.message(reply[1])
        assert (before.text, before.status, len(before.details["tools"])) == ("Let me see.", "stopped", 1)
        assert resume(["Five."])[0] == 0
        after = store.message(reply[1])
    assert (after.text, after.status) == ("Let me see.\n\nFive.", "complete")
    assert [(tool["status"], tool["result"]) for tool in after.details["tools"]] == [("done", "2+3 = 5")]
    with closing(Traces()) as traces:
        run = traces.run_of(*reply)
    assert run is not None
    assert (run.id, run.parent, run.finish) == (2, 1, "stop")
