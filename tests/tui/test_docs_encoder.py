"""Another encoder as a setting: libraries made with it, and changed over to it and back, on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_encoders import SIZE, tiny_encoder

from fireside import paths
from fireside.encoder import DIMENSION, ENCODER_ID
from rag import store
from tui.cli import main

pytestmark = pytest.mark.engine

LONG = "The stove takes dry birch wood. The water of the lake is cold, and the boat lies at the lake. " * 12


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("models") / "tiny", "mean", {"query": "query: ", "document": ""})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "rules.md").write_text("# Cabin\n\nDrain the pump.\n")
    (folder / "lake.txt").write_text(LONG)
    return folder


def run(capsys: pytest.CaptureFixture[str], *line: object, status: int = 0) -> Any:
    """The JSON document that the command prints, or what it says on stderr where it fails."""
    assert main(["docs", *map(str, line), "--json"]) == status
    said = capsys.readouterr()
    return json.loads(said.out) if said.out else said.err


def dimensions() -> set[int]:
    """Numbers in the vectors of the default library."""
    with store.opened(paths.library_folder("default") / "library.db") as database:
        return {len(vector) // 4 for (vector,) in database.read("SELECT vector FROM vectors")}


def encoder_found(capsys: pytest.CaptureFixture[str], status: int = 0) -> dict[str, Any]:
    (found,) = [each for each in run(capsys, "doctor", status=status)["findings"] if each["check"] == "encoder"]
    return dict(found)


def test_a_library_goes_over_to_another_encoder_and_back(
    tiny: Path, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = run(capsys, "add", folder)["chunks"]
    assert dimensions() == {DIMENSION}
    monkeypatch.setenv("FIRESIDE_DOCUMENTS__ENCODER", str(tiny))
    monkeypatch.setenv("FIRESIDE_DOCUMENTS__ENCODER_DIMENSION", "8")
    refused = run(capsys, "search", "dry wood", status=1)
    assert ENCODER_ID in refused
    assert "docs rebuild" in refused
    assert run(capsys, "list")["encoder"] == ENCODER_ID
    assert "made by another encoder" in encoder_found(capsys, status=1)["found"]

    assert run(capsys, "rebuild")["chunks"] == few
    assert dimensions() == {8}
    hits = run(capsys, "search", "drain the pump")["hits"]
    assert Path(hits[0]["document"]).name == "rules.md"
    # The chunks are those of the other encoder, longer than what this one reads; the next sync cuts them anew.
    assert encoder_found(capsys)["state"] == "note"
    synced = run(capsys, "sync", folder)
    assert (synced["indexed"], synced["chunks"] > few) == (2, True)
    found = encoder_found(capsys)
    assert (found["state"], found["found"].endswith("-8")) == ("ok", True)
    assert run(capsys, "list")["encoder"] == found["found"]
    assert run(capsys, "sync", folder)["unchanged"] == 2

    monkeypatch.delenv("FIRESIDE_DOCUMENTS__ENCODER")
    monkeypatch.delenv("FIRESIDE_DOCUMENTS__ENCODER_DIMENSION")
    run(capsys, "rebuild")
    assert dimensions() == {DIMENSION}
    assert run(capsys, "sync", folder)["chunks"] == few
    assert run(capsys, "search", "drain the pump")["hits"]


def test_a_library_is_made_with_it_and_asked(
    tiny: Path, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESIDE_DOCUMENTS__ENCODER", str(tiny))
    assert run(capsys, "add", folder)["failed"] == []
    assert dimensions() == {SIZE}
    assert run(capsys, "search", "the pump", "-k", "1")["hits"][0]["text"] == "Drain the pump."
    assert "tiny-" in run(capsys, "list", "--libraries")["libraries"][0]["encoder"]


def test_an_encoder_that_is_not_there_stops_only_what_needs_it(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(capsys, "add", folder)
    monkeypatch.setenv("FIRESIDE_DOCUMENTS__ENCODER", str(folder / "none"))
    assert len(run(capsys, "list")["documents"]) == 2
    assert run(capsys, "show", "rules.md")["text"].startswith("# Cabin")
    assert "there is no encoder" in run(capsys, "search", "the pump", status=1)
    monkeypatch.setenv("FIRESIDE_DOCUMENTS__ENCODER", "bundled")
    monkeypatch.setenv("FIRESIDE_DOCUMENTS__ENCODER_DIMENSION", "64")
    assert "cannot be shortened" in run(capsys, "search", "the pump", status=1)
