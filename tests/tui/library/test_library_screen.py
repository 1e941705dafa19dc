"""The screen of a document library, on a library that the tests write out by hand."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from one_screen import OneScreen
from pytest_textual_snapshot import SVGImageExtension  # type: ignore[import-untyped]  # it ships no types
from screen_text import shown, shows
from syrupy.assertion import SnapshotAssertion
from textual.app import App
from textual.pilot import Pilot
from textual.theme import Theme
from textual.widgets import Input, OptionList

from fireside.errors import DocumentError, FiresideError
from rag.types import Block, Chunk, Document, Passage
from tui.jobs import Jobs, Update
from tui.library import open_file
from tui.library.ingesting import IngestJob, key_of
from tui.library.passages import MOST_CHUNKS, cut_document, explained_hit, line_of, ordering_score
from tui.library.screen import LibraryScreen
from tui.theme import DARK, LIGHT

TEXT = "# Cabin\n\nThe stove takes birch.\n\nDrain the pump \x1b[2Jbefore frost.\n"
RULES = Document(
    "/papers/rules.md",
    "Cabin",
    TEXT,
    (Block(0, 7, None, ("Cabin",), 1, 1), Block(9, 31, None, ("Cabin",), 0, 3), Block(33, len(TEXT), None, (), 0, 5)),
)
CHUNKS = [Chunk(9, 31, TEXT[9:31], None, ("Cabin",)), Chunk(33, len(TEXT), TEXT[33:], None, ())]
BIRCH = Passage(RULES.path, "Cabin", 9, 31, TEXT[9:31], None, ("Cabin",), 0.875, 0.61, 4.2)


class Record:
    """The part of a record that the screen shows."""

    def __init__(self, path: str, chunks: int) -> None:
        self.path, self.chunks = path, chunks


class WrittenLibrary:
    """One document, and one hit for every question but `nothing`."""

    name = "house"

    def __init__(self, path: str = RULES.path) -> None:
        self.path = path

    def documents(self) -> list[Record]:
        return [Record(self.path, 2)]

    def document(self, name: str) -> Document:
        return Document(self.path, RULES.title, RULES.text, RULES.blocks)

    def chunks(self, name: str) -> list[Chunk]:
        return CHUNKS

    def search(self, question: str, k: int) -> list[Passage]:
        if question == "broken":
            raise DocumentError("the library is damaged", "run fireside docs doctor")
        return [] if question == "nothing" else [BIRCH]


class LibraryApp(App[None]):
    """Nothing but the screen."""

    def __init__(self, library: object) -> None:
        super().__init__()
        self.library = library
        self.register_theme(DARK)
        self.theme = DARK.name

    def on_mount(self) -> None:
        self.push_screen(LibraryScreen(cast(Any, self.library)))


async def ask(pilot: Pilot[Any], question: str) -> None:
    prompt = pilot.app.screen.query_one(Input)
    prompt.value = question
    prompt.focus()
    await pilot.press("enter")


async def test_documents_are_listed_and_shown_as_they_are_cut() -> None:
    async with LibraryApp(WrittenLibrary()).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "rules.md", "1 of 2 · 22 characters · line 3 · Cabin", "The stove takes birch.")
        assert "\x1b" not in shown(pilot.app)


async def test_a_hit_is_shown_in_its_context_with_its_scores() -> None:
    async with LibraryApp(WrittenLibrary()).run_test(size=(100, 30)) as pilot:
        await ask(pilot, "what burns?")
        await shows(pilot, "1 of 1 · fused score 0.875", "cosine 0.610", "BM25 4.20", "Drain the pump before frost.")
        assert pilot.app.focused is pilot.app.screen.query_one(OptionList)
        await ask(pilot, "")
        await shows(pilot, "1 of 2 · 22 characters")


@pytest.mark.parametrize(("question", "said"), [("nothing", "nothing was found"), ("broken", "the library is damaged")])
async def test_no_hits_and_a_failure_are_told(question: str, said: str) -> None:
    async with LibraryApp(WrittenLibrary()).run_test(size=(100, 30)) as pilot:
        await ask(pilot, question)
        await shows(pilot, said)


async def test_escape_goes_back_to_the_question_and_then_out() -> None:
    async with LibraryApp(WrittenLibrary()).run_test(size=(100, 30)) as pilot:
        await ask(pilot, "what burns?")
        await shows(pilot, "fused score")
        await pilot.press("escape")
        assert isinstance(pilot.app.focused, Input)
        await pilot.press("escape")
        assert not isinstance(pilot.app.screen, LibraryScreen)


async def test_a_file_that_is_gone_is_told() -> None:
    async with LibraryApp(WrittenLibrary("/nowhere/rules.md")).run_test(size=(100, 30), notifications=True) as pilot:
        await shows(pilot, "The stove takes birch.")
        await pilot.press("ctrl+o")
        await shows(pilot, "is not there any more")


async def test_no_editor_over_a_terminal_that_cannot_be_left_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "[b]rules[draft].md"
    path.write_text(TEXT)
    monkeypatch.setenv("VISUAL", "true")
    async with LibraryApp(WrittenLibrary(str(path))).run_test(size=(100, 30), notifications=True) as pilot:
        await shows(pilot, "The stove takes birch.")
        await pilot.press("ctrl+o")
        await shows(pilot, "cannot be opened over this")
        path.unlink()
        await pilot.press("ctrl+o")
        await shows(pilot, "[b]rules[draft].md is not")


async def test_it_stands_on_a_narrow_terminal() -> None:
    async with LibraryApp(WrittenLibrary()).run_test(size=(40, 12)) as pilot:
        await shows(pilot, "rules.md")


def test_the_screen_looks_as_it_did(snap_compare: Callable[..., bool]) -> None:
    async def search(pilot: Pilot[Any]) -> None:
        await shows(pilot, "The stove takes birch.")
        await ask(pilot, "what burns?")
        await shows(pilot, "fused score 0.875")

    assert snap_compare(LibraryApp(WrittenLibrary()), terminal_size=(100, 26), run_before=search)


def test_lines_are_those_of_the_file() -> None:
    assert [line_of(RULES, at) for at in (0, 9, 33, len(TEXT) - 1)] == [1, 3, 5, 5]
    assert line_of(Document("a.pdf", "A", "text", (Block(0, 4, 2),)), 0) is None
    assert line_of(Document("a.txt", "A", "\n\ntext", (Block(2, 6, None, (), 0, 3),)), 0) == 1


def test_a_long_document_is_shown_in_part() -> None:
    chunks = [Chunk(0, 7, "# Cabin", 3, ())] * (MOST_CHUNKS + 7)
    text = cut_document(RULES, chunks).plain
    assert text.count("# Cabin") == MOST_CHUNKS
    assert "7 more passages" in text
    assert "page 3" in text


def test_a_hit_at_the_edges_has_no_marks_of_more() -> None:
    whole = Passage(RULES.path, "Cabin", 0, len(TEXT), TEXT, 4, (), 0.5, 0.2, 0.0)
    text = explained_hit(RULES, whole, 1, 3).plain
    assert "…" not in text
    assert "none of the question's words" in text
    assert "reranker" not in text
    assert "2 of 3 · reranker 0.250 of 1 · fused score" in explained_hit(RULES, replace(whole, rerank=0.25), 2, 3).plain
    assert (ordering_score(whole), ordering_score(replace(whole, rerank=0.25))) == (whole.score, 0.25)


@pytest.mark.parametrize(
    ("editor", "line", "command"),
    [
        ("vim -n", 12, ["vim", "-n", "+12", "a b.md"]),
        ("nano", None, ["nano", "a b.md"]),
        ("hx", 3, ["hx", "a b.md:3"]),
        ("code -w", 3, ["code", "-w", "--goto", "a b.md:3"]),
        ("strange", 3, ["strange", "a b.md"]),
    ],
)
def test_editors_are_sent_to_the_line(
    monkeypatch: pytest.MonkeyPatch, editor: str, line: int | None, command: list[str]
) -> None:
    monkeypatch.setattr(open_file.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", editor)
    assert open_file.editor_command(Path("a b.md"), line) == command


def test_without_a_program_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_file.shutil, "which", lambda name: None)
    monkeypatch.setitem(os.environ, "EDITOR", "vim")
    with pytest.raises(FiresideError, match="no text editor"):
        open_file.editor_command(Path("a.md"), 1)
    monkeypatch.setitem(os.environ, "EDITOR", 'vim "')
    with pytest.raises(FiresideError, match="no text editor"):
        open_file.editor_command(Path("a.md"), 1)
    with pytest.raises(FiresideError, match="no program"):
        open_file.viewer_command(Path("a.pdf"), 2)


def test_a_pdf_viewer_is_sent_to_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr(
        open_file.shutil, "which", lambda name: name if name in ("okular", "xdg-open", "open") else None
    )
    monkeypatch.setattr(subprocess, "Popen", lambda command, **options: started.append((command, options)))
    open_file.start_viewer(open_file.viewer_command(Path("a.pdf"), 4))
    ((command, options),) = started
    assert open_file.viewer_command(Path("a.pptx"), 4)[0] != "okular"
    assert command == ["okular", "--page=4", "a.pdf"]
    assert options["start_new_session"]


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
@pytest.mark.parametrize("size", [(100, 26), (60, 20)], ids=["wide", "narrow"])
async def test_it_looks_as_it_did_while_it_is_filled(
    theme: Theme, size: tuple[int, int], snapshot: SnapshotAssertion
) -> None:
    go, now, jobs = threading.Event(), [100.0], Jobs()

    def work(update: Update) -> str:
        update(0, 4000)
        now[0] += 10
        update(1500, 4000)
        go.wait(10)
        return ""

    job = jobs.begin(key_of("house"), IngestJob("adding papers", "kB", clock=lambda: now[0]), work)
    screen = LibraryScreen(cast(Any, WrittenLibrary()), None, jobs)
    async with OneScreen(screen, theme).run_test(size=size) as pilot:
        await shows(pilot, "The stove takes birch.", "38%", "17 s left", "f What failed")
        for _ in range(3):  # the line takes its width, and the footer its colours
            await pilot.pause()
        assert pilot.app.export_screenshot() == snapshot.use_extension(SVGImageExtension)
        go.set()
        assert job.wait(10)
