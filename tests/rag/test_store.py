"""The record keeps what it is given, also through a change of its schema."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fireside.database import Database
from fireside.errors import StorageError
from rag import store
from rag.schema import APPLICATION_ID, MIGRATIONS
from rag.types import Block, Chunk, Document

TEXT = "Drain the pump.\n\nOwls nest."
DOCUMENT = Document("/a.md", "A", TEXT, (Block(0, 15, 3, ("Water",), 0, 1), Block(17, 27)), ("page 2 has no text",))
CHUNKS = [Chunk(0, 15, "Drain the pump.", 3, ("Water",)), Chunk(17, 27, "Owls nest.", None, ())]
VECTORS = [np.eye(2, 384, dtype=np.float32)[row] for row in range(2)]


def put(database: Database, keys: list[str], encoder: str = "one", path: str = "/a.md") -> None:
    document = Document(path, DOCUMENT.title, TEXT, DOCUMENT.blocks, DOCUMENT.notes)
    store.put(database, document, CHUNKS, ["A > Water", "A"], keys, VECTORS, "sha", 27, 1.5, "recipe", encoder)


def test_a_document_comes_back_as_it_went_in(tmp_path: Path) -> None:
    with store.opened(tmp_path / "library.db") as database:
        put(database, ["k1", "k2"])
        assert store.document(database, "/a.md") == DOCUMENT
        assert store.chunks(database, "/a.md") == CHUNKS
        assert store.texts_after(database, 1, 9) == [(2, "A", "Owls nest.")]
        assert store.document(database, "/none.md") is None


def test_vectors_of_equal_text_are_kept_once_and_as_long_as_one_chunk_has_them(tmp_path: Path) -> None:
    with store.opened(tmp_path / "library.db") as database:
        put(database, ["k1", "k2"])
        put(database, ["k1", "k3"], path="/b.md")
        assert set(store.cached_vectors(database, ["k1", "k2", "k3", "k4"])) == {"k1", "k2", "k3"}
        store.remove(database, ["/a.md"])
        assert set(store.cached_vectors(database, ["k1", "k2", "k3"])) == {"k1", "k3"}


def test_vectors_of_two_encoders_are_not_mixed(tmp_path: Path) -> None:
    with store.opened(tmp_path / "library.db") as database:
        put(database, ["k1", "k2"])
        with pytest.raises(StorageError, match="vectors are now those of one: one of two cannot be added"):
            put(database, ["k1", "k2"], "two", "/b.md")
        assert [record.path for record in store.records(database)] == ["/a.md"]
        # The last document that had vectors of the other may be replaced.
        put(database, ["k3", "k4"], "two")
        assert store.setting(database, store.ENCODER) == "two"


def test_a_library_of_the_first_schema_keeps_its_vectors(tmp_path: Path) -> None:
    path = tmp_path / "library.db"
    first = Database(path, application_id=APPLICATION_ID, migrations=MIGRATIONS[:1])
    with first.transaction() as connection:
        connection.execute(
            "INSERT INTO documents (path, title, text, blocks, sha256, mtime, recipe) "
            "VALUES ('/a.md', 'A', ?, '[]', 'sha', 1.5, '1 200 small-model')",
            (TEXT,),
        )
        for chunk, key, vector in zip(CHUNKS, ["k1", "k2"], VECTORS, strict=True):
            connection.execute(
                "INSERT INTO chunks (document, start, stop, heading, vector) VALUES (1, ?, ?, '[]', ?)",
                (chunk.start, chunk.end, key),
            )
            connection.execute("INSERT INTO full_text (context, body) VALUES ('A', ?)", (chunk.text,))
            connection.execute("INSERT INTO vectors VALUES (?, ?)", (key, vector.tobytes()))
    first.close()
    with store.opened(path) as database:
        assert {chunk: list(vector) for chunk, vector in store.vectors_of(database, [1, 2]).items()} == {
            1: list(VECTORS[0]),
            2: list(VECTORS[1]),
        }
        assert set(store.cached_vectors(database, ["k1", "k2"])) == {"k1", "k2"}
        assert [chunk.text for chunk in store.stored_chunks(database, [1, 2]).values()] == [c.text for c in CHUNKS]
        assert store.setting(database, store.ENCODER) == "small-model"
        assert database.read("PRAGMA foreign_key_check") == []
        store.remove(database, ["/a.md"])
        assert database.read("SELECT count(*) FROM vectors")[0][0] == 0
