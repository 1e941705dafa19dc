"""The Chroma folder of a library: brought into line with the record, rebuilt from it where it is lost, and queried.

Chroma holds nothing of its own: chunk ids and vectors come from SQLite. A stamp beside its files says which generation
of the record it holds; another process sees by it that it has to open the folder anew.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fireside import atomic
from fireside.errors import StorageError
from rag import store

if TYPE_CHECKING:
    from fireside.encoder import Vectors

_COLLECTION = "chunks"
# Chroma's guide to single-node performance: inserts gain nothing beyond batches of about 150 to 250.
_BATCH = 250
_LOCK_SECONDS = 120.0


class VectorIndex:
    """The vectors of one library in Chroma. Safe for several threads and processes: one uses it at a time."""

    def __init__(self, folder: Path) -> None:
        """The index inside the library's folder. Nothing is opened yet."""
        self._folder = folder / "chroma"
        self._stamp_file = self._folder / "stamp"
        self._lock_file = folder / "chroma.lock"
        self._client: Any = None
        self._collection: Any = None
        self._stamp = ""

    def nearest(self, connection: sqlite3.Connection, vector: Vectors, limit: int) -> list[int]:
        """Ids of the up to `limit` chunks nearest to `vector` (float32, shape (384,)) by cosine, nearest first.

        The folder is brought into line with the record first. Raises StorageError where that is not possible.
        """
        with self._locked():
            self._line_up(connection)
            try:
                return self._query(vector, limit)
            except Exception:  # Chroma's own classes, and whatever its Rust side lets through
                self._rebuild(connection)
                return self._query(vector, limit)

    def line_up(self, connection: sqlite3.Connection) -> None:
        """Bring the folder into line with the record. Raises StorageError."""
        with self._locked():
            self._line_up(connection)

    def rebuild(self, connection: sqlite3.Connection) -> None:
        """Make the folder anew from the record; nothing is embedded. Raises StorageError."""
        with self._locked():
            self._rebuild(connection)

    def close(self) -> None:
        """Let go of the folder; the next use opens it again."""
        if self._client is None:
            return
        client, self._client, self._collection, self._stamp = self._client, None, None, ""
        from chromadb.api.shared_system_client import SharedSystemClient

        with contextlib.suppress(Exception):  # a folder that broke while open may fail to close, too
            client.close()
        # Chroma keeps one system a path alive for the whole process; a client made on it would not see what another
        # process wrote.
        SharedSystemClient.clear_system_cache()

    def _line_up(self, connection: sqlite3.Connection) -> None:
        try:
            self._open(connection)
            if self._stamped_generation() != store.generation(connection):
                generation, ids = store.generation_and_ids(connection)
                self._match(connection, ids)
                self._write_stamp(generation)
        except StorageError:
            raise
        except Exception as error:  # see `nearest`
            if _is_full(error):
                raise store.explained(error, self._folder) from error
            self._rebuild(connection)

    def _open(self, connection: sqlite3.Connection) -> None:
        """Open the folder if it is not open or another process has changed it since; check that nothing is missing.

        Files that are not as they were stamped are thrown away unopened: Chroma reads a damaged HNSW file without a
        check, which may end the whole process.
        """
        stamp = self._read_stamp()
        if self._client is not None and stamp == self._stamp and stamp:
            return
        self.close()
        if stamp.split(" ")[1:2] != [_fingerprint(self._folder)]:
            shutil.rmtree(self._folder, ignore_errors=True)
            stamp = ""
        self._client, self._collection = _opened(self._folder)
        self._stamp = stamp
        if stamp and self._stamped_generation() == store.generation(connection):
            _, ids = store.generation_and_ids(connection)
            if self._collection.count() != len(ids):
                raise ValueError("Chroma does not hold the chunks of the record")

    def _match(self, connection: sqlite3.Connection, ids: Sequence[int]) -> None:
        """Delete what the record no longer has, add what is missing."""
        present = {int(name) for name in self._collection.get(include=[])["ids"]}
        wanted = set(ids)
        gone = sorted(present - wanted)
        for first in range(0, len(gone), _BATCH):
            self._collection.delete(ids=[str(chunk) for chunk in gone[first : first + _BATCH]])
        missing = sorted(wanted - present)
        for first in range(0, len(missing), _BATCH):
            vectors = store.vectors_of(connection, missing[first : first + _BATCH])
            if vectors:
                self._collection.add(ids=[str(chunk) for chunk in vectors], embeddings=list(vectors.values()))

    def _rebuild(self, connection: sqlite3.Connection) -> None:
        try:
            self.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            self._client, self._collection = _opened(self._folder)
            generation, ids = store.generation_and_ids(connection)
            self._match(connection, ids)
            self._write_stamp(generation)
        except Exception as error:  # see `nearest`
            raise store.explained(error, self._folder) from error

    def _query(self, vector: Vectors, limit: int) -> list[int]:
        limit = min(limit, self._collection.count())
        if limit == 0:
            return []
        found = self._collection.query(query_embeddings=[vector], n_results=limit, include=[])
        return [int(name) for name in found["ids"][0]]

    def _read_stamp(self) -> str:
        try:
            return self._stamp_file.read_text("ascii")
        except (OSError, UnicodeDecodeError):
            return ""

    def _write_stamp(self, generation: int) -> None:
        # The random part tells two rebuilds of one generation apart.
        self._stamp = f"{generation} {_fingerprint(self._folder)} {secrets.token_hex(8)}"
        atomic.write_text(self._stamp_file, self._stamp)

    def _stamped_generation(self) -> int | None:
        number = self._stamp.split(" ")[0]
        return int(number) if number.isdecimal() else None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        import filelock

        try:
            with filelock.FileLock(self._lock_file, timeout=_LOCK_SECONDS):
                yield
        except filelock.Timeout as error:
            raise StorageError(
                f"another program has been working on {self._folder} for {_LOCK_SECONDS:.0f} seconds",
                "wait until it is done and run it again",
            ) from error
        except PermissionError as error:
            raise store.explained(error, self._folder) from error


def _fingerprint(folder: Path) -> str:
    """A checksum of the HNSW files, which Chroma writes only while it adds or deletes."""
    digest = 0
    for file in sorted(folder.glob("*/*")):
        digest = zlib.crc32(str(file.relative_to(folder)).encode(), digest)
        with file.open("rb") as stream:
            while piece := stream.read(1 << 20):
                digest = zlib.crc32(piece, digest)
    return f"{digest:08x}"


def _opened(folder: Path) -> tuple[Any, Any]:
    """Chroma's client and the collection; telemetry off, no embedding function, cosine space."""
    chromadb = _imported()
    from chromadb.api.shared_system_client import SharedSystemClient
    from chromadb.config import Settings

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        settings = Settings(_env_file=None, anonymized_telemetry=False, chroma_otel_collection_endpoint="")
        client = chromadb.PersistentClient(str(folder), settings=settings)
        # Without an embedding function Chroma can neither download nor run a model.
        collection = client.get_or_create_collection(
            _COLLECTION, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
        )
    except BaseException:
        # A system that failed to start stays in the cache and would fail the next attempt, too.
        SharedSystemClient.clear_system_cache()
        raise
    return client, collection


def _imported() -> Any:
    """The chromadb module. Its import reads a file `.env` in the current folder, which is none of ours: one that came
    with somebody's documents could name another implementation or an address to report to."""
    from unittest import mock

    from pydantic_settings.sources import DotEnvSettingsSource

    with mock.patch.object(DotEnvSettingsSource, "_read_env_files", return_value={}):
        import chromadb

        return chromadb


def _is_full(error: Exception) -> bool:
    text = str(error).lower()
    return "is full" in text or "no space" in text
