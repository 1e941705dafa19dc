"""The Chroma folder of a library: brought into line with the record, rebuilt from it where it is lost, and queried.

Chroma holds nothing of its own: chunk ids and vectors come from SQLite. A stamp beside its files says which generation
of the record it holds; another process sees by it that it has to open the folder anew.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import threading
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fireside import atomic
from fireside.database import Database
from fireside.errors import StorageError
from fireside.interrupts import interrupts_held
from rag import store

if TYPE_CHECKING:
    from fireside.encoder import Vectors

_COLLECTION = "chunks"
# Chroma's guide to single-node performance: inserts gain nothing beyond batches of about 150 to 250.
_BATCH = 250
_LOCK_SECONDS = 120.0
_IMPORTING = threading.Lock()


class VectorIndex:
    """The vectors of one library in Chroma. Safe for several threads and processes: one uses it at a time."""

    def __init__(self, folder: Path) -> None:
        """The index inside the library's folder. Nothing is opened yet."""
        self._folder = folder / "chroma"
        self._stamp_file = self._folder / "stamp"
        self._lock_file = folder / "chroma.lock"
        self._lock = threading.Lock()
        self._system: Any = None
        self._collection: Any = None
        self._stamp = ""

    def nearest(self, database: Database, vector: Vectors, limit: int) -> list[int]:
        """Ids of the up to `limit` chunks nearest to `vector` (float32, shape (384,)) by cosine, nearest first.

        The folder is brought into line with the record first. Raises StorageError where that is not possible.
        """
        with self._locked():
            self._line_up(database)
            try:
                return self._query(vector, limit)
            except Exception:  # Chroma's own classes, and whatever its Rust side lets through
                self._rebuild(database)
                return self._query(vector, limit)

    def line_up(self, database: Database) -> None:
        """Bring the folder into line with the record. Raises StorageError."""
        with self._locked():
            self._line_up(database)

    def rebuild(self, database: Database) -> None:
        """Make the folder anew from the record; nothing is embedded. Raises StorageError."""
        with self._locked():
            self._rebuild(database)

    def close(self) -> None:
        """Let go of the folder, once no other thread uses it; the next use opens it again."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        system, self._system, self._collection, self._stamp = self._system, None, None, ""
        if system is not None:
            with contextlib.suppress(Exception):  # a folder that broke while open may fail to close, too
                system.stop()

    def _line_up(self, database: Database) -> None:
        try:
            self._open(database)
            if self._stamped_generation() != store.generation(database):
                generation, ids = store.generation_and_ids(database)
                self._match(database, ids)
                self._write_stamp(generation)
        except StorageError:
            raise
        except Exception as error:  # see `nearest`
            if _is_full(error):
                raise self._unusable(error) from error
            self._rebuild(database)

    def _open(self, database: Database) -> None:
        """Open the folder if it is not open or another process has changed it since; check that nothing is missing.

        Files that are not as they were stamped are thrown away unopened: Chroma reads a damaged HNSW file without a
        check, which may end the whole process.
        """
        stamp = self._read_stamp()
        if self._system is not None and stamp == self._stamp and stamp:
            return
        self._close()
        if stamp.split(" ")[1:2] != [_fingerprint(self._folder)]:
            shutil.rmtree(self._folder, ignore_errors=True)
            stamp = ""
        self._system, self._collection = _opened(self._folder)
        self._stamp = stamp
        if stamp and self._stamped_generation() == store.generation(database):
            _, ids = store.generation_and_ids(database)
            if self._collection.count() != len(ids):
                raise ValueError("Chroma does not hold the chunks of the record")

    def _match(self, database: Database, ids: Sequence[int]) -> None:
        """Delete what the record no longer has, add what is missing."""
        present = {int(name) for name in self._collection.get(include=[])["ids"]}
        wanted = set(ids)
        gone = sorted(present - wanted)
        for first in range(0, len(gone), _BATCH):
            self._collection.delete(ids=[str(chunk) for chunk in gone[first : first + _BATCH]])
        missing = sorted(wanted - present)
        for first in range(0, len(missing), _BATCH):
            vectors = store.vectors_of(database, missing[first : first + _BATCH])
            if vectors:
                self._collection.add(ids=[str(chunk) for chunk in vectors], embeddings=list(vectors.values()))

    def _rebuild(self, database: Database) -> None:
        try:
            self._close()
            shutil.rmtree(self._folder, ignore_errors=True)
            self._system, self._collection = _opened(self._folder)
            generation, ids = store.generation_and_ids(database)
            self._match(database, ids)
            self._write_stamp(generation)
        except StorageError:
            raise
        except Exception as error:  # see `nearest`
            raise self._unusable(error) from error

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
        """Keep out the other threads, then the other processes and the other indexes of this process at the folder."""
        import filelock

        lock = filelock.FileLock(self._lock_file, timeout=_LOCK_SECONDS)
        with self._lock:
            try:
                lock.acquire()
            except filelock.Timeout as error:
                raise StorageError(
                    f"another program has been working on {self._folder} for {_LOCK_SECONDS:.0f} seconds",
                    "wait until it is done and run it again",
                ) from error
            except OSError as error:
                raise self._unusable(error) from error
            try:
                yield
            finally:
                lock.release()

    def _unusable(self, error: Exception) -> StorageError:
        """What a failure of Chroma, or of the system under it, means: neither has more to tell by than the message."""
        if _is_full(error):
            return StorageError(
                f"the disk is full: {self._folder} cannot grow; the documents are kept",
                "free some space and run it again",
            )
        return StorageError(
            f"the vector index {self._folder} cannot be used: {error}",
            "check the disk and the permissions of the folder",
        )


def _fingerprint(folder: Path) -> str:
    """A checksum of the HNSW files, which Chroma writes only while it adds or deletes.

    Below some 1,000 vectors it keeps them in its SQLite file alone: HNSW files without `index_metadata.pickle` beside
    them are made anew, with whatever was in the memory, each time the folder is opened, and never read.
    """
    digest = 0
    for file in sorted(file for made in folder.glob("*/index_metadata.pickle") for file in made.parent.iterdir()):
        digest = zlib.crc32(str(file.relative_to(folder)).encode(), digest)
        with file.open("rb") as stream:
            while piece := stream.read(1 << 20):
                digest = zlib.crc32(piece, digest)
    return f"{digest:08x}"


def _opened(folder: Path) -> tuple[Any, Any]:
    """Chroma's system on the folder, and the collection; telemetry off, no embedding function, cosine space.

    `chromadb.PersistentClient` would share one system a path in the whole process, which does not see what another
    process has written since and which one user can stop under another. Here each index has its own.
    """
    with _dotenv_files_ignored(), interrupts_held():
        from chromadb.api import ServerAPI
        from chromadb.api.models.Collection import Collection
        from chromadb.config import Settings, System

    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    system = System(
        Settings(
            _env_file=None,
            is_persistent=True,
            persist_directory=str(folder),
            anonymized_telemetry=False,
            chroma_otel_collection_endpoint="",
        )
    )
    server = system.instance(ServerAPI)
    system.start()
    model = server.get_or_create_collection(_COLLECTION, configuration={"hnsw": {"space": "cosine"}})
    # Without an embedding function Chroma can neither download nor run a model.
    return system, Collection(client=server, model=model, embedding_function=None)


@contextlib.contextmanager
def _dotenv_files_ignored() -> Iterator[None]:
    """Chroma's import reads a file `.env` in the current folder, which is none of ours: one that came with somebody's
    documents could name another implementation or an address to report to."""
    from pydantic_settings import sources

    source: Any = sources.DotEnvSettingsSource
    with _IMPORTING:  # two threads that put back what they found could put back the other's
        read = source._read_env_files
        source._read_env_files = lambda self: {}
        try:
            yield
        finally:
            source._read_env_files = read


def _is_full(error: Exception) -> bool:
    text = str(error).lower()
    return "is full" in text or "no space" in text
