"""One SQLite file: opened, migrated, locked between threads, and its failures told in the person's words.

SQLite is used through `sqlite3` with explicit transactions. The journal is a write-ahead log: what a finished
transaction wrote survives the death of the process at any moment. With `synchronous=NORMAL` a power cut can take the
last of them, never the file's consistency; with `FULL` not even those (https://www.sqlite.org/wal.html).
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from fireside import paths
from fireside.errors import StorageError

Migration = tuple[str, ...]
"""The SQL statements that lead from one version of a schema to the next."""

_BUSY_SECONDS = 2.0
_SMALLEST_PAGE = 512  # bytes; https://www.sqlite.org/fileformat.html


class Database:
    """An open SQLite file with its schema up to date.

    Any thread may call any method: a lock lets one in at a time, and each call is a few milliseconds. Several processes
    may have the file open; a writer waits up to `busy_seconds` for another. It must not be used across `fork`.
    """

    def __init__(
        self,
        path: Path,
        *,
        application_id: int,
        migrations: Sequence[Migration],
        busy_seconds: float = _BUSY_SECONDS,
        synchronous: Literal["NORMAL", "FULL"] = "NORMAL",
        recovery: str | None = None,
    ) -> None:
        """Open or create `path`. `application_id` marks the file as ours; `len(migrations)` is the schema's version.

        recovery: what the person can do where the file is damaged or not ours, if not the usual.
        Raises StorageError where the file is locked, full, not writable, damaged, of another program or written by a
        newer Fireside. The file's content is not touched in any of these cases.
        """
        self.path = path
        self._busy_seconds = busy_seconds
        self._recovery = recovery
        self._lock = threading.RLock()
        paths.ensure_folder(path.parent)
        self._refuse_a_stump()
        with self._explaining():
            self._connection = sqlite3.connect(
                path, timeout=busy_seconds, isolation_level=None, check_same_thread=False, cached_statements=64
            )
        try:
            with self._explaining():
                self._prepare(application_id, migrations, synchronous)
        except BaseException:
            self._connection.close()
            raise

    def read(self, sql: str, parameters: Sequence[object] = ()) -> list[sqlite3.Row]:
        """All rows of one SELECT. Raises StorageError."""
        with self._lock, self._explaining():
            return self._connection.execute(sql, parameters).fetchall()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Every `read` inside sees the file as it was at the first of them, whatever other processes commit meanwhile.

        Other threads wait. A transaction inside is refused. Raises StorageError.
        """
        with self._lock, self._explaining():
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                if self._connection.in_transaction:  # damage may have ended it
                    self._connection.execute("ROLLBACK")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Everything executed on the yielded connection is saved together at the end, or not at all if anything raises.

        Raises StorageError.
        """
        with self._lock, self._explaining():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # A full disk makes SQLite roll back by itself; a second ROLLBACK would hide the first error.
                if self._connection.in_transaction:
                    with contextlib.suppress(sqlite3.Error):
                        self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the file. Calling it again does nothing; every other call then raises StorageError."""
        with self._lock:
            self._connection.close()

    def _prepare(self, application_id: int, migrations: Sequence[Migration], synchronous: str) -> None:
        """Check whose file it is before the first write, then set it up and migrate it."""
        connection = self._connection
        connection.row_factory = sqlite3.Row
        version = self._checked_version(application_id, len(migrations))
        self._use_write_ahead_log()
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")
        if version == len(migrations):
            return
        with self.transaction():
            # Another process may have migrated it while this one waited for the lock.
            version = self._checked_version(application_id, len(migrations))
            for migration in migrations[version:]:
                for statement in migration:
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id={application_id}")
            connection.execute(f"PRAGMA user_version={len(migrations)}")

    def _checked_version(self, application_id: int, newest: int) -> int:
        """The schema's version in the file, 0 for a new one. Raises StorageError for a file that must be left alone."""
        connection = self._connection
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        owner = int(connection.execute("PRAGMA application_id").fetchone()[0])
        tables = int(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
        if owner != application_id and (tables or owner or version):
            raise StorageError(
                f"{self.path} is a database, but not of this kind: it is left as it is",
                self._recovery or "move the file away, or set FIRESIDE_HOME to another folder",
            )
        if version > newest:
            raise StorageError(
                f"{self.path} was written by a newer Fireside (its version is {version}, this one knows {newest})",
                "update Fireside, or set FIRESIDE_HOME to another folder",
            )
        return version

    def _use_write_ahead_log(self) -> None:
        """Switch the journal, which SQLite refuses at once, without its usual waiting, while another process looks."""
        deadline = time.monotonic() + self._busy_seconds
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if _primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """Turn every sqlite3 error into a StorageError that says what to do."""
        try:
            yield
        except sqlite3.Error as error:
            if _primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                raise self._damaged() from error
            message, hint = _explained(error)
            raise StorageError(f"{self.path}: {message}", hint) from error

    def _damaged(self) -> StorageError:
        return StorageError(
            f"{self.path}: the file is damaged or not a database; it is left as it is",
            self._recovery
            or "restore it from a backup, or move it away to begin anew (`sqlite3 FILE .recover` saves what it can)",
        )

    def _refuse_a_stump(self) -> None:
        """SQLite takes a file too short to be a database for an empty one, and would write over it.

        The file is not opened for that: to close it again would take the locks away from every connection this process
        has to it, and the next process to close it would then take the log from under them
        (https://www.sqlite.org/howtocorrupt.html, section 2.2).
        """
        with contextlib.suppress(OSError):  # there is no file yet, or SQLite's own message tells what is wrong with it
            if 0 < self.path.stat().st_size < _SMALLEST_PAGE:
                raise self._damaged()


def storable(text: str) -> str:
    """`text` with lone surrogates, which UTF-8 cannot hold, replaced by question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code (https://www.sqlite.org/rescode.html), -1 where the error has none."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return -1 if code is None else code & 0xFF


def _explained(error: sqlite3.Error) -> tuple[str, str | None]:
    """What an SQLite failure other than damage means, and what to do about it."""
    match _primary_code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "another program keeps the file locked", "close other programs that use it, then try again"
        case sqlite3.SQLITE_FULL:
            return "the disk is full; nothing was saved by this step", "free some space, then try again"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return "the file cannot be written", "fix its permissions, or set FIRESIDE_HOME to another folder"
        case sqlite3.SQLITE_CANTOPEN:
            return "the file cannot be opened", "check that it is a file and its permissions"
        case sqlite3.SQLITE_IOERR:
            return "the disk reported an error; nothing was saved by this step", "check the disk and its free space"
        case _:
            return f"the database refused a step: {error}", None
