"""A library's vectors in Chroma: brought into line with the record, rebuilt from it where they are lost, and queried.

Chroma holds nothing of its own: chunk ids and vectors come from SQLite. A stamp says which generation of the record it
holds; another process sees by it that it has to open Chroma anew. Each encoder has a collection of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fireside import atomic
from fireside.database import Database
from fireside.errors import StorageError
from rag import store
from rag.chroma import Folder, Opened, Server

if TYPE_CHECKING:
    from fireside.encoder import Vectors

# Chroma's guide to single-node performance: inserts gain nothing beyond batches of about 150 to 250.
_BATCH = 250
_LOCK_SECONDS = 120.0
_MIGRATION_LOCK_SECONDS = 1.0


class Moved(Exception):
    """Chroma is not at the asked generation of the record, or does not answer: bring it into line."""


class _Incomplete(Exception):
    """Chroma does not hold what its stamp says."""


class VectorIndex:
    """The vectors of one library in Chroma. Safe for several threads and processes: one uses it at a time."""

    def __init__(self, folder: Path) -> None:
        """The index inside the library's folder. Nothing is opened yet."""
        self._folder = folder
        self._lock_file = folder / "chroma.lock"
        self._migration_lock = folder / "migration.lock"
        self._lock = threading.Lock()
        self._opened: Opened | None = None
        self._place: Folder | Server | None = None
        self._stamp = ""
        self._held: int | None = None
        self._failed: Exception | None = None

    def query(self, vector: Vectors, limit: int, generation: int | None) -> list[int]:
        """As `nearest`, of Chroma as it is open here, which has to be at this generation of the record.

        generation: any, where it is None. Raises Moved where `line_up` has to come first; StorageError.
        """
        with self._locked():
            if self._opened is None or self._place is None:
                raise Moved
            if generation is not None and (
                generation != self._stamped_generation() or _read(self._place.stamp_file) != self._stamp
            ):
                raise Moved
            try:
                return self._query(vector, limit)
            except Exception as error:  # see `nearest`
                self._failed = error
                raise Moved from error

    def nearest(self, database: Database, vector: Vectors, limit: int) -> list[int]:
        """Ids of the up to `limit` chunks nearest to `vector` (float32, shape (dimension,)) by cosine, nearest first.

        The folder is brought into line with the record first. Raises StorageError where that is not possible.
        """
        with self._locked():
            self._line_up(database)
            try:
                return self._query(vector, limit)
            except Exception as error:  # Chroma's own classes, and whatever its Rust side lets through
                self._recover(database, error)
                return self._query(vector, limit)

    def line_up(self, database: Database) -> None:
        """Bring the folder into line with the record. Raises StorageError."""
        with self._locked():
            self._line_up(database)

    def rebuild(self, database: Database) -> None:
        """Make the index anew from the record; nothing is embedded. Raises StorageError."""
        with self._locked():
            self._rebuild(database)

    def difference(self, database: Database) -> str:
        """What the folder, as it lies there, lacks of the record or has too much; empty where it is in line.

        Nothing is brought into line by this. Raises StorageError where the record cannot be read.
        """
        with self._locked():
            self._close()
            generation, ids = store.generation_and_ids(database)
            place = self.place(database)
            stamp = _read(place.stamp_file)
            if not stamp:
                return "it is not there, or was not finished" if ids else ""
            if isinstance(place, Folder) and place.fingerprint(None) != _fingerprint(stamp):
                return "its files are not as they were written"
            try:
                self._opened = place.opened(_fingerprint(stamp))
                present = {int(name) for name in self._collection.get(include=[])["ids"]}
            except Exception as error:  # see `nearest`
                return f"it cannot be opened: {error}"
            finally:
                self._close()
            lacking, surplus = len(set(ids) - present), len(present - set(ids))
            if stamp.split(" ")[0] == str(generation) and (lacking or surplus):
                return f"it lacks {lacking:,} chunks and has {surplus:,} too many"
            return ""

    @contextlib.contextmanager
    def migrating(self) -> Iterator[None]:
        """Keep out every other migration, of this process or another. Raises StorageError where one is under way."""
        refused = StorageError(
            f"another program is embedding the library {self._folder.name!r} anew",
            "wait until it is done, then run it again where it is still needed",
        )
        # It is held for a moment, too, where what a killed migration has left is cleared away.
        with self._held_alone(self._migration_lock, _MIGRATION_LOCK_SECONDS, refused):
            yield

    def fill_beforehand(self, database: Database, encoder_id: str, keys: Mapping[int, str]) -> None:
        """Fill the collection of an encoder that the library does not have yet, while the present one goes on serving.

        To be called inside `migrating`. keys: by chunk id, those of the vectors cached for it. The index is then there
        as soon as the library has that encoder; what has been added and removed since follows at the first use. Raises
        StorageError.
        """
        place = self.place(database, encoder_id)
        if isinstance(place, Folder):
            place = place.beforehand
        try:
            opened = place.opened("")
            try:
                _match(opened.collection, list(keys), partial(_cached, database, keys))
                if isinstance(place, Folder):
                    atomic.write_text(place.stamp_file, _stamp(-1, place, opened.collection))
            finally:
                opened.close()
        except StorageError:
            raise
        except Exception as error:  # see `nearest`
            raise place.failed(error) if isinstance(place, Server) else self._unusable(error) from error

    def place(self, database: Database, encoder_id: str | None = None) -> Folder | Server:
        """Where the vectors belong now, by the library's settings: each encoder has a collection of its own.

        encoder_id: another encoder than the library's.
        """
        encoder_id = encoder_id or store.setting(database, store.ENCODER) or ""
        encoder = hashlib.sha256(encoder_id.encode()).hexdigest()[:12]
        address = store.setting(database, store.SERVER)
        if address is None:
            return Folder(self._folder / "chroma", f"chunks-{encoder}")
        return Server(address, f"fireside-{store.library_id(database)}-{encoder}", self._folder / "chroma.server")

    def close(self) -> None:
        """Let go of the folder, once no other thread uses it; the next use opens it again."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
        self._opened, self._stamp, self._held = None, "", None

    def _line_up(self, database: Database) -> None:
        failed, self._failed = self._failed, None
        try:
            if failed and self._opened is not None:
                raise failed
            self._open(database)
            if self._stamped_generation() != store.generation(database):
                generation, ids = store.generation_and_ids(database)
                self._match(database, ids)
                self._write_stamp(generation)
        except StorageError:
            raise
        except Exception as error:  # see `nearest`
            self._recover(database, error)

    def _recover(self, database: Database, error: Exception) -> None:
        """Make the index anew if that can help: not on a full disk, nor on a server that does not answer."""
        from chromadb.errors import NotFoundError

        if _is_full(error):
            raise self._unusable(error) from error
        if isinstance(self._place, Server) and not isinstance(error, NotFoundError | _Incomplete):
            raise self._place.failed(error) from error
        self._rebuild(database)

    def _open(self, database: Database) -> None:
        """Open Chroma if it is not open or another process has changed it since; check that nothing is missing."""
        place = self.place(database)
        stamp = _read(place.stamp_file)
        if self._opened is not None and place == self._place and stamp == self._stamp and stamp:
            return
        self._close()
        self._place = place
        if isinstance(place, Folder):
            if place.take_beforehand():
                stamp = _read(place.stamp_file)
            elif place.beforehand.path.exists():
                self._clear_leftovers(place.beforehand)
        self._opened = place.opened(_fingerprint(stamp))
        self._stamp = stamp if self._opened.intact else ""
        generation, count = store.generation_and_count(database)
        if self._stamp and self._stamped_generation() == generation and self._collection.count() != count:
            raise _Incomplete("Chroma does not hold the chunks of the record")

    def _clear_leftovers(self, beforehand: Folder) -> None:
        """Throw away what a killed migration was filling; one that goes on with its work fills it anew."""
        import filelock

        with contextlib.suppress(filelock.Timeout, OSError), filelock.FileLock(self._migration_lock, timeout=0):
            beforehand.clear()

    def _match(self, database: Database, ids: Sequence[int]) -> None:
        """Delete what the record no longer has, add what is missing."""
        self._held = None
        _match(self._collection, ids, partial(store.vectors_of, database))

    def _rebuild(self, database: Database) -> None:
        try:
            self._close()
            self._place = self.place(database)
            self._place.clear()
            self._opened = self._place.opened("")
            generation, ids = store.generation_and_ids(database)
            self._match(database, ids)
            self._write_stamp(generation)
        except StorageError:
            raise
        except Exception as error:  # see `nearest`
            raise self._unusable(error) from error

    def _query(self, vector: Vectors, limit: int) -> list[int]:
        if self._held is None:
            self._held = self._collection.count()  # Chroma counts row by row
        limit = min(limit, self._held)
        if limit == 0:
            return []
        found = self._collection.query(query_embeddings=[vector], n_results=limit, include=[])
        return [int(name) for name in found["ids"][0]]

    def _write_stamp(self, generation: int) -> None:
        assert self._place is not None
        self._stamp = _stamp(generation, self._place, self._collection)
        atomic.write_text(self._place.stamp_file, self._stamp)

    @property
    def _collection(self) -> Any:
        assert self._opened is not None
        return self._opened.collection

    def _stamped_generation(self) -> int | None:
        number = self._stamp.split(" ")[0]
        return int(number) if number.isdecimal() else None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep out the other threads, then the other processes and the other indexes of this process at the folder."""
        refused = StorageError(
            f"another program has been working on {self._folder} for {_LOCK_SECONDS:.0f} seconds",
            "wait until it is done and run it again",
        )
        with self._lock, self._held_alone(self._lock_file, _LOCK_SECONDS, refused):
            yield

    @contextlib.contextmanager
    def _held_alone(self, file: Path, seconds: float, refused: StorageError) -> Iterator[None]:
        """Hold the lock `file`, for which `seconds` are waited; raises `refused` where it does not come free."""
        import filelock

        lock = filelock.FileLock(file, timeout=seconds)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise refused from error
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


def _match(collection: Any, ids: Sequence[int], vectors_of: Callable[[list[int]], Mapping[int, Vectors]]) -> None:
    """Delete from the collection what is not of these chunks, add those that are missing."""
    present = {int(name) for name in collection.get(include=[])["ids"]}
    wanted = set(ids)
    gone = sorted(present - wanted)
    for first in range(0, len(gone), _BATCH):
        collection.delete(ids=[str(chunk) for chunk in gone[first : first + _BATCH]])
    missing = sorted(wanted - present)
    for first in range(0, len(missing), _BATCH):
        vectors = vectors_of(missing[first : first + _BATCH])
        if vectors:
            collection.add(ids=[str(chunk) for chunk in vectors], embeddings=list(vectors.values()))


def _cached(database: Database, keys: Mapping[int, str], chunks: list[int]) -> dict[int, Vectors]:
    """The vectors cached for these chunks, those that are there."""
    known = store.cached_vectors(database, [keys[chunk] for chunk in chunks])
    return {chunk: known[keys[chunk]] for chunk in chunks if keys[chunk] in known}


def _stamp(generation: int, place: Folder | Server, collection: Any) -> str:
    """The random part tells two rebuilds of one generation apart."""
    return f"{generation} {place.fingerprint(collection)} {secrets.token_hex(8)}"


def _read(stamp_file: Path) -> str:
    try:
        return stamp_file.read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return ""


def _fingerprint(stamp: str) -> str:
    """The fingerprint in a stamp, empty where there is none."""
    return (stamp.split(" ")[1:2] or [""])[0]


def _is_full(error: Exception) -> bool:
    text = str(error).lower()
    return "is full" in text or "no space" in text
