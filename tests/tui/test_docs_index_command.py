"""What fills, watches, tags, checks and mends libraries, as commands: JSON on stdout, words on stderr, exit status."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fireside import paths
from fireside.encoder import ENCODER_ID
from tui.cli import main

pytestmark = pytest.mark.engine

HOSTILE = "two\nlines \x1b[2J\x1b]0;owned\x07.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "rules.md").write_text("# Cabin\n\nThe stove takes birch wood only, and the pump is drained in autumn.\n")
    (folder / "boat.txt").write_text("The boat holds four people, and its keys hang by the door of the barn.\n")
    return folder


def run(capsys: pytest.CaptureFixture[str], *line: object, status: int = 0) -> Any:
    """The JSON document that the command prints."""
    assert main(["docs", *map(str, line), "--json"]) == status
    (printed,) = capsys.readouterr().out.splitlines()
    return json.loads(printed)


def names(found: Any) -> list[str]:
    return sorted({Path(hit["document"]).name for hit in found["hits"]})


def test_a_search_looks_only_into_what_is_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "add", folder / "boat.txt", "--tag", "summer")
    run(capsys, "add", folder)
    assert names(run(capsys, "search", "wood or boat")) == ["boat.txt", "rules.md"]
    for line, expected in (
        (["--tag", "summer"], ["boat.txt"]),
        (["--type", "md"], ["rules.md"]),
        (["--path", "papers/b*"], ["boat.txt"]),
        (["--title", "cabin"], ["rules.md"]),
        (["--until", "2001-01-01"], []),
        (["--since", "2001-01-01", "--type", "txt"], ["boat.txt"]),
    ):
        assert names(run(capsys, "search", "wood or boat", *line)) == expected
    assert main(["docs", "search", "wood", "--tag", "none"]) == 0
    assert "nothing found" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        main(["docs", "search", "wood", "--since", "yesterday"])


def test_tags_are_given_listed_and_taken(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "add", folder, "--tag", "home")
    tagged = run(capsys, "tag", "boat.txt", "--add", "summer", "--remove", "home")
    assert tagged == {"tagged": [{"document": str(folder / "boat.txt"), "tags": ["summer"]}]}
    assert [document["tags"] for document in run(capsys, "list")["documents"]] == [["summer"], ["home"]]
    assert main(["docs", "tag", "boat.txt"]) == 2


def test_libraries_are_listed_and_emptied(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "list", "--libraries") == {"libraries": []}
    run(capsys, "add", folder, "--library", "cabin")
    run(capsys, "add", folder / "boat.txt")
    assert run(capsys, "list", "--libraries")["libraries"] == [
        {"library": "cabin", "documents": 2, "chunks": 2, "encoder": ENCODER_ID},
        {"library": "default", "documents": 1, "chunks": 1, "encoder": ENCODER_ID},
    ]
    assert len(run(capsys, "remove", "--all", "--library", "cabin")["removed"]) == 2
    assert run(capsys, "list", "--library", "cabin")["documents"] == []
    assert run(capsys, "list")["encoder"] == ENCODER_ID
    assert main(["docs", "remove"]) == 2
    assert main(["docs", "remove", "boat.txt", "--all"]) == 2


def test_doctor_finds_repairs_and_says_what_to_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "add", folder)
    assert {finding["state"] for finding in run(capsys, "doctor")["findings"]} == {"ok"}
    shutil.rmtree(paths.library_folder("default") / "chroma")
    (folder / "boat.txt").unlink()
    assert main(["docs", "doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("FAULT")] == [
        "FAULT  vector index: it is not there, or was not finished"
    ]
    assert any("fix: fireside docs rebuild --library default" in line for line in lines)
    assert f"         {folder / 'boat.txt'}" in lines
    repaired = run(capsys, "doctor", "--repair")
    assert repaired["repaired"] == ["made the vector index anew"]
    assert [finding["check"] for finding in repaired["findings"] if finding["state"] != "ok"] == ["files"]


def test_a_document_is_shown_in_its_chunks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "add", folder)
    shown = run(capsys, "show", "rules.md", "--chunks")
    (chunk,) = shown["chunks"]
    assert shown["text"][chunk["start"] : chunk["end"]] == chunk["text"]
    assert main(["docs", "show", "rules.md", "--chunks"]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == f"== 1, at {chunk['start']}-{chunk['end']}, Cabin"
    assert rest == chunk["text"].splitlines()


def test_a_server_that_does_not_answer_changes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "add", folder)
    assert main(["docs", "rebuild", "--server", "http://127.0.0.1:9"]) == 1
    assert capsys.readouterr().err.startswith("error: ")
    assert main(["docs", "rebuild", "--server", "nonsense"]) == 1
    assert names(run(capsys, "search", "wood or boat")) == ["boat.txt", "rules.md"]
    assert run(capsys, "rebuild", "--folder")["chunks"] == 2


def test_hostile_names_reach_no_terminal_and_come_whole_in_json(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / HOSTILE).write_text("An owl.\n")
    (folder / HOSTILE.replace(".md", ".pdf")).write_bytes(b"%PDF-1.4 no more")
    report = run(capsys, "sync", folder)
    assert [Path(failure["document"]).name for failure in report["failed"]] == [HOSTILE.replace(".md", ".pdf")]
    assert str(folder / HOSTILE) in [document["document"] for document in run(capsys, "list")["documents"]]
    assert run(capsys, "show", HOSTILE)["text"] == "An owl.\n"
    (folder / HOSTILE).unlink()
    for line in (
        ["add", folder],
        ["list"],
        ["search", "owl"],
        ["doctor"],
        ["tag", HOSTILE, "--add", "x"],
        ["remove", HOSTILE],
    ):
        assert main(["docs", *map(str, line)]) in (0, 1)
        printed = capsys.readouterr()
        assert "\x1b" not in printed.out + printed.err
        assert "owned" not in printed.out + printed.err
        assert not any(each.startswith("lines") for each in (printed.out + printed.err).splitlines())


def test_watch_tells_each_change_as_json_until_ctrl_c(folder: Path) -> None:
    line = [sys.executable, "-m", "tui.cli", "docs", "watch", str(folder), "--json"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None

        def told() -> dict[str, Any]:
            event: dict[str, Any] = json.loads(program.stdout.readline())  # type: ignore[union-attr]
            return event

        assert [told()["event"] for _ in range(3)] == ["added", "added", "synced"]
        (folder / HOSTILE).write_text("An owl nests here.\n")
        assert told() == {"event": "added", "document": str(folder / HOSTILE), "chunks": 1}
        assert told()["indexed"] == 1
        (folder / "bad.pdf").write_bytes(b"%PDF-1.4 no more")
        assert told()["event"] == "failed"
        (folder / HOSTILE).unlink()
        assert told()["event"] == "removed"
        program.send_signal(signal.SIGINT)
        rest, complaints = program.communicate(timeout=60)
    assert program.returncode == 130
    assert "Traceback" not in complaints
    assert [json.loads(each)["event"] for each in rest.splitlines()] in ([], ["synced"])


def test_watch_speaks_to_people(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rag import ingest

    def once(
        library: Any, given: Any, chunk_tokens: int, reported: Any, told: Any, progress: Any, overlap: int
    ) -> None:
        for _ in range(2):
            reported(ingest.sync(library, given, chunk_tokens, progress, told))

    monkeypatch.setattr("rag.watch.watch", once)
    (folder / "bad\x1b[2J.pdf").write_bytes(b"%PDF-1.4 no more")
    assert main(["docs", "watch", str(folder)]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        f"added {folder / 'boat.txt'} (1 chunk)",
        f"added {folder / 'rules.md'} (1 chunk)",
        "default: 2 documents indexed (2 chunks), 0 unchanged, 0 removed, 1 failed",
    ]
    assert printed.err.count("not indexed:") == 1
    assert "\x1b" not in printed.err
