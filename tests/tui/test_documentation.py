"""What the documents name is there, and what is there is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tui.slash import COMMANDS

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
PACKAGES = ("fireside", "rag", "agents", "finetune", "tui", "benchmarks", "tests", "docs")
_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
_PATH = re.compile(r"`([a-z0-9_/]+\.(?:py|tcss)|(?:[a-z0-9_]+/)+)`")


def test_every_slash_command_is_told_of() -> None:
    told = "\n".join(document.read_text("utf-8") for document in DOCUMENTS)
    named = set(re.findall(r"(?<![\w./~])/([a-z]+)(?![\w/.])", told))
    assert [command.name for command in COMMANDS if command.name not in named] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_links_lead_somewhere(document: Path) -> None:
    links = [link for link in _LINK.findall(document.read_text("utf-8")) if "://" not in link]
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_picture_is_shown() -> None:
    shown = {
        (document.parent / link).resolve()
        for document in DOCUMENTS
        for link in _LINK.findall(document.read_text("utf-8"))
    }
    pictures = {picture for kind in ("svg", "png") for picture in (ROOT / "docs" / "images").rglob(f"*.{kind}")}
    assert pictures
    assert sorted(str(picture.relative_to(ROOT)) for picture in pictures - shown) == []


def test_the_paths_of_the_architecture_are_there() -> None:
    files = [
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file()
    ]
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8").partition("## What is kept")[0]
    named = set(_PATH.findall(text))
    assert len(named) > 50
    # In a row of files, those behind the first are often named without the folder they share.
    places = [f"/{file}" for file in files]
    missing = [
        path
        for path in named
        if not any(place.endswith(f"/{path}") or (path[-1] == "/" and f"/{path}" in place) for place in places)
    ]
    assert sorted(missing) == []
