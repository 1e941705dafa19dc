"""Test sets are read as they lie on disk, and a broken one says where."""

import json
from pathlib import Path

import pytest

from fireside.errors import DocumentError
from rag import testsets
from rag.evaluate import Span

JUDGED = "query-id\tcorpus-id\tscore\nq1\td/1\t1\nq1\td2\t0\n"


def written(path: Path, *items: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(item) + "\n" for item in items), "utf-8")


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    folder = tmp_path / "fires" / "beir"
    written(
        folder / "corpus.jsonl",
        {"_id": "d/1", "title": "Stove", "text": "Birch wood."},
        {"_id": "d2", "text": "No title."},
    )
    written(folder / "queries.jsonl", {"_id": "q1", "text": "Which wood?"}, {"_id": "q2", "text": "Which boat?"})
    (folder / "qrels").mkdir()
    (folder / "qrels" / "val.tsv").write_text(JUDGED)
    (folder / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq2\td2\t0\n")
    return folder


def test_beir_is_one_corpus_of_files_and_graded_questions(beir: Path, tmp_path: Path) -> None:
    (corpus,) = testsets.read(beir, tmp_path / "work", "val")
    assert corpus.name == "fires"
    assert {name: path.read_text() for path, name in corpus.files.items()} == {
        "d/1": "# Stove\n\nBirch wood.\n",
        "d2": "No title.\n",
    }
    (question,) = corpus.questions
    assert (question.id, question.text, question.relevance) == ("q1", "Which wood?", {"d/1": 1.0, "d2": 0.0})
    assert question.answerable
    (both,) = testsets.read(beir, tmp_path / "work")
    assert [(each.id, each.answerable) for each in both.questions] == [("q1", True), ("q2", False)]


def test_spans_are_a_corpus_a_name(tmp_path: Path) -> None:
    reference = {"content": "Birch", "start_index": 0, "end_index": 5}
    written(
        tmp_path / "questions.jsonl",
        {"id": "s-1", "corpus": "stove", "question": "Which wood?", "references": [reference]},
        {"corpus": "boat", "question": "How far?", "references": []},
    )
    for name in ("stove.md", "boat.txt"):
        (tmp_path / "corpora").mkdir(exist_ok=True)
        (tmp_path / "corpora" / name).write_text("Birch")
    stove, boat = testsets.read(tmp_path, tmp_path / "work")
    assert (stove.name, list(stove.files.values())) == ("stove", ["stove.md"])
    assert stove.questions[0].references == (Span("stove.md", 0, 5),)
    assert (boat.questions[0].id, boat.questions[0].answerable) == ("2", False)


def test_what_is_broken_is_named(beir: Path, tmp_path: Path) -> None:
    def refused(match: str, split: str | None = None) -> None:
        with pytest.raises(DocumentError, match=match):
            testsets.read(beir, tmp_path / "work", split)

    refused(r"no table test\.tsv", "test")
    (beir / "qrels" / "val.tsv").write_text("head\nq1 d1 1\n")
    refused(r"val\.tsv, line 2")
    (beir / "qrels" / "val.tsv").write_text(JUDGED)
    (beir / "corpus.jsonl").write_text('{"_id": "d2", "text": "x"}\n\n[1]\n')
    refused(r"corpus\.jsonl, line 3: not a JSON object")
    (beir / "corpus.jsonl").write_text('{"_id": "d2"}\n')
    refused("line 1: there is no 'text'")
    (beir / "corpus.jsonl").unlink()
    refused("holds no test set")
    written(beir / "questions.jsonl", {"corpus": "x", "question": "?", "references": [{"start_index": 1}]})
    refused("line 1: no corpus, question and references")
    written(beir / "questions.jsonl", {"corpus": "x", "question": "?", "references": []})
    refused(r"there is no file corpora/x")
