"""The record of a library in one SQLite file: documents, chunks, full text, and every vector ever needed again."""

from __future__ import annotations

import dataclasses
import errno
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fireside.errors import DocumentError, StorageError
from rag.reader import blocks_from
from rag.types import Chunk, Document

if TYPE_CHECKING:
    from fireside.encoder import Vectors

# Each entry brings a database from the version of its index to the next; `user_version` counts them.
_MIGRATIONS = (
    """
    CREATE TABLE documents (
        id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, title TEXT NOT NULL, text TEXT NOT NULL,
        blocks TEXT NOT NULL, sha256 TEXT NOT NULL, mtime REAL NOT NULL, recipe TEXT NOT NULL);
    -- AUTOINCREMENT: an id is never used twice, so equal ids in Chroma and here mean equal chunks.
    CREATE TABLE chunks (
        id INTEGER PRIMARY KEY AUTOINCREMENT, document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
        start INTEGER NOT NULL, stop INTEGER NOT NULL, page INTEGER, heading TEXT NOT NULL, vector TEXT NOT NULL);
    CREATE INDEX chunks_document ON chunks (document);
    CREATE INDEX chunks_vector ON chunks (vector);
    CREATE TABLE vectors (key TEXT PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID;
    CREATE VIRTUAL TABLE full_text USING fts5 (
        context, body, tokenize = "porter unicode61 remove_diacritics 2");
    CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL);
    INSERT INTO state VALUES (1, 0);
    """,
)
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
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the library at `path`, brought to the newest schema, closed at the end.

    Raises StorageError where it cannot be written (disk full, locked, no permission), DocumentError where damaged.
    """
    with _explained(path), closing(_connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        _migrate(connection, path)
        yield connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing. The write lock is taken at once, so that a reader never has to become a writer half way."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def put(
    connection: sqlite3.Connection,
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
    with transaction(connection):
        _delete(connection, [document.path])
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
        _finish(connection)


def remove(connection: sqlite3.Connection, paths: Sequence[str]) -> None:
    """Take these documents out, with their chunks, full text, and the vectors no other chunk needs; one transaction."""
    with transaction(connection):
        _delete(connection, paths)
        _finish(connection)


def records(connection: sqlite3.Connection) -> list[Record]:
    """Every document, by path."""
    rows = connection.execute(
        "SELECT path, title, sha256, mtime, recipe, length(text), "
        "(SELECT count(*) FROM chunks WHERE document = documents.id) FROM documents ORDER BY path"
    )
    return [Record(*row) for row in rows]


def document(connection: sqlite3.Connection, path: str) -> tuple[Document, Record] | None:
    """A document with its text and blocks, or None."""
    row = connection.execute("SELECT text, blocks FROM documents WHERE path = ?", (path,)).fetchone()
    if row is None:
        return None
    (record,) = [record for record in records(connection) if record.path == path]
    return Document(path, record.title, row[0], blocks_from(json.loads(row[1]))), record


def cached_vectors(connection: sqlite3.Connection, keys: Iterable[str]) -> dict[str, Vectors]:
    """The vectors already known under these keys, each float32 of shape (384,)."""
    import numpy as np

    rows = _by_parameters(connection, "SELECT key, vector FROM vectors WHERE key IN ({})", list(dict.fromkeys(keys)))
    return {key: np.frombuffer(blob, dtype=np.float32) for key, blob in rows}


def vectors_of(connection: sqlite3.Connection, chunk_ids: Sequence[int]) -> dict[int, Vectors]:
    """The vectors of these chunks, each float32 of shape (384,)."""
    import numpy as np

    query = "SELECT chunks.id, vectors.vector FROM chunks JOIN vectors ON vectors.key = chunks.vector WHERE id IN ({})"
    return {row: np.frombuffer(blob, dtype=np.float32) for row, blob in _by_parameters(connection, query, chunk_ids)}


def stored_chunks(connection: sqlite3.Connection, chunk_ids: Sequence[int]) -> dict[int, StoredChunk]:
    """These chunks, by id; one that is gone is left out."""
    # SQLite's substr counts characters from 1.
    query = (
        "SELECT chunks.id, path, title, start, stop, substr(text, start + 1, stop - start), page, heading "
        "FROM chunks JOIN documents ON documents.id = chunks.document WHERE chunks.id IN ({})"
    )
    rows = _by_parameters(connection, query, chunk_ids)
    return {
        row: StoredChunk(row, path, title, start, end, text, page, tuple(json.loads(heading)))
        for row, path, title, start, end, text, page, heading in rows
    }


def full_text(connection: sqlite3.Connection, words: Sequence[str], limit: int) -> dict[int, float]:
    """Ids of the chunks that hold any of `words` (stems compared), best first, with their BM25 (higher is better)."""
    if not words:
        return {}
    # Each word is a quoted string to FTS5, so none of its characters is an operator.
    match = " OR ".join('"' + word.replace('"', '""') + '"' for word in words)
    rows = connection.execute(
        f"SELECT rowid, -bm25(full_text, {_CONTEXT_WEIGHT}, 1.0) AS score FROM full_text WHERE full_text MATCH ? "
        "ORDER BY score DESC, rowid LIMIT ?",
        (match, limit),
    )
    return dict(rows.fetchall())


def generation_and_ids(connection: sqlite3.Connection) -> tuple[int, list[int]]:
    """The number that moves with every change, and the ids of all chunks, both of one moment."""
    connection.execute("BEGIN")
    try:
        ids = [row for (row,) in connection.execute("SELECT id FROM chunks ORDER BY id")]
        return generation(connection), ids
    finally:
        connection.execute("ROLLBACK")


def generation(connection: sqlite3.Connection) -> int:
    """The number that moves with every change of the chunks."""
    (number,) = connection.execute("SELECT generation FROM state").fetchone()
    return int(number)


def _connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode: transactions are opened by hand."""
    return sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)


def _delete(connection: sqlite3.Connection, paths: Sequence[str]) -> None:
    for path in paths:
        ids = connection.execute(
            "SELECT chunks.id FROM chunks JOIN documents ON documents.id = chunks.document WHERE path = ?", (path,)
        ).fetchall()
        connection.executemany("DELETE FROM full_text WHERE rowid = ?", ids)
        connection.execute("DELETE FROM documents WHERE path = ?", (path,))


def _finish(connection: sqlite3.Connection) -> None:
    """What ends every change: vectors that no chunk uses go, and the generation moves."""
    connection.execute("DELETE FROM vectors WHERE NOT EXISTS (SELECT 1 FROM chunks WHERE chunks.vector = vectors.key)")
    connection.execute("UPDATE state SET generation = generation + 1")


def _by_parameters(connection: sqlite3.Connection, query: str, values: Sequence[object]) -> Iterator[tuple[Any, ...]]:
    """The rows of a query with one IN list, for any number of values."""
    for first in range(0, len(values), _PARAMETERS):
        part = values[first : first + _PARAMETERS]
        yield from connection.execute(query.format(",".join("?" * len(part))), part)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == len(_MIGRATIONS):
        return
    if version > len(_MIGRATIONS):
        raise DocumentError(f"the library {path} was made by a newer Fireside", "update Fireside to use it")
    connection.execute("PRAGMA journal_mode = WAL")
    with transaction(connection):
        # Another process may have done it while this one waited for the lock.
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        for migration in _MIGRATIONS[version:]:
            for statement in _statements(migration):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, one by one: `executescript` would commit the transaction around it."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """SQLite's and the system's failures as the project's own."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise explained(error, path) from error


def explained(error: Exception, path: Path) -> DocumentError | StorageError:
    """What a failure of the library at `path` means, and what to do."""
    text = str(error).lower()
    if "is full" in text or "no space" in text or (isinstance(error, OSError) and error.errno == errno.ENOSPC):
        return StorageError(
            f"the disk is full: {path} cannot grow; documents indexed before are kept",
            "free some space and run it again",
        )
    if "locked" in text or "busy" in text:
        return StorageError(
            f"the library {path} is being written by another program", "wait until that is done and run it again"
        )
    if "not a database" in text or "malformed" in text or "corrupt" in text:
        return DocumentError(
            f"the library {path} is damaged", f"move the folder {path.parent} away and add the documents again"
        )
    return StorageError(
        f"the library {path} cannot be used: {error}", "check the disk and the permissions of the folder"
    )
