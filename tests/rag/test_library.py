"""What a library promises: nothing embedded twice, nothing committed lost, each failure one clear line."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fireside.database import Database
from fireside.errors import DocumentError, StorageError
from rag import ingest, store
from rag.library import Library, create_library, library_names, open_library

pytestmark = pytest.mark.usefixtures("read_here")

QUESTION = "when to drain the pump"


def indexed(library: Library) -> list[str]:
    return [Path(record.path).name for record in library.documents()]


def test_add_walks_folders_and_counts(library: Library, folder: Path) -> None:
    (folder / ".hidden.md").write_text("hidden")
    (folder / ".git").mkdir()
    (folder / ".git" / "note.md").write_text("hidden")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8")
    report = ingest.add(library, [folder], 200)
    assert (report.indexed, report.unchanged, report.removed, report.failed, report.chunks) == (3, 0, 0, (), 4)
    assert indexed(library) == ["boat.txt", "birds.html", "rules.md"]


def test_what_did_not_change_is_neither_read_nor_embedded_again(library: Library, folder: Path, encoder: Any) -> None:
    ingest.add(library, [folder], 200)
    encoder.encoded.clear()
    report = ingest.add(library, [folder, folder / "boat.txt"], 200)
    assert (report.indexed, report.unchanged) == (0, 3)
    assert encoder.encoded == []


def test_only_the_changed_chunk_of_a_changed_file_is_embedded(library: Library, folder: Path, encoder: Any) -> None:
    ingest.add(library, [folder], 200)
    encoder.encoded.clear()
    rules = folder / "rules.md"
    rules.write_text(rules.read_text().replace("birch", "pine"))
    report = ingest.add(library, [folder], 200)
    assert (report.indexed, report.unchanged, report.chunks) == (1, 2, 2)
    assert encoder.encoded == ["Cabin > Fire\nThe stove takes pine wood only."]
    assert library.search("pine wood", 1)[0].text == "The stove takes pine wood only."
    assert all("birch" not in found.text for found in library.search("birch wood", 9))


def test_another_chunk_size_cuts_anew(library: Library, folder: Path) -> None:
    ingest.add(library, [folder], 200)
    assert ingest.add(library, [folder], 100).indexed == 3


def test_context_is_cut_before_the_chunk_is(library: Library, tmp_path: Path, encoder: Any) -> None:
    body = " ".join(f"w{number}" for number in range(250))
    (tmp_path / "long.md").write_text(f"# {'heading ' * 30}\n\n{body}\n")
    ingest.add(library, [tmp_path / "long.md"], 254)
    (text,) = encoder.encoded
    assert text.endswith(body)
    assert encoder.count_tokens([text])[0] <= 254


def test_sync_removes_what_is_gone_and_keeps_what_it_cannot_see(library: Library, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "stick"
    other.mkdir()
    (other / "far.md").write_text("Far away.")
    ingest.add(library, [folder, other], 200)
    (folder / "boat.txt").unlink()
    other.rename(tmp_path / "unplugged")
    report = ingest.sync(library, [folder, other], 200)
    assert (report.removed, [failure.named for failure in report.failed]) == (1, [True])
    assert indexed(library) == ["birds.html", "rules.md", "far.md"]
    assert ingest.sync(library, [folder / "deep"], 200).removed == 2
    assert indexed(library) == ["birds.html"]
    assert len(library.search("boat pump far", 9)) == 1


def test_sync_removes_a_named_file_that_vanished(library: Library, folder: Path) -> None:
    given = [folder / "boat.txt", folder / "rules.md"]
    ingest.add(library, given, 200)
    given[0].unlink()
    report = ingest.sync(library, given, 200)
    assert (report.removed, len(report.failed)) == (1, 1)
    assert indexed(library) == ["rules.md"]


def test_a_changed_file_that_broke_keeps_its_last_version(library: Library, folder: Path) -> None:
    ingest.add(library, [folder], 200)
    (folder / "boat.txt").write_bytes(b"\x00\x01\x02")
    report = ingest.sync(library, [folder], 200)
    assert "binary" in report.failed[0].reason
    assert "kept" in report.failed[0].reason
    assert (report.unchanged, report.removed) == (2, 0)
    assert library.search("boat", 1)[0].text.startswith("The boat holds")


def test_failures_say_whether_the_path_was_named(library: Library, folder: Path, tmp_path: Path) -> None:
    (folder / "empty.md").touch()
    (tmp_path / "table.xyz").write_bytes(bytes(range(256)))
    report = ingest.add(library, [folder, tmp_path / "table.xyz", tmp_path / "none"], 200)
    assert {(Path(failure.document).name, failure.named) for failure in report.failed} == {
        ("empty.md", False),
        ("table.xyz", True),
        ("none", True),
    }
    assert report.indexed == 3


def test_links_that_lead_out_of_the_folder_are_not_followed(library: Library, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("secret")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "far.md").write_text("far")
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    (folder / "way").symlink_to(tmp_path / "outside")
    (folder / "inner.md").symlink_to(folder / "rules.md")
    (folder / "round.md").symlink_to(folder / "round.md")
    ingest.add(library, [folder], 200)
    assert indexed(library) == ["boat.txt", "birds.html", "inner.md", "rules.md"]


def test_a_file_name_that_is_no_text_is_reported(library: Library, folder: Path) -> None:
    name = bytes(folder) + b"/caf\xe9.md"
    with open(name, "wb") as stream:  # noqa: PTH123 - pathlib has no paths of bytes
        stream.write(b"text")
    report = ingest.add(library, [folder], 200)
    assert "is not valid text" in report.failed[0].reason
    assert report.failed[0].reason.isprintable()
    assert report.indexed == 3


def test_progress_ends_at_its_total(library: Library, folder: Path) -> None:
    steps: list[tuple[int, int]] = []
    (folder / "big.txt").write_text("word " * 3000)
    ingest.add(library, [folder], 200, lambda done, total: steps.append((done, total)))
    assert steps == sorted(steps)
    assert steps[-1] == (15, 15)


def test_documents_are_shown_and_removed_by_path_or_its_end(library: Library, folder: Path) -> None:
    ingest.add(library, [folder], 200)
    assert library.document("birds.html").text == "Birds\n\nAn owl nests in the barn."
    assert library.document(str(folder / "rules.md")).blocks[1].heading == ("Cabin", "Fire")
    (folder / "deep" / "rules.md").write_text("other rules")
    ingest.add(library, [folder], 200)
    with pytest.raises(DocumentError, match="could be any of"):
        library.document("rules.md")
    with pytest.raises(DocumentError, match="no document 'none"):
        library.remove(["boat.txt", "none.md"])
    assert len(library.documents()) == 4
    assert library.remove(["boat.txt", "deep/rules.md"]) == [
        str(folder / "boat.txt"),
        str(folder / "deep" / "rules.md"),
    ]
    assert indexed(library) == ["birds.html", "rules.md"]
    assert all(found.document != str(folder / "boat.txt") for found in library.search("boat keys", 9))


def test_a_removed_document_leaves_no_text_and_no_vector(library: Library, folder: Path) -> None:
    ingest.add(library, [folder], 200)
    library.remove(["boat.txt", "birds.html", "rules.md"])
    with store.opened(library.database) as database:
        for table in ("documents", "chunks", "vectors", "full_text"):
            assert database.read(f"SELECT count(*) FROM {table}")[0][0] == 0


# Names


def test_libraries_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path / "fresh"))
    assert library_names() == []
    with pytest.raises(DocumentError, match="no document library 'cabin'"):
        open_library("cabin")
    made = create_library("cabin")
    made.documents()
    assert library_names() == ["cabin"]
    assert open_library("cabin").documents() == []
    with pytest.raises(DocumentError, match="there are: cabin"):
        open_library("other")


def test_opening_and_listing_import_nothing_heavy(library: Library, folder: Path) -> None:
    ingest.add(library, [folder], 200)
    program = (
        "import sys; from pathlib import Path; from rag.library import Library\n"
        f"assert len(Library(Path({str(library.folder)!r})).documents()) == 3\n"
        "print([name for name in ('chromadb', 'onnxruntime', 'tokenizers', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Disks and databases


def test_a_full_disk_keeps_what_was_committed(
    library: Library, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest.add(library, [folder], 200)
    opened = store.opened

    @contextmanager
    def small_disk(path: Path) -> Iterator[Database]:
        with opened(path) as database:
            ((pages,),) = database.read("PRAGMA page_count")
            database.read(f"PRAGMA max_page_count = {pages}")
            yield database

    monkeypatch.setattr(store, "opened", small_disk)
    (tmp_path / "big.txt").write_text("\n\n".join(f"word{number} " * 90 for number in range(500)))
    with pytest.raises(StorageError, match="the disk is full") as caught:
        ingest.add(library, [tmp_path / "big.txt"], 200)
    assert caught.value.hint == "free some space, then try again"
    monkeypatch.undo()
    assert indexed(library) == ["boat.txt", "birds.html", "rules.md"]
    assert library.search(QUESTION, 1)[0].text == "Drain the pump before frost."


def test_a_library_being_written_is_one_clear_line(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    library.documents()
    monkeypatch.setattr(store, "_BUSY_SECONDS", 0.0)
    with store.opened(library.database) as writer, writer.transaction():
        assert library.documents() == []
        with pytest.raises(StorageError, match="locked"), store.opened(library.database) as other:
            store.remove(other, ["a.md"])


def test_a_document_committed_is_on_the_disk(library: Library) -> None:
    with store.opened(library.database) as database:
        assert database.read("PRAGMA synchronous")[0][0] == 2  # FULL, https://www.sqlite.org/pragma.html
        assert database.read("PRAGMA journal_mode")[0][0] == "wal"


def test_damaged_and_newer_databases_are_one_clear_line(library: Library) -> None:
    library.database.write_bytes(b"garbage" * 1000)
    with pytest.raises(StorageError, match="is damaged") as caught:
        library.documents()
    assert "move the folder" in (caught.value.hint or "")
    assert library.database.read_bytes() == b"garbage" * 1000
    library.database.unlink()
    library.documents()
    with sqlite3.connect(library.database) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StorageError, match="newer Fireside"):
        library.documents()


def test_a_database_that_is_no_library_is_refused_untouched(library: Library, folder: Path) -> None:
    with sqlite3.connect(library.database) as connection:
        connection.execute("CREATE TABLE documents (theirs)")
    connection.close()
    before = library.database.read_bytes()
    with pytest.raises(StorageError, match="not of this kind") as caught:
        ingest.add(library, [folder], 200)
    assert str(library.folder) in (caught.value.hint or "")
    assert library.database.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot create the folder"):
        Library(tmp_path / "file" / "cabin").documents()


def test_a_failure_beside_the_library_is_not_called_its_own(library: Library) -> None:
    with pytest.raises(FileNotFoundError), store.opened(library.database):
        raise FileNotFoundError("something else")
