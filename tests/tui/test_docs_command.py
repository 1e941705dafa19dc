"""`fireside docs` as a program that another one calls: JSON on stdout, words on stderr, the exit status."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tui.cli import main

pytestmark = pytest.mark.engine


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path / "home"))
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "rules.md").write_bytes(
        b"# Cabin\r\n\r\n## Fire\r\n\r\nThe stove takes birch wood only.\r\n\r\n"
        b"## Water\r\n\r\nDrain the pump before frost.\r\n"
    )
    (folder / "boat.txt").write_text("The boat holds four people.\n")
    return folder


def test_add_search_show_remove(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*line: object) -> Any:
        assert main(["docs", *map(str, line), "--json"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 1
        return json.loads(lines[0])

    assert run("add", folder) == {"indexed": 2, "unchanged": 0, "removed": 0, "failed": [], "chunks": 3, "notes": []}
    found = run("search", "when must the water pump be emptied?", "-k", 1)
    (hit,) = found["hits"]
    assert found["query"] == "when must the water pump be emptied?"
    assert (hit["document"], hit["heading"], hit["page"]) == (str(folder / "rules.md"), ["Cabin", "Water"], None)
    shown = run("show", "rules.md")
    assert shown["text"] == (folder / "rules.md").read_bytes().decode()
    assert shown["text"][hit["start"] : hit["end"]] == hit["text"] == "Drain the pump before frost."
    assert shown["text"][shown["blocks"][0]["start"] : shown["blocks"][0]["end"]] == "# Cabin"
    assert [document["document"] for document in run("list")["documents"]] == [
        str(folder / "boat.txt"),
        str(folder / "rules.md"),
    ]
    assert run("rebuild")["chunks"] == 3
    (folder / "boat.txt").unlink()
    assert run("sync", folder) == {"indexed": 0, "unchanged": 1, "removed": 1, "failed": [], "chunks": 0, "notes": []}
    assert run("remove", "rules.md") == {"removed": [str(folder / "rules.md")]}
    assert run("search", "pump")["hits"] == []


def test_queries_on_stdin_give_one_document_a_line(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["docs", "add", str(folder)])
    capsys.readouterr()
    queries = b"birch wood\n\nhow many fit in the boat\nbroken \xff bytes"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(queries)))
    assert main(["docs", "search", "--stdin", "-k", "1", "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["query"] for answer in answers] == ["birch wood", "how many fit in the boat", "broken � bytes"]
    assert [Path(answer["hits"][0]["document"]).name for answer in answers[:2]] == ["rules.md", "boat.txt"]


def test_a_named_path_that_fails_is_an_error_and_the_rest_is_indexed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["docs", "add", str(folder), str(folder / "none.md"), "--json"]) == 1
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    assert report["indexed"] == 2
    assert [failure["document"] for failure in report["failed"]] == [str(folder / "none.md")]
    assert "error: there is no file or folder" in printed.err
    assert "hint: check the path" in printed.err


def test_a_failure_inside_a_folder_is_reported_and_is_no_error(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken\x1b[2J.pdf").write_bytes(b"%PDF-1.4 no more")
    assert main(["docs", "add", str(folder), "--json"]) == 0
    printed = capsys.readouterr()
    (failure,) = json.loads(printed.out)["failed"]
    assert "is damaged" in failure["reason"]
    assert "not indexed:" in printed.err
    assert "\x1b" not in printed.err


def test_people_read_places_and_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "add", str(folder)]) == 0
    assert "default: 2 documents indexed (3 chunks), 0 unchanged, 0 removed, 0 failed" in capsys.readouterr().out
    assert main(["docs", "search", "pump", "-k", "1"]) == 0
    printed = capsys.readouterr().out
    assert f"1. {folder / 'rules.md'}, Cabin > Water" in printed
    assert "Drain the pump before frost." in printed
    assert main(["docs", "list"]) == 0
    assert "1 chunk" in capsys.readouterr().out


@pytest.mark.parametrize(
    "line",
    [
        ["docs", "search", "x", "--library", "none"],
        ["docs", "list", "--library", "../up"],
        ["docs", "show", "none.md", "--library", "none"],
    ],
)
def test_a_library_that_is_not_there(folder: Path, capsys: pytest.CaptureFixture[str], line: list[str]) -> None:
    assert main(line) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert "hint: " in printed.err


@pytest.mark.parametrize("line", [["docs", "search"], ["docs", "search", " "], ["docs", "search", "x", "--stdin"]])
def test_a_query_comes_from_one_place(folder: Path, capsys: pytest.CaptureFixture[str], line: list[str]) -> None:
    assert main(line) == 2
    assert capsys.readouterr().err.startswith("usage: ")


def test_k_has_bounds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["docs", "search", "x", "-k", "0"])
    assert "from 1 to 1000" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["add", "sync"])
def test_an_empty_path_is_wrong_usage_and_not_the_current_folder(
    folder: Path, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["docs", action, ""])
    assert caught.value.code == 2
    assert "a path is empty" in capsys.readouterr().err


def test_a_file_name_with_a_newline_is_listed_on_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "two\nlines.md").write_text("Birch.\n")
    assert main(["docs", "add", str(folder)]) == 0
    capsys.readouterr()
    assert main(["docs", "list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_an_interrupted_run_says_what_is_kept(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rag.ingest.add", interrupted)
    assert main(["docs", "add", str(folder)]) == 130
    assert "what was indexed so far is kept" in capsys.readouterr().err
