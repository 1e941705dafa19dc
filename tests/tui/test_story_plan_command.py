"""`fireside story write --beats`, `outline`, `lore`, `summary`, `worn` and `export` on a scripted model."""

from __future__ import annotations

import argparse
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fireside.errors import FiresideError
from fireside.models.scripted import ScriptedModel
from fireside.stories import manuscript as ms
from fireside.stories.store import open_story
from tui.commands import story

Run = Callable[..., tuple[str, str]]
BEATS = "# Rock\n## Boat\n- A boat comes.\n- Ilse climbs out.\n# Storm\n- The lamp goes out.\n"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command line; its stdout and stderr."""

    def running(*line: str) -> tuple[str, str]:
        parser = argparse.ArgumentParser()
        story.add_parser(parser.add_subparsers())
        options = parser.parse_args(["story", *line])
        assert options.handler(options) == 0
        out, err = capsys.readouterr()
        return out, err

    return running


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Callable[[ScriptedModel], ScriptedModel]:
    def use(scripted: ScriptedModel) -> ScriptedModel:
        monkeypatch.setattr("tui.models.open_model", lambda settings, name=None: scripted)
        return scripted

    return use


Use = Callable[[ScriptedModel], ScriptedModel]


@pytest.fixture
def beats(tmp_path: Path) -> str:
    file = tmp_path / "beats.md"
    file.write_text(BEATS, "utf-8")
    return str(file)


def test_a_book_from_a_file_of_beats(run: Run, model: Use, beats: str, tmp_path: Path) -> None:
    run("new", "sea", "--title", "The Sea")
    model(ScriptedModel([["It came."], ["She fell."], ["Dark."]]))
    out, err = run("write", "sea", "--beats", beats, "--words", "1")
    assert out.split() == ["It", "came.", "She", "fell.", "Dark."]
    assert "[2/3] Ilse climbs out." in err
    assert "3 beats written" in err
    model(ScriptedModel([]))
    assert "3 of 3 beats are written already" in run("write", "sea", "--beats", beats)[1]
    file = tmp_path / "sea.epub"
    run("export", "sea", "-o", str(file), "--author", "A. Writer")
    with zipfile.ZipFile(file) as archive:
        pages = "".join(archive.read(name).decode() for name in archive.namelist() if name.endswith(".xhtml"))
    assert all(words in pages for words in ("The Sea", "A. Writer", "Rock", "Storm", "It came.", "Dark."))
    text = tmp_path / "sea.txt"
    run("export", "sea", "-o", str(text))
    assert "Dark." in text.read_text("utf-8")
    assert run("export", "sea", "-o", "-")[0] == "# The Sea\n\n## Rock\n\nIt came.\n\nShe fell.\n\n## Storm\n\nDark.\n"
    with pytest.raises(FiresideError, match=r"not saved as \.docx"):
        run("export", "sea", "-o", str(tmp_path / "sea.docx"))


def test_beats_added_to_the_file_are_written_in_their_place(run: Run, model: Use, beats: str) -> None:
    run("new", "sea")
    model(ScriptedModel([["It came."], ["She fell."], ["Dark."]]))
    run("write", "sea", "--beats", beats, "--words", "1")
    Path(beats).write_text(BEATS.replace("- Ilse", "- Fog.\n- Ilse"), "utf-8")
    model(ScriptedModel([["Fog came."]]))
    out, _ = run("write", "sea", "--beats", beats, "--words", "1", "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert (lines[0]["title"], lines[0]["number"], lines[0]["of"]) == ("Fog.", 1, 1)
    assert lines[-1] == {"done": True, "beats": 1, "left": 0, "words": 7}
    opened = open_story("sea")
    opened.close()
    assert ms.text(opened.manuscript) == "It came.\n\nFog came.\n\nShe fell.\n\nDark."


def test_an_outline_is_written_shown_and_taken(run: Run, model: Use, beats: str) -> None:
    run("new", "sea", "--synopsis", "A doctor comes.")
    assert "no outline yet" in run("outline", "sea")[1]
    with pytest.raises(FiresideError, match="no chapter yet"):
        run("outline", "sea", "--write", "scene")
    model(ScriptedModel([["## Boat\nIlse comes.\n\n## Lamp\nIt goes out.\n\n"]]))
    out, err = run("outline", "sea", "--write", "chapter", "--count", "2")
    assert out == "# Boat\n\nIlse comes.\n\n# Lamp\n\nIt goes out.\n"
    assert "chapter: Boat" in err
    model(ScriptedModel([["## Landing\nMara helps.\n\n"], ["## Dark\nIt is dark.\n\n"]]))
    shown = json.loads(run("outline", "sea", "--write", "scene", "--count", "1", "--json")[0])
    assert [(node["kind"], node["title"], node["parent"]) for node in shown["outline"]] == [
        ("chapter", "Boat", None),
        ("scene", "Landing", 1),
        ("chapter", "Lamp", None),
        ("scene", "Dark", 2),
    ]
    assert shown["synopsis"] == "A doctor comes."
    assert "# Rock" in run("outline", "sea", "--take", beats)[0]
    with pytest.raises(FiresideError, match="no scene 1"):
        run("outline", "sea", "--write", "beat", "--of", "1")


def test_lore_is_added_imported_listed_and_removed(run: Run, tmp_path: Path) -> None:
    run("new", "sea")
    run("lore", "sea", "add", "Tom", "--key", "Tom", "--key", "brother", "--text", "Tom drowned.")
    run("lore", "sea", "add", "Year", "--constant", "--text", "It is 1890.")
    assert run("lore", "sea", "list")[0] == "Tom  [Tom, brother]  Tom drowned.\nYear  [always]  It is 1890.\n"
    book = tmp_path / "world.json"
    book.write_text(json.dumps({"entries": {"0": {"key": ["Ilse"], "content": "A doctor.", "comment": "Ilse"}}}))
    run("lore", "sea", "import", str(book))
    run("lore", "sea", "remove", "Year")
    entries = json.loads(run("lore", "sea", "list", "--json")[0])["entries"]
    assert [(entry["name"], entry["text"]) for entry in entries] == [("Tom", "Tom drowned."), ("Ilse", "A doctor.")]
    with pytest.raises(FiresideError, match="nothing would call"):
        run("lore", "sea", "add", "X", "--text", "x")
    with pytest.raises(FiresideError, match="cannot be read"):
        run("lore", "sea", "import", str(tmp_path / "none.json"))


def test_summary_and_worn_phrases(run: Run, model: Use) -> None:
    run("new", "sea")
    assert "no summary yet" in run("summary", "sea")[1]
    run("summary", "sea", "--set", "Mara waits.")
    assert json.loads(run("summary", "sea", "--json")[0]) == {"summary": "Mara waits.", "until": 0, "characters": 0}
    model(ScriptedModel([[" Then."]]))
    run("write", "sea", "--text", "A cold shiver ran down. " * 4)
    assert "cold shiver" in run("worn", "sea")[0]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b" \n \n"])
def test_a_file_without_beats_is_refused(run: Run, tmp_path: Path, content: bytes) -> None:
    run("new", "sea")
    file = tmp_path / "beats"
    file.write_bytes(content)
    with pytest.raises(FiresideError):
        run("write", "sea", "--beats", str(file))
    with pytest.raises(FiresideError, match="cannot be read"):
        run("write", "sea", "--beats", str(tmp_path / "none"))


def test_where_the_story_speaks_of_something(run: Run, model: Use, beats: str) -> None:
    run("new", "sea")
    assert "nothing is written yet" in run("search", "sea", "lamp")[1]
    model(ScriptedModel([["Ilse rowed to the rock."], ["She had red hair."], ["The lamp went out at midnight."]]))
    run("write", "sea", "--beats", beats, "--words", "1")
    found = json.loads(run("search", "sea", "When did the lamp go out?", "-k", "1", "--json")[0])
    opened = open_story("sea")
    opened.close()
    read = ms.text(opened.manuscript)
    (hit,) = found["hits"]
    assert read[hit["start"] : hit["end"]] == hit["text"]
    assert "The lamp went out at midnight." in hit["text"]
