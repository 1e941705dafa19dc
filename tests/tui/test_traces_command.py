"""`fireside traces`: a run is listed, shown, exported, gone on from and replayed."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from contextlib import closing
from typing import Any

import pytest

from agents.traces import Traces
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Called, ToolCall
from tui import cli

SUM = Called(ToolCall("calculator", {"expression": "2+3"}))


@pytest.fixture
def fireside(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command on a scripted model: exit status, stdout and stderr."""

    def run(*line: str, replies: Any = ()) -> tuple[int, str, str]:
        model = ScriptedModel(replies)
        monkeypatch.setattr("tui.models.open_model", lambda settings, name=None: model)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
        status = cli.main(line)
        model.assert_exhausted()
        return status, *capsys.readouterr()

    return run


def asked(fireside: Any, *more: str) -> None:
    fireside("ask", "2+3?", "--tool", "calculator", *more, replies=[["Let me see.", SUM], ["Five."]])


def test_without_runs_the_list_is_empty_and_the_rest_say_so(fireside: Any) -> None:
    assert fireside("traces", "list") == (0, "", "")
    assert fireside("traces", "list", "--json") == (0, "[]\n", "")
    status, _, err = fireside("traces", "show", "1")
    assert (status, err.splitlines()[0]) == (1, "error: there are no runs yet")


def test_a_run_is_shown_as_a_tree(fireside: Any) -> None:
    asked(fireside)
    assert "ask  stop" in fireside("traces", "list")[1]
    (listed,) = json.loads(fireside("traces", "list", "--json")[1])
    assert (listed["question"], listed["finish"], listed["held"]["tools"]) == ("2+3?", "stop", ["calculator"])
    tree = fireside("traces", "show", "1")[1].splitlines()
    said = next(place for place, line in enumerate(tree) if line == "  said")
    assert tree[said + 1] == "    Let me see."
    assert tree[said + 2].startswith('  ⊘ calculator(expression="2+3")  at ')
    assert tree[said + 3] == "    asked: calculator is not allowed without asking"
    assert tree[said + 4] == "      It only looks at what you shared."
    assert tree[said + 5].startswith("      answer: deny, by nobody to ask, at ")
    assert tree[said + 6].startswith("    denied in 0.00 s")
    assert tree[-1].startswith("  ended: stop at ")
    status, _, err = fireside("traces", "show", "9")
    assert (status, err.splitlines()[0]) == (1, "error: there is no run 9")


def test_a_run_is_exported_whole(fireside: Any) -> None:
    asked(fireside, "--yes")
    document = json.loads(fireside("traces", "export", "1")[1])
    assert document["version"] == 1
    assert [each["kind"] for each in document["events"]] == [
        "TextDelta",
        "ToolCallAsked",
        "ToolResult",
        "TextDelta",
        "TurnFinished",
    ]
    assert document["events"][2]["text"] == "2+3 = 5"
    assert [message["role"] for message in document["state"]["messages"]] == ["system", "user", "assistant", "tool"]
    assert document["approvals"] == []
    assert document == json.loads(fireside("traces", "show", "1", "--json")[1])


def test_spans_need_an_endpoint(fireside: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    asked(fireside, "--yes")
    status, _, err = fireside("traces", "export", "1", "--otlp")
    assert (status, err.splitlines()[0]) == (1, "error: there is no collector to send to")


def test_a_replay_shows_what_ask_has_shown_and_runs_nothing(fireside: Any) -> None:
    script = [["Let me see.", SUM], ["Five."]]
    shown = fireside("ask", "2+3?", "--tool", "calculator", "--yes", replies=script)
    assert fireside("traces", "replay", "1") == shown
    assert shown[1] == "Let me see.\n\nFive.\n"
    as_json = json.loads(fireside("traces", "replay", "1", "--json")[1])
    assert as_json["text"] == "Let me see.\n\nFive."
    with closing(Traces()) as traces:
        assert len(traces.runs()) == 1


def stopped(fireside: Any) -> None:
    """A run that is broken off while its call waits for an answer."""

    async def approve(_: Any) -> Any:
        raise asyncio.CancelledError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tui.commands.ask.terminal_approver", lambda *_: approve)
        with pytest.raises(asyncio.CancelledError):
            fireside("ask", "2+3?", "--tool", "calculator", replies=[["Let me see.", SUM]])


def test_a_run_goes_on_with_the_call_that_waited(fireside: Any, capsys: pytest.CaptureFixture[str]) -> None:
    stopped(fireside)
    capsys.readouterr()
    assert "  stopped  " in fireside("traces", "list")[1]
    status, out, err = fireside("traces", "resume", "1", "--yes", replies=[["Five."]])
    assert (status, out) == (0, "Let me see.\n\nFive.\n")
    assert "calculator: done: 2+3 = 5" in err
    with closing(Traces()) as traces:
        run = traces.run(2)
    assert (run.parent, run.finish, run.question) == (1, "stop", "2+3?")
    status, _, err = fireside("traces", "resume", "2")
    assert (status, err.splitlines()[0]) == (1, "error: run 2 has ended; there is nothing left to do")


def test_a_run_that_never_came_to_a_call_cannot_be_gone_on_from(fireside: Any) -> None:
    from fireside.errors import ModelError

    fireside("ask", "2+3?", "--tool", "calculator", replies=[[ModelError("it stopped", None)]])
    status, _, err = fireside("traces", "resume", "1")
    assert (status, err.splitlines()[0]) == (
        1,
        "error: run 1 had not come to a call, so there is nothing to go on from",
    )


def test_a_run_is_forgotten(fireside: Any) -> None:
    asked(fireside, "--yes")
    assert fireside("traces", "forget", "1") == (0, "run 1 is deleted\n", "")
    assert fireside("traces", "list") == (0, "", "")
