"""`fireside data from-docs`: pairs written as they come, figures, and what is kept of a cancelled run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fireside.models.scripted import ScriptedModel
from rag.types import Chunk
from tui.cli import main

TEXT = "The stove takes birch alone, and nobody burns spruce in it. Marlow built it in 1931, beside the old pump."


class Record:
    path = "/papers/cabin.md"


class WrittenLibrary:
    """Three passages of one document, and one that is too short."""

    def documents(self) -> list[Record]:
        return [Record()]

    def chunks(self, path: str) -> list[Chunk]:
        starts = (0, 200, 400)
        return [*(Chunk(at, at + len(TEXT), TEXT, None, ()) for at in starts), Chunk(600, 604, "Ash.", None, ())]

    def close(self) -> None:
        pass


def reply(question: str, answer: str) -> list[str]:
    return [json.dumps({"answer": answer, "question": question})]


GOOD = [reply(f"Who built the stove, and when, {n}?", "Marlow built it in 1931") for n in range(3)]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch):
    def use(*replies) -> ScriptedModel:
        model = ScriptedModel(replies)
        monkeypatch.setattr("tui.models.open_model", lambda settings, name=None: model)
        monkeypatch.setattr("rag.library.open_library", lambda name: WrittenLibrary())
        return model

    return use


def test_pairs_are_rows_with_their_origin_and_the_rest_is_counted(scripted, tmp_path: Path, capsys) -> None:
    scripted(GOOD[0], reply("Who sang to the stove?", "Harrow"), GOOD[1])
    file = tmp_path / "qa.jsonl"
    assert main(["data", "from-docs", "house", "-o", str(file), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "pairs": 2,
        "passages": 3,
        "refused": {"the answer's words are not in the passage": 1},
        "file": str(file),
    }
    assert "1 not kept: the answer's words are not in the passage" in err
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [row["document"] for row in rows] == ["/papers/cabin.md"] * 2
    assert all(row["end"] - row["start"] == len(TEXT) for row in rows)
    assert main(["data", "from-docs", "house", "-o", str(file)]) == 1
    assert "is there already" in capsys.readouterr().err


def test_limit_stops_at_so_many_pairs(scripted, capsys) -> None:
    model = scripted(*GOOD)
    assert main(["data", "from-docs", "house", "--limit", "2"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert len(model.requests) == 2


def test_a_cancelled_run_keeps_what_is_done(scripted, tmp_path: Path, capsys) -> None:
    class Cancelling(ScriptedModel):
        async def generate(self, request):
            if self.requests:
                raise KeyboardInterrupt
            async for event in super().generate(request):
                yield event

    model = scripted()
    model.__class__ = Cancelling
    model._replies = [tuple(GOOD[0])]
    file = tmp_path / "qa.jsonl"
    assert main(["data", "from-docs", "house", "-o", str(file)]) == 130
    assert len(file.read_text("utf-8").splitlines()) == 1
    assert "1 pairs kept" in capsys.readouterr().err


@pytest.mark.engine
def test_the_bundled_model_asks_about_a_library(tmp_path: Path, capsys) -> None:
    paper = tmp_path / "cabin.md"
    paper.write_text(f"# Cabin\n\n{TEXT}\n", "utf-8")
    assert main(["docs", "add", str(paper), "--library", "house"]) == 0
    capsys.readouterr()
    assert main(["data", "from-docs", "house"]) == 0
    out, err = capsys.readouterr()
    for line in out.splitlines():
        row = json.loads(line)
        assert row["messages"][1]["content"] in TEXT
        assert row["messages"][0]["content"].endswith("?")
    assert "of 1 passages asked about" in err
