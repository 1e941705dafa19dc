"""`/library` and `/source` in the chat."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fireside import paths
from rag.types import Block, Document
from tui.library.screen import LibraryScreen


class WrittenLibrary:
    """One document, without a search."""

    name = "house"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.closed = 0

    def documents(self) -> list[Any]:
        return []

    def document(self, name: str) -> Document:
        return Document(str(self.path), "Cabin", self.path.read_text(), (Block(0, 40, None, ("Cabin",), 0, 1),))

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def library(tmp_path: Path) -> WrittenLibrary:
    path = tmp_path / "rules.md"
    path.write_text("# Cabin\n\nThe stove takes birch only.\n")
    return WrittenLibrary(path)


def cite(chat: Any, library: WrittenLibrary, marker: int = 1) -> None:
    """Let the last reply have cited the stove's line."""
    reply = chat.session.messages()[-1]
    citation = {"marker": marker, "document": str(library.path), "start": 9, "end": 36, "page": None, "verified": True}
    chat.store.write(reply.id, reply.text, "complete", {"citations": [citation]})


async def test_a_source_is_opened_at_its_line(
    chat_with: Callable[..., Any], library: WrittenLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[Document, int]] = []
    monkeypatch.setattr("tui.library.open_file.open_document", lambda app, *place: opened.append(place))
    async with chat_with([["Birch. [1]"]]) as chat:
        await chat.write("/source")
        await chat.shows("the last reply names no sources")
        await chat.write("")
        await chat.send("Which wood?")
        cite(chat, library, marker=2)
        await chat.write("/source 1")
        await chat.shows("the last reply has no source 1")
        await chat.write("/source 2")
        await chat.shows("the library of this reply is not attached")
        chat.session.library = library
        await chat.write("/source")
        await chat.until(lambda: opened)
    ((document, start),) = opened
    assert (document.path, start) == (str(library.path), 9)


async def test_the_attached_library_is_looked_into_and_stays_open(
    chat_with: Callable[..., Any], library: WrittenLibrary
) -> None:
    async with chat_with() as chat:
        chat.session.library = library
        await chat.write("/library")
        await chat.until(lambda: isinstance(chat.app.screen, LibraryScreen))
        await chat.shows("holds no documents yet")
        await chat.pilot.press("escape")
        await chat.until(lambda: chat.app.screen is chat.screen)
        assert library.closed == 0


async def test_another_library_is_closed_again(
    chat_with: Callable[..., Any], library: WrittenLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.library.library_names", lambda: ["house"])
    monkeypatch.setattr("rag.library.open_library", lambda *_: library)
    async with chat_with() as chat:
        await chat.write("/library house")
        await chat.until(lambda: isinstance(chat.app.screen, LibraryScreen))
        await chat.pilot.press("escape")
        await chat.until(lambda: library.closed == 1)


async def test_a_library_that_is_missing_is_made_once_the_person_has_said_so(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        await chat.write("/library ../mouse")
        await chat.shows("'../mouse' is not a usable library name")
        await chat.write("/library mouse")
        await chat.shows("There is no document library 'mouse'. Make it?")
        await chat.pilot.press("n")
        await chat.until(lambda: chat.app.screen is chat.screen)
        assert not paths.library_folder("mouse").exists()
        await chat.write("/library mouse")
        await chat.shows("Make it?")
        await chat.pilot.press("y")
        await chat.until(lambda: isinstance(chat.app.screen, LibraryScreen))
        await chat.shows("holds no documents yet: a adds")
        await chat.pilot.press("escape")
        await chat.until(lambda: chat.app.screen is chat.screen)
    assert paths.library_folder("mouse").is_dir()
