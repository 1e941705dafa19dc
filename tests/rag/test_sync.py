"""Which files a run looks at, and which of them it reads: rules, sizes and times, content, and files being written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from fireside.errors import DocumentError
from rag import ingest, known, reader
from rag.find import find
from rag.ingest import Broken, Change
from rag.library import Library

pytestmark = pytest.mark.usefixtures("read_here")

LONG_AGO = 1_600_000_000


def aged(*files: Path) -> None:
    """As if these had lain there for years: their size and time tell whether they have changed."""
    for file in files:
        os.utime(file, (LONG_AGO, LONG_AGO))


def indexed(library: Library) -> list[str]:
    return [Path(record.path).name for record in library.documents()]


@pytest.fixture
def digests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files whose content was looked at."""
    looked: list[str] = []
    real = known.digest

    def digest(file: Path) -> str:
        looked.append(file.name)
        return real(file)

    monkeypatch.setattr(ingest, "digest", digest)
    return looked


def test_rules_hold_at_each_level_and_not_for_named_files(library: Library, folder: Path) -> None:
    (folder / ".gitignore").write_text("*.txt\n/private/\n")
    (folder / "deep" / ".firesideignore").write_text("bird?.html\n")
    (folder / "private").mkdir()
    (folder / "private" / "diary.md").write_text("Dear diary.")
    assert ingest.add(library, [folder], 200).indexed == 1
    assert indexed(library) == ["rules.md"]
    assert ingest.add(library, [folder, folder / "boat.txt", folder / "private" / "diary.md"], 200).indexed == 2


def test_a_file_newly_left_out_goes_with_the_next_sync(library: Library, folder: Path) -> None:
    ingest.add(library, [folder], 200)
    (folder / ".firesideignore").write_text("deep\n")
    assert ingest.sync(library, [folder], 200).removed == 1
    assert indexed(library) == ["boat.txt", "rules.md"]


def test_a_folder_whose_rules_cannot_be_read_is_left_as_it_is(library: Library, folder: Path) -> None:
    ingest.add(library, [folder], 200)
    (folder / "deep" / ".gitignore").symlink_to(folder / "deep" / ".gitignore")
    (folder / "deep" / "new.md").write_text("New.")
    report = ingest.sync(library, [folder], 200)
    assert (report.indexed, report.removed) == (0, 0)
    assert "says what to leave out" in report.failed[0].reason


def test_old_files_are_known_by_size_and_time(library: Library, folder: Path, digests: list[str]) -> None:
    files = [*folder.rglob("*.*")]
    aged(*files)
    ingest.add(library, [folder], 200)
    digests.clear()
    report = ingest.sync(library, [folder], 200)
    assert (report.unchanged, digests) == (3, [])
    # Touched: the content is compared, once.
    (folder / "boat.txt").touch()
    os.utime(folder / "boat.txt", (LONG_AGO + 9, LONG_AGO + 9))
    assert ingest.sync(library, [folder], 200).unchanged == 3
    assert ingest.sync(library, [folder], 200).unchanged == 3
    assert digests == ["boat.txt"]


def test_a_change_that_size_and_time_do_not_show_is_found_while_fresh(library: Library, folder: Path) -> None:
    boat = folder / "boat.txt"
    ingest.add(library, [folder], 200)
    before = boat.stat()
    boat.write_text(boat.read_text().replace("four", "five"))
    os.utime(boat, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert ingest.sync(library, [folder], 200).indexed == 1
    assert "five people" in library.document("boat.txt").text


def test_a_change_of_size_or_time_is_found_however_old(library: Library, folder: Path) -> None:
    files = [folder / "boat.txt", folder / "rules.md"]
    aged(*files)
    ingest.add(library, files, 200)
    files[0].write_text("The boat holds five.")
    files[1].write_text(files[1].read_text().replace("birch", "maple"))
    aged(files[0])
    assert ingest.sync(library, files, 200).indexed == 2


def test_changes_are_told_one_by_one_after_their_commit(library: Library, folder: Path) -> None:
    told: list[tuple[str, str, int]] = []

    def tell(change: Change) -> None:
        assert (Path(change.document).name in indexed(library)) == (change.kind != "removed")
        told.append((change.kind, Path(change.document).name, change.chunks))

    ingest.add(library, [folder / "boat.txt", folder / "rules.md"], 200, told=tell)
    (folder / "boat.txt").write_text("Sold.")
    (folder / "rules.md").unlink()
    ingest.sync(library, [folder], 200, told=tell)
    assert told == [
        ("added", "boat.txt", 1),
        ("added", "rules.md", 2),
        ("changed", "boat.txt", 1),
        ("added", "birds.html", 1),
        ("removed", "rules.md", 0),
    ]


def test_a_broken_file_is_read_again_only_when_it_changed(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = folder / "bad.pdf"
    bad.write_bytes(b"%PDF-1.4 no more")
    aged(bad)
    read: list[str] = []
    real = reader.Reader.read

    def counting(self: Any, path: Path) -> Any:
        read.append(path.name)
        return real(self, path)

    monkeypatch.setattr(reader.Reader, "read", counting)
    broken: Broken = {}
    reports = [ingest.sync(library, [folder], 200, broken=broken) for _ in range(2)]
    assert read.count("bad.pdf") == 1
    assert reports[0].failed == reports[1].failed
    bad.write_bytes(b"%PDF-1.4 nothing more")
    ingest.sync(library, [folder], 200, broken=broken)
    assert read.count("bad.pdf") == 2


@pytest.mark.parametrize("writes", [1, 99])
def test_a_file_that_changes_while_it_is_read(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    boat = folder / "boat.txt"
    real = reader.Reader.read
    written = 0

    def written_meanwhile(self: Any, path: Path) -> Any:
        nonlocal written
        document = real(self, path)
        if path == boat and written < writes:
            written += 1
            boat.write_text(f"The boat was painted {'again ' * written}.")
        return document

    monkeypatch.setattr(reader.Reader, "read", written_meanwhile)
    report = ingest.add(library, [folder], 200)
    if writes == 1:
        assert report.failed == ()
        assert library.document("boat.txt").text == "The boat was painted again ."
    else:
        assert [failure.reason for failure in report.failed if "is being written" in failure.reason]
        assert indexed(library) == ["birds.html", "rules.md"]


def test_a_half_written_file_is_not_called_damaged(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = folder / "notes.md"
    notes.write_text("half")
    real = reader.Reader.read

    def half(self: Any, path: Path) -> Any:
        if notes.read_text() == "half":
            notes.write_text("The whole text.")
            raise DocumentError("notes.md is damaged")
        return real(self, path)

    monkeypatch.setattr(reader.Reader, "read", half)
    assert ingest.add(library, [notes], 200).failed == ()
    assert library.document("notes.md").text == "The whole text."


def test_time_left_counts_only_what_is_to_be_read(library: Library, folder: Path) -> None:
    (folder / "big.txt").write_text("word " * 3000)
    aged(*folder.rglob("*.*"))
    ingest.add(library, [folder], 200)
    (folder / "more.txt").write_text("word " * 1000)
    steps: list[tuple[int, int]] = []
    ingest.add(library, [folder], 200, lambda done, total: steps.append((done, total)))
    assert steps[-1] == (5, 5)


def test_what_was_left_out_of_a_document_is_reported(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    real = reader.Reader.read
    monkeypatch.setattr(
        reader.Reader, "read", lambda self, path: dataclasses.replace(real(self, path), notes=("page 2 is empty",))
    )
    (note,) = ingest.add(library, [folder / "boat.txt"], 200).notes
    assert (note.document, note.note) == (str(folder / "boat.txt"), "page 2 is empty")


def test_a_folder_that_is_gone_hides_what_was_in_it(tmp_path: Path) -> None:
    found = find([tmp_path / "gone" / "deeper"])
    assert found.hides(str(tmp_path / "gone" / "deeper" / "a.md"))
    assert not found.hides(str(tmp_path / "other.md"))
    assert len(found.failures) == 1


def test_a_path_that_cannot_be_looked_at_is_one_line(library: Library, folder: Path) -> None:
    ingest.add(library, [folder], 200)
    report = ingest.sync(library, [folder, folder / ("n" * 300)], 200)
    assert [failure.named for failure in report.failed] == [True]
    assert "cannot look at" in report.failed[0].reason
    assert (report.unchanged, report.removed) == (3, 0)
