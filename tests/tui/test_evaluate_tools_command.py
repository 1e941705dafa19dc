"""`fireside eval tools` and `fireside ask --tools-file` on files of a few lines, with a scripted model."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from fireside.errors import ModelError
from fireside.evaluations import evaluation_names, read
from fireside.models.constraints import Lazy
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Called, ToolCall
from tui.cli import main

SUM = {
    "name": "math.sum",
    "description": "Add numbers.",
    "parameters": {
        "type": "dict",
        "properties": {"numbers": {"type": "array", "items": {"type": "integer"}}},
        "required": ["numbers"],
    },
}
RIGHT = Called(ToolCall("math.sum", {"numbers": [2, 3]}))


def model(monkeypatch: pytest.MonkeyPatch, *replies: list[Any]) -> ScriptedModel:
    scripted = ScriptedModel(replies)
    monkeypatch.setattr("tui.models.open_model", lambda settings, name=None, parallel=1: scripted)
    return scripted


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, ...]:
    """Two items that want a call and one that wants none."""
    questions, answers = tmp_path / "questions.json", tmp_path / "answers.json"
    ids = ("simple_0", "simple_1", "irrelevance_0")
    asked = [{"role": "user", "content": "2 plus 3?"}]
    questions.write_text("\n".join(json.dumps({"id": i, "question": [asked], "function": [SUM]}) for i in ids))
    truth = [{"math.sum": {"numbers": [[2, 3]]}}]
    answers.write_text(json.dumps([{"id": i, "ground_truth": truth} for i in ids[:2]]))
    return (str(questions), "--answers", str(answers))


def test_the_document(
    files: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model(monkeypatch, [RIGHT], ["Five."], [RIGHT])
    assert main(["eval", "tools", *files, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["suite"] == "tools"
    kept = read(document["kept"])
    assert (kept.scores, kept.items) == (document["scores"], document["items"])
    assert document["scores"]["simple"]["correct"] == 0.5
    assert document["scores"]["irrelevance"]["correct"] == 0
    assert document["scores"]["all"]["validates"] == 1
    assert [item["id"] for item in document["items"]] == ["simple_0", "simple_1", "irrelevance_0"]
    assert document["items"][0]["calls"] == [{"name": "math.sum", "arguments": {"numbers": [2, 3]}}]
    assert [item["problem"] for item in document["items"]] == [
        "",
        "0 calls where 1 are expected",
        "math.sum was called where no tool applies",
    ]


def test_a_result_is_kept_under_the_name_asked_for_once_and_not_where_it_is_not_wanted(
    files: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model(monkeypatch, [RIGHT], ["Five."], [RIGHT], [RIGHT], ["Five."], [RIGHT])
    assert main(["eval", "tools", *files, "--no-keep"]) == 0
    assert evaluation_names() == []
    assert main(["eval", "tools", *files, "--keep", "first"]) == 0
    assert "kept as first" in capsys.readouterr().err
    assert main(["eval", "tools", *files, "--keep", "first"]) == 1
    assert "there is already an evaluation 'first'" in capsys.readouterr().err
    assert evaluation_names() == ["first"]


def test_the_table_names_what_was_wrong(
    files: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model(monkeypatch, ["Five."], ["None."])
    assert main(["eval", "tools", *files, "--limit", "1", "--at-once", "2"]) == 0
    captured = capsys.readouterr()
    table = [line.split() for line in captured.out.splitlines()]
    assert table[0] == ["items", "correct", "decided", "parses", "validates", "p50_ms", "p95_ms"]
    assert table[1][:3] == ["simple", "1", "0.000"]
    assert table[2][:3] == ["irrelevance", "1", "1.000"]
    assert "simple_0: 0 calls" in captured.err


def test_without_grammar_the_model_writes_freely(files: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    scripted = model(monkeypatch, ["Five."], ["None."])
    assert main(["eval", "tools", *files, "--limit", "1", "--no-grammar"]) == 0
    assert isinstance(scripted.requests[0].constraint, Lazy)


@pytest.mark.parametrize(
    ("more", "message"),
    [(["--template", "nothing"], "no template called"), (["--adapter", "nothing"], "nothing")],
)
def test_unknown_names_are_one_line(
    files: tuple[str, ...],
    more: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model(monkeypatch)
    assert main(["eval", "tools", *files, *more]) == 1
    assert message in capsys.readouterr().err


def test_a_model_that_fails_is_one_line(
    files: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model(monkeypatch, [ModelError("the model broke")])
    assert main(["eval", "tools", *files]) == 1
    assert "error: the model broke" in capsys.readouterr().err


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
    path = tmp_path / "tools.json"
    path.write_text(json.dumps([{"type": "function", "function": SUM}]))
    return str(path)


def test_a_dry_run_names_the_calls_and_runs_none(
    tools: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Called(ToolCall("math.sum", {"numbers": [7]}))
    scripted = model(monkeypatch, [RIGHT, other])
    assert main(["ask", "2 plus 3, and 7", "--tools-file", tools, "--dry-run", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["calls"] == [
        {"name": "math.sum", "arguments": {"numbers": [2, 3]}},
        {"name": "math.sum", "arguments": {"numbers": [7]}},
    ]
    (spec,) = scripted.requests[0].tools
    assert (spec.name, spec.parameters["type"]) == ("math.sum", "object")


def test_a_dry_run_without_calls_has_an_empty_list(
    tools: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model(monkeypatch, ["Hello."])
    assert main(["ask", "Hi", "--tools-file", tools, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["calls"] == []


def test_a_tools_file_is_for_dry_runs(
    tools: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model(monkeypatch)
    assert main(["ask", "Hi", "--tools-file", tools, "--json"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "hint: add --dry-run" in captured.err
