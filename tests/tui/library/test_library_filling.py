"""Filling a library from its screen: adding, cancelling, syncing, failures, removing; with the bundled encoder."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from one_screen import OneScreen
from screen_text import shown, shows
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from fireside.settings import DocumentSettings
from rag.find import Failure
from rag.ingest import Note, Report
from rag.library import Library, create_library
from tui.jobs import Jobs
from tui.library.ingesting import common_folder, failed_text, key_of, summary
from tui.library.screen import LibraryScreen
from tui.theme import DARK

COLOURS = {**DARK.variables, "foreground": "#ffffff", "error": "#ff0000", "success": "#00ff00"}


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "stove.md").write_text("# Stove\n\nThe stove takes birch.\n")
    (folder / "pump.md").write_text("# Pump\n\nDrain the pump before frost.\n")
    (folder / "torn.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    return folder


@pytest.fixture
def library() -> Library:
    return create_library("house")


async def answer(pilot: Pilot[Any], text: str) -> None:
    """Answer a dialog of one line."""
    await pilot.pause()
    pilot.app.screen.query_one(Input).value = text
    await pilot.press("enter")


def listed(pilot: Pilot[Any]) -> list[str]:
    options = pilot.app.screen.query_one(OptionList)
    return [str(option.prompt) for option in options.options]


@pytest.mark.engine
async def test_a_folder_is_added_synced_and_a_document_taken_out(library: Library, papers: Path) -> None:
    screen = LibraryScreen(library, DocumentSettings(), Jobs())
    async with OneScreen(screen).run_test(size=(110, 30)) as pilot:
        await shows(pilot, "holds no documents yet: a adds a file or a folder")
        await pilot.press("a")
        await answer(pilot, str(papers / "nothing"))
        await shows(pilot, "✗ there is no file or folder")
        await pilot.press("a")
        await answer(pilot, str(papers))
        await shows(pilot, "✓ adding papers: 2 indexed", "1 failed: f tells why", "stove.md (1)", "pump.md (1)")
        await pilot.press("f")
        await shows(pilot, "torn.pdf", "✗ ")
        (papers / "pump.md").unlink()
        (papers / "well.md").write_text("# Well\n\nThe well is deep.\n")
        await pilot.press("s")
        await pilot.pause()
        assert pilot.app.screen.query_one(Input).value == str(papers)
        await pilot.press("enter")
        await shows(pilot, "✓ syncing papers: 1 indexed", "1 removed", "well.md (1)")
        assert listed(pilot) == ["stove.md (1)", "well.md (1)"]
        await pilot.press("d")
        await shows(pilot, "Take stove.md out of the library?", "The file stays where it is")
        await pilot.press("y")
        await shows(pilot, "stove.md is no longer in the library")
        await pilot.press("slash")
        assert isinstance(pilot.app.focused, Input)
        await answer(pilot, "How deep is the well?")
        await shows(pilot, "1 of 1", "The well is deep.")
    assert (papers / "stove.md").is_file()
    library.close()


async def test_what_is_added_goes_on_when_the_screen_is_left_and_can_be_cancelled(
    library: Library, papers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()

    def slowly(library: Library, given: Any, tokens: int, progress: Callable[[int, int], None], **more: Any) -> Report:
        progress(100, 400)
        while not go.wait(0.01):
            progress(200, 400)
        return Report(1, 0, 0, (), 3)

    monkeypatch.setattr("rag.ingest.add", slowly)
    jobs = Jobs()
    async with OneScreen(LibraryScreen(library, None, jobs)).run_test(size=(110, 30)) as pilot:
        await shows(pilot, "a adds a file")
        await pilot.press("a")
        await answer(pilot, str(papers))
        await shows(pilot, "adding papers  ━━━", "50%  200 of 400 kB")
        await pilot.press("a")
        await answer(pilot, str(papers))
        await shows(pilot, "✗ adding papers is under way")
        await pilot.press("escape")
        assert not isinstance(pilot.app.screen, LibraryScreen)
        pilot.app.push_screen(LibraryScreen(library, None, jobs))
        await shows(pilot, "200 of 400 kB")
        await pilot.resize_terminal(60, 20)
        await shows(pilot, "adding papers  ━━", "50%")
        await pilot.press("c")
        await shows(pilot, "■ adding papers: cancelled; what was indexed stays")
        go.set()
        await pilot.press("a")
        await answer(pilot, str(papers))
        await shows(pilot, "✓ adding papers: 1 indexed (3 passages)")
    job = jobs.of(key_of("house"))
    assert job is not None
    library.close()


async def test_a_dying_reader_is_one_line(library: Library, papers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*given: Any, **more: Any) -> Report:
        raise BrokenPipeError("the reader is gone")

    monkeypatch.setattr("rag.ingest.add", dies)
    async with OneScreen(LibraryScreen(library)).run_test(size=(110, 30)) as pilot:
        await shows(pilot, "a adds a file")
        await pilot.press("a")
        await answer(pilot, str(papers))
        await shows(pilot, "✗ adding papers ended by itself: the reader is gone; try again")
        assert "Traceback" not in shown(pilot.app)
        await pilot.press("f", "d", "c")
    library.close()


def test_what_a_run_did_is_told_in_words() -> None:
    failure = Failure("/p/\x1b[2Jtorn.pdf", "it is damaged", True, "get it again")
    report = Report(2, 1, 3, (failure,), 40, (Note("/p/a.pdf", "2 pages hold no text"),))
    assert summary(report) == "2 indexed (40 passages), 1 unchanged, 3 removed, 1 failed: f tells why"
    text = failed_text(report, COLOURS).plain
    assert "\x1b" not in text
    assert all(said in text for said in ("torn.pdf", "it is damaged", "get it again", "2 pages hold no text"))
    assert "nothing failed: 0 indexed" in failed_text(Report(0, 0, 0, (), 0), COLOURS).plain
    assert "nothing was added" in failed_text(None, COLOURS).plain


@pytest.mark.parametrize(
    ("paths", "folder"),
    [([], ""), (["/a/b.md"], "/a"), (["/a/b.md", "/a/c/d.md"], "/a"), (["/a/b", "/c/d"], ""), (["/a/b", "c"], "")],
)
def test_the_folder_that_documents_have_in_common(paths: list[str], folder: str) -> None:
    assert common_folder(paths) == folder
