"""Whatever is broken in a library is found, said with what to do, and repaired from the record where it can be."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fireside.errors import StorageError
from rag import ingest, relevance
from rag.doctor import Finding, examine, repair
from rag.library import Library

pytestmark = pytest.mark.usefixtures("read_here")

CHUNK_TOKENS = 200


@pytest.fixture
def healthy(library: Library, folder: Path) -> Library:
    for file in folder.rglob("*.*"):
        os.utime(file, (1_600_000_000, 1_600_000_000))
    long = "The lighthouse keeper writes down the weather twice a day, at six and at six."
    (folder / "boat.txt").write_text(long)
    (folder / "rules.md").write_text(f"# Cabin\n\n## Fire\n\nThe stove takes birch wood only.\n\n## Light\n\n{long}\n")
    (folder / "deep" / "birds.html").write_text(f"<h1>Birds</h1><p>An owl nests in the barn. {long}</p>")
    ingest.add(library, [folder], CHUNK_TOKENS)
    return library


def trouble(library: Library) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(library, CHUNK_TOKENS) if finding.state != "ok"}


def tampered(library: Library, *statements: str) -> None:
    """The record changed behind the program's back."""
    library.close()
    with sqlite3.connect(library.database) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def contents(library: Library) -> list[tuple[str, str, float]]:
    return [(found.document, found.text, found.similarity) for found in library.search("owl weather birch", 9)]


def test_a_healthy_library_is_called_so_and_left_alone(healthy: Library, encoder: Any) -> None:
    before, encoded = healthy.database.read_bytes(), len(encoder.encoded)
    findings = examine(healthy, CHUNK_TOKENS)
    assert {finding.state for finding in findings} == {"ok"}
    assert len({finding.check for finding in findings}) == len(findings)
    assert repair(healthy, CHUNK_TOKENS) == []
    assert healthy.database.read_bytes() == before
    assert len(encoder.encoded) == encoded


def test_an_empty_library_has_nothing_wrong(library: Library) -> None:
    library.documents()
    assert trouble(library) == {}


A_CHUNK = "(SELECT max(id) FROM chunks)"
A_DOCUMENT = "(SELECT max(id) FROM documents)"
DAMAGE = [
    (f"DELETE FROM full_text WHERE rowid = {A_CHUNK}", "chunks"),
    (f"UPDATE full_text SET body = 'other words' WHERE rowid = {A_CHUNK}", "chunks"),
    (f"UPDATE chunks SET stop = stop + 5 WHERE id = {A_CHUNK}", "chunks"),
    (f"UPDATE chunks SET start = -1 WHERE id = {A_CHUNK}", "chunks"),
    (f"DELETE FROM chunks WHERE document = {A_DOCUMENT}", "full text"),
    ("INSERT INTO full_text (rowid, context, body) VALUES (9999, '', 'stray')", "full text"),
    ("DELETE FROM full_text_data WHERE id > 10", "full text"),
    ("DELETE FROM vectors WHERE id = (SELECT max(id) FROM vectors)", "vectors"),
    ("UPDATE vectors SET vector = x'00' WHERE id = (SELECT min(id) FROM vectors)", "vectors"),
    ("INSERT INTO vectors (key, vector) VALUES ('stray', x'00')", "vectors"),
    ("UPDATE chunks SET embedding = NULL", "vectors"),
    (f"UPDATE stem_counts SET counts = x'' WHERE chunk = {A_CHUNK}", "word counts"),
    ("INSERT INTO stem_counts VALUES (9999, x'00')", "word counts"),
]


def test_what_is_broken_in_the_record_is_found_and_repaired(healthy: Library) -> None:
    expected = contents(healthy)
    for statement, check in DAMAGE:
        tampered(healthy, statement)
        found = trouble(healthy)[check]
        assert found.state == "fault", statement
        assert "--repair --library cabin" in found.fix
        assert repair(healthy, CHUNK_TOKENS) != []
        assert trouble(healthy) == {}, statement
        assert contents(healthy) == expected, statement
    assert repair(healthy, CHUNK_TOKENS) == []


def test_what_belongs_to_no_document_is_removed(healthy: Library) -> None:
    tampered(healthy, f"DELETE FROM documents WHERE id = {A_DOCUMENT}")
    assert "belong to no document" in trouble(healthy)["chunks"].found
    repair(healthy, CHUNK_TOKENS)
    assert trouble(healthy) == {}
    assert {path for path, _, _ in contents(healthy)} == {record.path for record in healthy.documents()}


def test_vectors_of_another_encoder_are_made_anew(healthy: Library, encoder: Any) -> None:
    expected = contents(healthy)
    tampered(healthy, "UPDATE settings SET value = 'another-encoder' WHERE name = 'encoder'")
    found = trouble(healthy)
    assert (set(found), found["encoder"].state) == ({"encoder"}, "fault")
    assert "another-encoder" in found["encoder"].found
    repair(healthy, CHUNK_TOKENS)
    assert trouble(healthy) == {}
    assert contents(healthy) == expected


def test_repair_reads_no_file_and_embeds_only_what_is_missing(healthy: Library, folder: Path, encoder: Any) -> None:
    shutil.rmtree(folder)
    encoder.encoded.clear()
    tampered(healthy, "DELETE FROM vectors WHERE id = 1", "DELETE FROM full_text WHERE rowid = 2")
    repair(healthy, CHUNK_TOKENS)
    assert len(encoder.encoded) == 1
    assert set(trouble(healthy)) == {"files"}


def _truncated(chroma: Path) -> None:
    os.truncate(chroma / "chroma.sqlite3", 5000)


def _unstamped(chroma: Path) -> None:
    (chroma / "stamp").unlink()


@pytest.mark.parametrize("damage", [shutil.rmtree, _truncated, _unstamped])
def test_a_vector_index_that_is_lost_or_damaged(healthy: Library, encoder: Any, damage: Callable[[Path], None]) -> None:
    expected = contents(healthy)
    healthy.close()
    encoder.encoded.clear()
    damage(healthy.folder / "chroma")
    found = trouble(healthy)
    assert "nothing is embedded again" in found["vector index"].fix
    repair(healthy, CHUNK_TOKENS)
    assert trouble(healthy) == {}
    assert encoder.encoded == []
    assert contents(healthy) == expected


def test_files_that_are_gone_or_changed_are_notes(healthy: Library, folder: Path) -> None:
    (folder / "boat.txt").unlink()
    (folder / "rules.md").write_text("Other rules.")
    notes = [finding for finding in examine(healthy, CHUNK_TOKENS) if finding.check == "files"]
    assert [(note.state, *map(os.path.basename, note.documents)) for note in notes] == [
        ("note", "boat.txt"),
        ("note", "rules.md"),
    ]
    assert all("docs sync" in note.fix for note in notes)
    # The repair is of the library: what the files mean is the person's to say.
    assert repair(healthy, CHUNK_TOKENS) == []
    assert len(healthy.documents()) == 3


def test_near_empty_documents_are_a_note(healthy: Library, folder: Path) -> None:
    (folder / "stamp.md").write_text("12")
    ingest.add(healthy, [folder], CHUNK_TOKENS)
    assert trouble(healthy)["text"].documents == (str(folder / "stamp.md"),)


def test_other_settings_are_a_note(healthy: Library) -> None:
    (finding,) = [finding for finding in examine(healthy, 100) if finding.state != "ok"]
    assert (finding.check, finding.state, len(finding.documents)) == ("encoder", "note", 3)


def test_words_not_counted_yet_are_a_note(healthy: Library) -> None:
    tampered(
        healthy, f"UPDATE stem_counts SET counts = NULL WHERE chunk = {A_CHUNK}", "DELETE FROM stem_counts LIMIT 1"
    )
    found = trouble(healthy)
    assert (set(found), found["word counts"].state) == ({"word counts"}, "note")
    assert found["word counts"].found.startswith("2 chunks")
    healthy.rebuild()
    assert trouble(healthy) == {}


def test_a_threshold_of_another_search_is_a_note(healthy: Library) -> None:
    relevance.keep(healthy, relevance.BUNDLED)
    assert trouble(healthy) == {}
    kept = healthy.folder / "relevance.json"
    kept.write_text(kept.read_text().replace("null", '"a reranker"'))
    found = trouble(healthy)
    assert (set(found), found["refusals"].state) == ({"refusals"}, "note")
    assert "reranker a reranker" in found["refusals"].found


def test_a_damaged_record_is_said_to_be_beyond_repair(healthy: Library) -> None:
    healthy.close()
    with sqlite3.connect(healthy.database) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ((root,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'chunks'").fetchall()
        ((size,),) = connection.execute("PRAGMA page_size").fetchall()
    connection.close()
    with healthy.database.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * 200)
    (finding,) = examine(healthy, CHUNK_TOKENS)
    assert (finding.check, finding.state) == ("record", "fault")
    assert str(healthy.folder) in finding.fix
    with pytest.raises(StorageError):
        repair(healthy, CHUNK_TOKENS)
