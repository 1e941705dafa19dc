"""The record of a library in one SQLite file: documents, chunks, full text, and every vector ever needed again."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fireside.database import Database, Migration
from fireside.interrupts import interrupts_held
from rag.reader import blocks_from
from rag.types import Chunk, Document

if TYPE_CHECKING:
    from fireside.encoder import Vectors

_APPLICATION_ID = 0x4649524C  # "FIRL" in SQLite's header
_MIGRATIONS: tuple[Migration, ...] = (
    (
        """
        CREATE TABLE documents (
            id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, title TEXT NOT NULL, text TEXT NOT NULL,
            blocks TEXT NOT NULL, sha256 TEXT NOT NULL, mtime REAL NOT NULL, recipe TEXT NOT NULL)
        """,
        # AUTOINCREMENT: an id is never used twice, so equal ids in Chroma and here mean equal chunks.
        """
        CREATE TABLE chunks (
            id INTEGER PRIMARY KEY AUTOINCREMENT, document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
            start INTEGER NOT NULL, stop INTEGER NOT NULL, page INTEGER, heading TEXT NOT NULL, vector TEXT NOT NULL)
        """,
        "CREATE INDEX chunks_document ON chunks (document)",
        "CREATE INDEX chunks_vector ON chunks (vector)",
        "CREATE TABLE vectors (key TEXT PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID",
        """
        CREATE VIRTUAL TABLE full_text USING fts5 (
            context, body, tokenize = "porter unicode61 remove_diacritics 2")
        """,
        "CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL)",
        "INSERT INTO state VALUES (1, 0)",
    ),
)
# Longer than the usual: another process may be committing a document of many thousand chunks.
_BUSY_SECONDS = 30.0
# SQLite takes up to 32,766 parameters a statement (SQLITE_MAX_VARIABLE_NUMBER); far fewer are as fast.
_PARAMETERS = 500
# What the full-text score counts a word of title and headings for, beside one of the body.
_CONTEXT_WEIGHT = 0.5


@dataclass(frozen=True)
class Record:
    """What is known of an indexed file. `sha256` is of its bytes, `mtime` in seconds; `recipe` names the way it was cut
    and embedded, so that another setting or another encoder makes it new."""

    path: str
    title: str
    sha256: str
    mtime: float
    recipe: str
    characters: int
    chunks: int


@dataclass(frozen=True)
class StoredChunk:
    """A chunk with where it lies; `document` is the path."""

    id: int
    document: str
    title: str
    start: int
    end: int
    text: str
    page: int | None
    heading: tuple[str, ...]


@contextmanager
def opened(path: Path) -> Iterator[Database]:
    """The library at `path`, made if there is none and brought to the newest schema, closed at the end.

    Raises StorageError, as every use of it does, where it is full, locked, not writable, damaged or not a library.
    """
    database = Database(
        path,
        application_id=_APPLICATION_ID,
        migrations=_MIGRATIONS,
        busy_seconds=_BUSY_SECONDS,
        # A document reported as indexed stays so through a power cut; commits are few, so it costs little.
        synchronous="FULL",
        # The whole folder: Chroma's files belong to this record and to no other.
        recovery=f"move the folder {path.parent} away and add the documents again",
    )
    try:
        yield database
    finally:
        database.close()


def put(
    database: Database,
    document: Document,
    chunks: Sequence[Chunk],
    contexts: Sequence[str],
    keys: Sequence[str],
    vectors: Sequence[Vectors],
    sha256: str,
    mtime: float,
    recipe: str,
) -> None:
    """Replace the document of this path by a new version, as one transaction.

    contexts: the line of title and headings indexed with each chunk. keys, vectors: one a chunk, float32 of shape
    (384,) each.
    """
    blocks = json.dumps([dataclasses.asdict(block) for block in document.blocks])
    with database.transaction() as connection:
        let_go = _delete(connection, [document.path])
        owner = connection.execute(
            "INSERT INTO documents (path, title, text, blocks, sha256, mtime, recipe) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (document.path, document.title, document.text, blocks, sha256, mtime, recipe),
        ).lastrowid
        for chunk, context, key, vector in zip(chunks, contexts, keys, vectors, strict=True):
            row = connection.execute(
                "INSERT INTO chunks (document, start, stop, page, heading, vector) VALUES (?, ?, ?, ?, ?, ?)",
                (owner, chunk.start, chunk.end, chunk.page, json.dumps(chunk.heading), key),
            ).lastrowid
            connection.execute(
                "INSERT INTO full_text (rowid, context, body) VALUES (?, ?, ?)", (row, context, chunk.text)
            )
            connection.execute("INSERT OR IGNORE INTO vectors VALUES (?, ?)", (key, vector.tobytes()))
        _finish(connection, let_go)


def remove(database: Database, paths: Sequence[str]) -> None:
    """Take these documents out, with their chunks, full text, and the vectors no other chunk needs; one transaction."""
    with database.transaction() as connection:
        _finish(connection, _delete(connection, paths))


def records(database: Database) -> list[Record]:
    """Every document, by path."""
    rows = database.read(
        "SELECT path, title, sha256, mtime, recipe, length(text), "
        "(SELECT count(*) FROM chunks WHERE document = documents.id) FROM documents ORDER BY path"
    )
    return [Record(*row) for row in rows]


def document(database: Database, path: str) -> Document | None:
    """A document with its text and blocks, or None."""
    for title, text, blocks in database.read("SELECT title, text, blocks FROM documents WHERE path = ?", (path,)):
        return Document(path, title, text, blocks_from(json.loads(blocks)))
    return None


def cached_vectors(database: Database, keys: Iterable[str]) -> dict[str, Vectors]:
    """The vectors already known under these keys, each float32 of shape (384,)."""
    with interrupts_held():
        import numpy as np

    rows = _by_parameters(database, "SELECT key, vector FROM vectors WHERE key IN ({})", list(dict.fromkeys(keys)))
    return {key: np.frombuffer(blob, dtype=np.float32) for key, blob in rows}


def vectors_of(database: Database, chunk_ids: Sequence[int]) -> dict[int, Vectors]:
    """The vectors of these chunks, each float32 of shape (384,)."""
    import numpy as np

    query = "SELECT chunks.id, vectors.vector FROM chunks JOIN vectors ON vectors.key = chunks.vector WHERE id IN ({})"
    return {row: np.frombuffer(blob, dtype=np.float32) for row, blob in _by_parameters(database, query, chunk_ids)}


def stored_chunks(database: Database, chunk_ids: Sequence[int]) -> dict[int, StoredChunk]:
    """These chunks, by id; one that is gone is left out."""
    # SQLite's substr counts characters from 1.
    query = (
        "SELECT chunks.id, path, title, start, stop, substr(text, start + 1, stop - start), page, heading "
        "FROM chunks JOIN documents ON documents.id = chunks.document WHERE chunks.id IN ({})"
    )
    rows = _by_parameters(database, query, chunk_ids)
    return {
        row: StoredChunk(row, path, title, start, end, text, page, tuple(json.loads(heading)))
        for row, path, title, start, end, text, page, heading in rows
    }


def full_text(database: Database, words: Sequence[str], limit: int) -> dict[int, float]:
    """Ids of the chunks that hold any of `words` (stems compared), best first, with their BM25 (higher is better)."""
    if not words:
        return {}
    # Each word is a quoted string to FTS5, so none of its characters is an operator.
    match = " OR ".join('"' + word.replace('"', '""') + '"' for word in words)
    rows = database.read(
        f"SELECT rowid, -bm25(full_text, {_CONTEXT_WEIGHT}, 1.0) AS score FROM full_text WHERE full_text MATCH ? "
        "ORDER BY score DESC, rowid LIMIT ?",
        (match, limit),
    )
    return {chunk: float(score) for chunk, score in rows}


def generation_and_ids(database: Database) -> tuple[int, list[int]]:
    """The number that moves with every change, and the ids of all chunks, both of one moment."""
    # One statement sees one moment; the join gives a row even where there is no chunk.
    rows = database.read("SELECT generation, chunks.id FROM state LEFT JOIN chunks ON true ORDER BY chunks.id")
    return rows[0][0], [chunk for _, chunk in rows if chunk is not None]


def generation(database: Database) -> int:
    """The number that moves with every change of the chunks."""
    ((number,),) = database.read("SELECT generation FROM state")
    return int(number)


def _delete(connection: sqlite3.Connection, paths: Sequence[str]) -> set[str]:
    """Take these documents out with their chunks and full text; return the keys of the vectors their chunks had."""
    keys: set[str] = set()
    for path in paths:
        chunks = connection.execute(
            "SELECT chunks.id, vector FROM chunks JOIN documents ON documents.id = chunks.document WHERE path = ?",
            (path,),
        ).fetchall()
        connection.executemany("DELETE FROM full_text WHERE rowid = ?", [(chunk,) for chunk, _ in chunks])
        connection.execute("DELETE FROM documents WHERE path = ?", (path,))
        keys.update(key for _, key in chunks)
    return keys


def _finish(connection: sqlite3.Connection, let_go: set[str]) -> None:
    """What ends every change: of the vectors `let_go`, those that no chunk uses go, and the generation moves."""
    connection.executemany(
        "DELETE FROM vectors WHERE key = ? AND NOT EXISTS (SELECT 1 FROM chunks WHERE chunks.vector = vectors.key)",
        [(key,) for key in let_go],
    )
    connection.execute("UPDATE state SET generation = generation + 1")


def _by_parameters(database: Database, query: str, values: Sequence[object]) -> Iterator[sqlite3.Row]:
    """The rows of a query with one IN list, for any number of values."""
    for first in range(0, len(values), _PARAMETERS):
        part = values[first : first + _PARAMETERS]
        yield from database.read(query.format(",".join("?" * len(part))), part)
