"""The record of a library in one SQLite file: documents, chunks, full text, and every vector ever needed again."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fireside.database import Database
from fireside.errors import StorageError
from fireside.interrupts import interrupts_held
from rag import stems
from rag.reader import blocks_from
from rag.schema import APPLICATION_ID, MIGRATIONS
from rag.types import Chunk, Document

if TYPE_CHECKING:
    from fireside.encoder import Vectors

# Longer than the usual: another process may be committing a document of many thousand chunks.
_BUSY_SECONDS = 30.0
# SQLite takes up to 32,766 parameters a statement (SQLITE_MAX_VARIABLE_NUMBER); far fewer are as fast.
_PARAMETERS = 500
_TEXTS = "SELECT rowid, context, body FROM full_text WHERE rowid IN ({})"

ENCODER = "encoder"
"""The setting with the id of the encoder that made the library's vectors (`rag.library` refuses another)."""

MIGRATING = "migrating"
"""The setting with the id of the encoder whose vectors are being made: they belong to no chunk before all are there."""

SERVER = "server"
"""The setting with the address of a Chroma server that holds the library's vectors instead of its folder."""

CONTEXT_WEIGHT = 0.5
"""What the full-text score counts a word of title and headings for, beside one of the body."""


@dataclass(frozen=True)
class Record:
    """What is known of an indexed file. `sha256` is of its bytes, `mtime` in seconds; `recipe` names the way it was cut
    and embedded, so that another setting or another encoder makes it new. `size` in bytes, or -1: see rag/known.py."""

    path: str
    title: str
    sha256: str
    size: int
    mtime: float
    recipe: str
    characters: int
    chunks: int
    tags: tuple[str, ...] = ()


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
    """The library at `path` as `connected` has it, closed at the end."""
    database = connected(path)
    try:
        yield database
    finally:
        database.close()


def connected(path: Path) -> Database:
    """The library at `path`, made if there is none and brought to the newest schema.

    Raises StorageError, as every use of it does, where it is full, locked, not writable, damaged or not a library.
    """
    return Database(
        path,
        application_id=APPLICATION_ID,
        migrations=MIGRATIONS,
        busy_seconds=_BUSY_SECONDS,
        # A document reported as indexed stays so through a power cut; commits are few, so it costs little.
        synchronous="FULL",
        # The whole folder: Chroma's files belong to this record and to no other.
        recovery=f"move the folder {path.parent} away and add the documents again",
    )


def put(
    database: Database,
    document: Document,
    chunks: Sequence[Chunk],
    contexts: Sequence[str],
    keys: Sequence[str],
    vectors: Sequence[Vectors],
    sha256: str,
    size: int,
    mtime: float,
    recipe: str,
    encoder_id: str,
) -> None:
    """Replace the document of this path by a new version, as one transaction. Raises StorageError.

    contexts: the line of title and headings indexed with each chunk. keys, vectors: one a chunk, float32 of shape
    (dimension,) each, made by the encoder of this id.
    """
    blocks = json.dumps([dataclasses.asdict(block) for block in document.blocks])
    counts = stems.counted([(context, chunk.text) for context, chunk in zip(contexts, chunks, strict=True)])
    with database.transaction() as connection:
        let_go = _delete(connection, [document.path])
        _refuse_another_encoder(connection, encoder_id)
        owner = connection.execute(
            "INSERT INTO documents (path, title, text, blocks, notes, sha256, size, mtime, recipe) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                document.path,
                document.title,
                document.text,
                blocks,
                json.dumps(document.notes),
                sha256,
                size,
                mtime,
                recipe,
            ),
        ).lastrowid
        for chunk, context, key, vector, count in zip(chunks, contexts, keys, vectors, counts, strict=True):
            connection.execute("INSERT OR IGNORE INTO vectors (key, vector) VALUES (?, ?)", (key, vector.tobytes()))
            row = connection.execute(
                "INSERT INTO chunks (document, start, stop, page, heading, embedding) "
                "VALUES (?, ?, ?, ?, ?, (SELECT id FROM vectors WHERE key = ?))",
                (owner, chunk.start, chunk.end, chunk.page, json.dumps(chunk.heading), key),
            ).lastrowid
            connection.execute(
                "INSERT INTO full_text (rowid, context, body) VALUES (?, ?, ?)", (row, context, chunk.text)
            )
            connection.execute("INSERT INTO stem_counts VALUES (?, ?)", (row, count))
        connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (ENCODER, encoder_id))
        _finish(connection, let_go)


def remove(database: Database, paths: Sequence[str]) -> None:
    """Take these documents out, with their chunks, full text, tags, and the vectors no other chunk needs; one
    transaction."""
    with database.transaction() as connection:
        connection.executemany("DELETE FROM tags WHERE path = ?", [(path,) for path in paths])
        _finish(connection, _delete(connection, paths))


def records(database: Database) -> list[Record]:
    """Every document, by path."""
    rows = database.read(
        "SELECT path, title, sha256, size, mtime, recipe, length(text), "
        "(SELECT count(*) FROM chunks WHERE document = documents.id) FROM documents ORDER BY path"
    )
    tags: dict[str, list[str]] = {}
    for path, tag in database.read("SELECT path, tag FROM tags ORDER BY path, tag"):
        tags.setdefault(path, []).append(tag)
    return [dataclasses.replace(Record(*row), tags=tuple(tags.get(row["path"], ()))) for row in rows]


def tag(database: Database, paths: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> None:
    """Give these documents the tags in `add` and take those in `remove` from them; one transaction."""
    with database.transaction() as connection:
        connection.executemany(
            "DELETE FROM tags WHERE path = ? AND tag = ?", [(path, name) for path in paths for name in remove]
        )
        connection.executemany(
            "INSERT OR IGNORE INTO tags VALUES (?, ?)", [(path, name) for path in paths for name in add]
        )


def setting(database: Database, name: str) -> str | None:
    """A setting of this library (ENCODER, SERVER ...), None where it is not set."""
    for (value,) in database.read("SELECT value FROM settings WHERE name = ?", (name,)):
        return str(value)
    return None


def library_id(database: Database) -> str:
    """What tells this library from every other, on a server that many use; drawn at the first call."""
    if known := setting(database, "id"):
        return known
    with database.transaction() as connection:
        connection.execute("INSERT OR IGNORE INTO settings VALUES ('id', lower(hex(randomblob(8))))")
    return str(setting(database, "id"))


def set_setting(database: Database, name: str, value: str | None) -> None:
    """Set a setting of this library; None takes it out."""
    with database.transaction() as connection:
        connection.execute("DELETE FROM settings WHERE name = ?", (name,))
        if value is not None:
            connection.execute("INSERT INTO settings VALUES (?, ?)", (name, value))


def document(database: Database, path: str) -> Document | None:
    """A document with its text and blocks, or None."""
    for title, text, blocks, notes in database.read(
        "SELECT title, text, blocks, notes FROM documents WHERE path = ?", (path,)
    ):
        return Document(path, title, text, blocks_from(json.loads(blocks)), tuple(json.loads(notes)))
    return None


def chunks_of(database: Database, path: str) -> list[Chunk]:
    """The chunks of a document, in order; none where it is not there."""
    # SQLite's substr counts characters from 1.
    rows = database.read(
        "SELECT start, stop, substr(text, start + 1, stop - start), page, heading "
        "FROM chunks JOIN documents ON documents.id = chunks.document WHERE path = ? ORDER BY start, chunks.id",
        (path,),
    )
    return [Chunk(start, end, text, page, tuple(json.loads(heading))) for start, end, text, page, heading in rows]


def cached_vectors(database: Database, keys: Iterable[str]) -> dict[str, Vectors]:
    """The vectors already known under these keys, each float32 of shape (dimension,)."""
    with interrupts_held():
        import numpy as np

    rows = _by_parameters(database, "SELECT key, vector FROM vectors WHERE key IN ({})", list(dict.fromkeys(keys)))
    return {key: np.frombuffer(blob, dtype=np.float32) for key, blob in rows}


def keys_there(database: Database, keys: Iterable[str]) -> set[str]:
    """Those of `keys` whose vectors are known."""
    rows = _by_parameters(database, "SELECT key FROM vectors WHERE key IN ({})", list(dict.fromkeys(keys)))
    return {key for (key,) in rows}


def vectors_of(database: Database, chunk_ids: Sequence[int]) -> dict[int, Vectors]:
    """The vectors of these chunks, each float32 of shape (dimension,)."""
    with interrupts_held():
        import numpy as np

    query = (
        "SELECT chunks.id, vectors.vector FROM chunks JOIN vectors ON vectors.id = chunks.embedding "
        "WHERE chunks.id IN ({})"
    )
    return {row: np.frombuffer(blob, dtype=np.float32) for row, blob in _by_parameters(database, query, chunk_ids)}


def stem_counts(database: Database, chunk_ids: Iterable[int]) -> dict[int, bytes]:
    """How often each stem occurs in each of these chunks (`rag.stems.entries`); one that is gone is left out."""
    ids = [int(chunk) for chunk in chunk_ids]
    rows = _by_parameters(
        database, "SELECT chunk, counts FROM stem_counts WHERE chunk IN ({}) AND counts IS NOT NULL", ids
    )
    found = dict(map(tuple, rows))
    if uncounted := [chunk for chunk in ids if chunk not in found]:
        texts = list(_by_parameters(database, _TEXTS, uncounted))
        counts = stems.counted([(context, body) for _, context, body in texts])
        found |= {chunk: count for (chunk, _, _), count in zip(texts, counts, strict=True)}
    return found


def count_stems(database: Database) -> None:
    """Count the stems of the chunks that came before these counts were kept, some hundred a transaction."""
    # An older Fireside that has the library open adds chunks without so much as a place for them.
    missing = "SELECT id FROM chunks LEFT JOIN stem_counts ON chunk = id WHERE counts IS NULL LIMIT ?"
    while rows := database.read(missing, (_PARAMETERS,)):
        counts = stem_counts(database, [chunk for (chunk,) in rows])
        with database.transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO stem_counts (chunk, counts) SELECT id, ? FROM chunks WHERE id = ?",
                [(counts.get(chunk, b""), chunk) for (chunk,) in rows],
            )


def stored_chunks(database: Database, chunk_ids: Sequence[int]) -> dict[int, StoredChunk]:
    """These chunks, by id; one that is gone is left out."""
    query = (
        "SELECT chunks.id, path, title, start, stop, body, page, heading "
        "FROM chunks JOIN documents ON documents.id = chunks.document JOIN full_text ON full_text.rowid = chunks.id "
        "WHERE chunks.id IN ({})"
    )
    rows = _by_parameters(database, query, chunk_ids)
    return {
        row: StoredChunk(row, path, title, start, end, text, page, tuple(json.loads(heading)))
        for row, path, title, start, end, text, page, heading in rows
    }


def chunks(database: Database, path: str) -> list[Chunk]:
    """The chunks of a document, in order."""
    rows = database.read(
        "SELECT start, stop, body, page, heading FROM chunks JOIN full_text ON full_text.rowid = chunks.id "
        "WHERE document = (SELECT id FROM documents WHERE path = ?) ORDER BY start, chunks.id",
        (path,),
    )
    return [Chunk(start, end, text, page, tuple(json.loads(heading))) for start, end, text, page, heading in rows]


def texts_after(database: Database, chunk: int, limit: int) -> list[tuple[int, str, str]]:
    """Id, line of title and headings, and text of up to `limit` chunks with ids above `chunk`, by id."""
    return [
        tuple(row)
        for row in database.read(
            "SELECT rowid, context, body FROM full_text WHERE rowid > ? ORDER BY rowid LIMIT ?", (chunk, limit)
        )
    ]


def cache_vectors(database: Database, vectors: Mapping[str, Vectors]) -> None:
    """Keep these vectors, float32 of shape (dimension,), by their keys; no chunk has them yet. One transaction."""
    with database.transaction() as connection:
        connection.executemany(
            "INSERT OR IGNORE INTO vectors (key, vector) VALUES (?, ?)",
            [(key, vector.tobytes()) for key, vector in vectors.items()],
        )


def generation_and_ids(database: Database) -> tuple[int, list[int]]:
    """The number that moves with every change, and the ids of all chunks, both of one moment."""
    # One statement sees one moment; the join gives a row even where there is no chunk.
    rows = database.read("SELECT generation, chunks.id FROM state LEFT JOIN chunks ON true ORDER BY chunks.id")
    return rows[0][0], [chunk for _, chunk in rows if chunk is not None]


def generation_and_count(database: Database) -> tuple[int, int]:
    """The number that moves with every change, and how many chunks there are, both of one moment."""
    ((generation, count),) = database.read("SELECT generation, (SELECT count(*) FROM chunks) FROM state")
    return int(generation), int(count)


def count_chunks(database: Database) -> int:
    """How many chunks there are."""
    ((count,),) = database.read("SELECT count(*) FROM chunks")
    return int(count)


def generation(database: Database) -> int:
    """The number that moves with every change of the chunks."""
    ((number,),) = database.read("SELECT generation FROM state")
    return int(number)


def _delete(connection: sqlite3.Connection, paths: Sequence[str]) -> set[int]:
    """Take these documents out with their chunks and full text; return the ids of the vectors their chunks had."""
    vectors: set[int] = set()
    for path in paths:
        chunks = connection.execute(
            "SELECT chunks.id, embedding FROM chunks JOIN documents ON documents.id = chunks.document WHERE path = ?",
            (path,),
        ).fetchall()
        connection.executemany("DELETE FROM full_text WHERE rowid = ?", [(chunk,) for chunk, _ in chunks])
        connection.execute("DELETE FROM documents WHERE path = ?", (path,))
        vectors.update(vector for _, vector in chunks)
    return vectors


def _refuse_another_encoder(connection: sqlite3.Connection, encoder_id: str) -> None:
    """Raises StorageError where vectors of another encoder are there: another process has changed it meanwhile."""
    row = connection.execute(
        "SELECT value FROM settings WHERE name = ? AND value != ? AND EXISTS (SELECT 1 FROM chunks)",
        (ENCODER, encoder_id),
    ).fetchone()
    if row:
        raise StorageError(
            f"the library's vectors are now those of {row[0]}: one of {encoder_id} cannot be added", "open it again"
        )


def _finish(connection: sqlite3.Connection, let_go: set[int]) -> None:
    """What ends every change: of the vectors `let_go`, those that no chunk uses go, and the generation moves."""
    connection.executemany(
        "DELETE FROM vectors WHERE id = ? AND NOT EXISTS (SELECT 1 FROM chunks WHERE embedding = vectors.id)",
        [(vector,) for vector in let_go],
    )
    connection.execute("UPDATE state SET generation = generation + 1")


def _by_parameters(database: Database, query: str, values: Sequence[object]) -> Iterator[sqlite3.Row]:
    """The rows of a query with one IN list, for any number of values."""
    for first in range(0, len(values), _PARAMETERS):
        part = values[first : first + _PARAMETERS]
        yield from database.read(query.format(",".join("?" * len(part))), part)
