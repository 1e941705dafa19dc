from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tui import cli

Search = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Search:
    """`docs search` in a library of two notes; rerankers score by the names given, `long` or `short` texts first."""

    def reranker(name: str | None) -> Any:
        def rerank(question: str, texts: Sequence[str]) -> list[float]:
            return [len(text) / 1000 if name == "long" else 1 - len(text) / 1000 for text in texts]

        return rerank if name else None

    monkeypatch.setattr("rag.rerank.reranker", reranker)
    (tmp_path / "short.md").write_text("The pump is red.\n")
    (tmp_path / "long.md").write_text("The pump stands in the cellar, behind the shelf with the apples.\n")
    assert cli.main(["docs", "add", str(tmp_path / "short.md"), str(tmp_path / "long.md")]) == 0
    capsys.readouterr()

    def run(*options: str) -> list[dict[str, Any]]:
        assert cli.main(["docs", "search", "pump red", "--json", *options]) == 0
        hits: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["hits"]
        return hits

    return run


@pytest.mark.engine
def test_search_reranks_by_the_option_or_else_the_setting(search: Search, monkeypatch: pytest.MonkeyPatch) -> None:
    def first(*options: str) -> str:
        return Path(search(*options)[0]["document"]).stem

    assert search()[0]["score"] == 1.0
    assert first() == "short"
    assert first("--rerank", "long") == "long"
    monkeypatch.setenv("FIRESIDE_DOCUMENTS__RERANKER", "long")
    assert first() == "long"
    assert first("--rerank", "short") == "short"
    assert first("--rerank", "") == "short"
    assert search("--rerank", "")[0]["score"] == 1.0


@pytest.mark.engine
def test_a_reranker_that_is_missing_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    (tmp_path / "note.md").write_text("The pump is red.\n")
    assert cli.main(["docs", "add", str(tmp_path / "note.md")]) == 0
    capsys.readouterr()
    assert cli.main(["docs", "search", "pump", "--rerank", "no/such"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: there is no reranker no/such: no such folder")
    assert "hint: " in told
