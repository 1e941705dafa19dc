"""`fireside eval rag` on test sets of a few lines, with the bundled encoder and a scripted model."""

import json
from pathlib import Path
from typing import Any

import pytest

from fireside.errors import ModelError
from fireside.evaluations import read
from fireside.models.scripted import ScriptedModel
from tui.cli import main

pytestmark = pytest.mark.engine

FIRE = "The stove takes dry birch wood only. Never leave the fire alone."
WATER = "The pump has to be drained before the first frost."


def write_lines(path: Path, *items: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(item) + "\n" for item in items), "utf-8")


@pytest.fixture
def spans(tmp_path: Path) -> Path:
    folder = tmp_path / "spans"
    text = f"# Fire\n\n{FIRE}\n\n# Water\n\n{WATER}\n"
    start = text.index(WATER)
    (folder / "corpora").mkdir(parents=True)
    (folder / "corpora" / "cabin.md").write_text(text)
    write_lines(
        folder / "questions.jsonl",
        {
            "corpus": "cabin",
            "question": "When does the pump have to be drained?",
            "references": [{"start_index": start, "end_index": start + len(WATER)}],
        },
        {"corpus": "cabin", "question": "Who won the chess tournament in Oslo?", "references": []},
    )
    return folder


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    folder = tmp_path / "beir"
    write_lines(
        folder / "corpus.jsonl",
        {"_id": "f", "title": "Fire", "text": FIRE},
        {"_id": "w", "title": "Water", "text": WATER},
    )
    write_lines(folder / "queries.jsonl", {"_id": "1", "text": "Which wood does the stove take?"})
    (folder / "qrels").mkdir()
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\tf\t1\n")
    return folder


def ran(capsys: pytest.CaptureFixture[str], *line: object) -> Any:
    assert main(["eval", "rag", *map(str, line), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_spans_are_scored_and_refusals_counted(spans: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = ran(capsys, spans)
    assert document["suite"] == "rag"
    assert read(document["kept"]).scores == document["scores"]
    scores = document["scores"]["cabin"]
    assert (scores["questions"], scores["recall"], scores["refused_answerable"]) == (2, 1, 0)
    assert (scores["refusal_precision"], scores["refusal_recall"]) == (1, 1)
    assert 0 < scores["iou"] <= scores["precision"] <= 1
    answered, refused = document["items"]
    assert answered["hits"][0]["document"] == "cabin.md"
    assert (answered["refused"], refused["refused"], refused["scores"]) == (False, True, {})


def test_beir_is_scored_and_printed_as_a_table(beir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = ran(capsys, beir, "--split", "test", "--limit", 5)
    ((_, scores),) = document["scores"].items()
    assert (scores["ndcg@10"], scores["mrr"]) == (1, 1)
    assert main(["eval", "rag", str(beir)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert ["ndcg@10", "1.000"] in [line.split() for line in lines]


def test_answers_are_checked(spans: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel([["The pump has to be drained before the first frost. [1]"]])
    monkeypatch.setattr("tui.models.open_model", lambda settings, name=None, parallel=1: model)
    document = ran(capsys, spans, "--answers")
    scores = document["scores"]["cabin"]
    assert (scores["answers_cited"], scores["citations_correct"], scores["citations_verified"]) == (1, 1, 1)
    (citation,) = document["items"][0]["answer"]["citations"]
    assert citation["quote"] == WATER
    assert document["items"][1]["answer"]["refused"]


def test_questions_are_answered_at_once(
    spans: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    reply = "The pump has to be drained before the first frost. [1]"
    model = ScriptedModel([[reply], [reply], [ModelError("the model broke")]])

    def opened(settings: object, name: str | None = None, parallel: int = 1) -> ScriptedModel:
        asked.append(parallel)
        return model

    monkeypatch.setattr("tui.models.open_model", opened)
    questions = spans / "questions.jsonl"
    first = questions.read_text().splitlines()[0]
    questions.write_text(f"{first}\n{first}\n")
    document = ran(capsys, spans, "--answers", "--at-once", 2)
    assert [item["answer"]["citations"][0]["quote"] for item in document["items"]] == [WATER, WATER]
    assert asked == [2]
    assert main(["eval", "rag", str(spans), "--answers", "--limit", "1", "--at-once", "2"]) == 1
    assert "the model broke" in capsys.readouterr().err


def test_a_library_is_asked_and_calibrated(
    spans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path / "home"))
    assert main(["docs", "add", str(spans / "corpora"), "--library", "cabin", "--json"]) == 0
    capsys.readouterr()
    document = ran(capsys, spans, "--library", "cabin", "--calibrate")
    assert document["scores"]["cabin"]["refusal_recall"] == 1
    kept = json.loads((tmp_path / "home" / "libraries" / "cabin" / "relevance.json").read_text())
    assert kept["threshold"] != 0
    file = tmp_path / "home" / "libraries" / "cabin" / "relevance.json"
    file.write_text(json.dumps(kept | {"reranker": "another"}))
    assert main(["eval", "rag", str(spans), "--library", "cabin", "--json"]) == 0
    assert "not used: it was fitted on another search" in capsys.readouterr().err
    (spans / "corpora" / "cabin.md").rename(spans / "corpora" / "other.md")
    assert main(["docs", "sync", str(spans / "corpora"), "--library", "cabin"]) == 0
    (spans / "corpora" / "other.md").rename(spans / "corpora" / "cabin.md")
    assert main(["eval", "rag", str(spans), "--library", "cabin"]) == 1
    assert "holds none of the documents" in capsys.readouterr().err


def test_a_folder_without_a_test_set_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "rag", str(tmp_path)]) == 1
    assert "holds no test set" in capsys.readouterr().err
    assert main(["eval", "rag", str(tmp_path), "--calibrate"]) == 1
    assert "only a library can be calibrated" in capsys.readouterr().err
