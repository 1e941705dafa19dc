from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from adapter_files import keep_adapter

from fireside.errors import WorkerDied
from fireside.models.sampling import Sampling
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Called, ReplyEvent, Thinking, ToolCall
from tui import cli

KEYS = {
    "": {"text", "finish", "refused", "citations", "calls", "usage", "timings"},
    "usage": {"prompt_tokens", "cached_tokens", "completion_tokens", "drafted_tokens", "accepted_tokens"},
    "timings": {"load_s", "prefill_s", "first_token_s", "tokens_per_s"},
}


class Stdin(io.TextIOWrapper):
    """What a command reads from a pipe."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `fireside ask` on a scripted model: exit status, stdout, stderr and the model."""

    def run(
        line: Sequence[str], replies: Sequence[Sequence[str | ReplyEvent | Exception]] = (), stdin: bytes | None = b""
    ) -> tuple[int, str, str, ScriptedModel]:
        model = ScriptedModel(replies)
        monkeypatch.setattr("tui.models.open_model", lambda settings, name=None: model)
        monkeypatch.setattr(sys, "stdin", None if stdin is None else Stdin(stdin))
        status = cli.main(["ask", *line])
        out, err = capsys.readouterr()
        model.assert_exhausted()
        return status, out, err, model

    return run


def test_a_plain_reply_is_printed(asked: Any) -> None:
    status, out, err, model = asked(
        ["How", "warm?", "--system", "", "--temperature", "0", "--max-tokens", "7"], [["Very ", "warm."]]
    )
    assert (status, out, err) == (0, "Very warm.\n", "")
    (request,) = model.requests
    assert [message.content for message in request.prompt] == ["", "How warm?"]
    assert (request.max_tokens, request.sampling.temperature) == (7, 0.0)


def test_the_json_document(asked: Any) -> None:
    status, out, err, _ = asked(["hi", "--json"], [["Hello."]])
    assert (status, err) == (0, "")
    assert out.count("\n") == 1
    document = json.loads(out)
    assert document.keys() == KEYS[""]
    assert all(document[key].keys() == KEYS[key] for key in ("usage", "timings"))
    assert (document["text"], document["finish"], document["refused"], document["calls"]) == (
        "Hello.",
        "stop",
        False,
        [],
    )


def test_thoughts_are_not_printed_and_stand_in_the_json(asked: Any) -> None:
    script = [[Thinking("Hm."), "Hello."]]
    assert asked(["hi"], script)[:3] == (0, "Hello.\n", "")
    document = json.loads(asked(["hi", "--json"], script)[1])
    assert (document["text"], document["thinking"]) == ("Hello.", "Hm.")


def test_sampling_is_left_to_the_model_but_for_what_is_set(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESIDE_REPLY__MIN_P", "0.1")
    *_, model = asked(["hi", "--seed", "3"], [["So."]])
    assert model.requests[0].sampling == Sampling(min_p=0.1, seed=3)


def test_several_adapters_are_applied_together(asked: Any) -> None:
    keep_adapter("kitchen")
    keep_adapter("garden")
    *_, model = asked(["hi", "--adapter", "kitchen:0.7", "--adapter", "garden"], [["So."]])
    assert [use.spec for use in model.requests[0].adapters] == ["kitchen:0.7", "garden:1"]
    *_, model = asked(["hi", "--adapter", "kitchen:0.7+garden:0.3"], [["So."]])
    assert [use.spec for use in model.requests[0].adapters] == ["kitchen:0.7", "garden:0.3"]


def test_stdin_is_context(asked: Any) -> None:
    *_, model = asked(["What is it?"], [["So."]], stdin="über fire\r\n".encode())
    assert model.requests[0].prompt[-1].content == "über fire\n\nWhat is it?"
    *_, model = asked([], [["So."]], stdin=b"just this")
    assert model.requests[0].prompt[-1].content == "just this"
    *_, model = asked(["closed"], [["So."]], stdin=None)
    assert model.requests[0].prompt[-1].content == "closed"


def test_nothing_to_ask_and_too_much(asked: Any) -> None:
    assert asked(["  "])[:3] == (1, "", 'error: there is nothing to ask\nhint: write a question: fireside ask "..."\n')
    status, out, err, _ = asked(["x"], stdin="ü".encode() * 2_000_001)
    assert (status, out) == (1, "")
    assert err.startswith("error: stdin holds more than 4 MB\nhint: ")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["--tool", "rm"], "error: there is no tool 'rm' here\nhint: tools that can be used here: calculator, now, "),
        (["--tool", "read_file"], "error: there is no tool 'read_file' here\nhint: it needs --folder\n"),
        (["--tool", "search_documents"], "error: there is no tool 'search_documents' here\nhint: it needs --docs\n"),
        (["--tool", "read_file", "--folder", "/no/such"], "error: /no/such is not a folder\nhint: "),
        (["--docs", "nowhere"], "error: "),
        (["--docs", "../x"], "error: '../x' is not a usable library name\nhint: "),
        (["--adapter", "nobody"], "error: "),
        (["--adapter", "nobody:much"], "error: "),
    ],
)
def test_unknown_names_are_one_line_and_the_model_is_not_asked(asked: Any, line: list[str], said: str) -> None:
    status, out, err, model = asked(["hi", *line])
    assert (status, out) == (1, "")
    assert err.startswith(said)
    assert len(err.splitlines()) == 2
    if "--adapter" not in line:
        assert model.started == 0


@pytest.mark.parametrize(
    "line", [["--max-tokens", "0"], ["--max-tokens", "-3"], ["--temperature", "nan"], ["--temperature", "-1"]]
)
def test_values_that_cannot_be_are_wrong_usage(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["ask", "hi", *line])
    assert caught.value.code == 2
    assert line[0] in capsys.readouterr().err


def test_a_call_is_denied_where_nobody_can_be_asked_and_runs_with_yes(asked: Any) -> None:
    script = [[Called(ToolCall("calculator", {"expression": "2+3"}))], ["Five."]]
    status, out, err, _ = asked(["2+3?", "--tool", "calculator"], script)
    assert (status, out) == (0, "Five.\n")
    assert "denied: calculator(expression='2+3'); allow it with --yes" in err
    status, out, err, _ = asked(["2+3?", "--tool", "calculator", "--yes", "--json"], script)
    assert json.loads(out)["calls"] == [{"name": "calculator", "arguments": {"expression": "2+3"}}]
    assert err == "calculator: done: 2+3 = 5\n"


def test_a_dry_run_runs_nothing(asked: Any) -> None:
    script = [[Called(ToolCall("calculator", {"expression": "2+3"}))]]
    status, out, err, _ = asked(["2+3?", "--tool", "calculator", "--yes", "--dry-run", "--json"], script)
    assert (status, err) == (0, "")
    assert json.loads(out)["calls"] == [{"name": "calculator", "arguments": {"expression": "2+3"}}]


def test_a_dying_model_is_one_line_and_what_came_stays(asked: Any) -> None:
    status, out, err, _ = asked(["hi"], [["Very ", WorkerDied("it stopped", "send again")]])
    assert (status, err) == (1, "error: it stopped\nhint: send again\n")
    assert out.startswith("Very ")


def test_a_wrong_setting_is_one_line(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESIDE_MODEL__THREADS", "many")
    status, _, err, _ = asked(["hi"])
    assert status == 1
    assert err.startswith("error: the environment (FIRESIDE_MODEL__THREADS): ")


@pytest.mark.engine
def test_the_real_command() -> None:
    environment = {**os.environ, "FIRESIDE_MODEL__THREADS": "1"}
    line = [sys.executable, "-m", "tui.cli", "ask", "--json", "--temperature", "0", "--max-tokens", "12", "Say hello."]
    done = [
        subprocess.run(line, input="", capture_output=True, text=True, env=environment, timeout=120, check=False)
        for _ in range(2)
    ]
    assert [each.returncode for each in done] == [0, 0]
    assert done[0].stderr == ""
    first, second = (json.loads(each.stdout) for each in done)
    assert first["text"] == second["text"] != ""
    assert first["timings"]["load_s"] > 0
    assert first["usage"]["completion_tokens"] <= 12
