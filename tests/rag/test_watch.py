"""A watched folder and its library stay equal, whatever happens to the files, and each change is told once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

import pytest

from rag import ingest, watch
from rag.ingest import Change, Report
from rag.library import Library

pytestmark = pytest.mark.usefixtures("read_here")

SECONDS = 60.0


class Watched:
    """A watch that runs beside the test: its changes and reports, as they come."""

    def __init__(self) -> None:
        self.changes: Queue[Change] = Queue()
        self.reports: Queue[Report] = Queue()

    def next(self, number: int = 1) -> set[tuple[str, str]]:
        """The next changes: kind and file name."""
        changes = [self.changes.get(timeout=SECONDS) for _ in range(number)]
        return {(change.kind, Path(change.document).name) for change in changes}

    def until(self, true_of: Callable[[Report], bool]) -> Report:
        """The next report of which that is true."""
        while not true_of(report := self.reports.get(timeout=SECONDS)):
            pass
        return report


@contextmanager
def watching(library: Library, *given: Path) -> Iterator[Watched]:
    watched, stop = Watched(), threading.Event()
    with ThreadPoolExecutor(1) as threads:
        running = threads.submit(watch.watch, library, given, 200, watched.reports.put, watched.changes.put, stop=stop)
        try:
            yield watched
        finally:
            stop.set()
        running.result(timeout=SECONDS)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_QUIET_MS", 50)
    monkeypatch.setattr(watch, "_LOOK_MS", 100)


def test_changes_are_followed(library: Library, folder: Path) -> None:
    with watching(library, folder) as watched:
        assert watched.next(3) == {("added", "boat.txt"), ("added", "birds.html"), ("added", "rules.md")}
        (folder / "boat.txt").write_text("The boat was sold in spring.")
        assert watched.next() == {("changed", "boat.txt")}
        (folder / "rules.md").unlink()
        assert watched.next() == {("removed", "rules.md")}
        (folder / "deep").rename(folder / "deeper")
        assert watched.next(2) == {("added", "birds.html"), ("removed", "birds.html")}
        (folder / ".gitignore").write_text("*.html\n")
        assert watched.next() == {("removed", "birds.html")}
    assert [Path(record.path).name for record in library.documents()] == ["boat.txt"]
    assert library.search("sold", 1)[0].text == "The boat was sold in spring."


def test_a_folder_that_goes_and_comes_back(library: Library, folder: Path) -> None:
    with watching(library, folder) as watched:
        watched.next(3)
        folder.rename(folder.parent / "away")
        report = watched.until(lambda report: bool(report.failed))
        assert (report.removed, len(library.documents())) == (0, 3)
        # An empty folder in its place, as where a drive is not mounted, takes nothing away.
        folder.mkdir()
        watched.until(lambda report: not report.failed)
        assert len(library.documents()) == 3
        folder.rmdir()
        (folder.parent / "away" / "boat.txt").unlink()
        (folder.parent / "away").rename(folder)
        assert watched.next() == {("removed", "boat.txt")}
        (folder / "new.md").write_text("Back again.")
        assert watched.next() == {("added", "new.md")}


def test_a_file_that_broke_is_told_and_taken_once_it_is_whole(library: Library, folder: Path) -> None:
    with watching(library, folder) as watched:
        watched.next(3)
        (folder / "late.md").write_bytes(b"")
        report = watched.until(lambda report: bool(report.failed))
        assert "is empty" in report.failed[0].reason
        (folder / "late.md").write_text("Here now.")
        assert watched.next() == {("added", "late.md")}


def test_a_named_file_that_an_editor_replaces(library: Library, folder: Path) -> None:
    with watching(library, folder / "boat.txt") as watched:
        watched.next()
        (folder / "boat.txt~").write_text("Replaced.")
        (folder / "boat.txt~").rename(folder / "boat.txt")
        assert watched.next() == {("changed", "boat.txt")}


def test_without_events_it_looks_from_time_to_time(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_many(*paths: Path, **options: object) -> Iterator[set[object]]:
        raise OSError("OS file watch limit reached")

    monkeypatch.setattr("watchfiles.watch", too_many)
    monkeypatch.setattr(watch, "_BLIND_SWEEP_SECONDS", 0.1)
    monkeypatch.setattr(watch, "_SWEEP_SHARE", 0.0)
    with watching(library, folder) as watched:
        watched.next(3)
        (folder / "boat.txt").unlink()
        assert watched.next() == {("removed", "boat.txt")}


def test_only_what_can_matter_wakes_it(folder: Path) -> None:
    def matters(name: str) -> bool:
        return watch._matters([folder], folder / name)

    for name in ("movie.mp4", "library.db-wal"):
        (folder / name).touch()
    assert all(map(matters, ["a.md", "deep", "deep/new.PDF", ".gitignore", "deep/.firesideignore", "gone", "gone.old"]))
    assert not any(map(matters, [".hidden.md", ".git/a.md", "movie.mp4", "deep/.cache/x.md", "library.db-wal"]))
    assert not watch._matters([folder], folder.parent / "a.md")


def test_nothing_is_embedded_where_nothing_changed(library: Library, folder: Path) -> None:
    ingest.add(library, [folder], 200)
    with watching(library, folder) as watched:
        report = watched.reports.get(timeout=SECONDS)
    assert (report.indexed, report.unchanged, report.removed) == (0, 3, 0)
