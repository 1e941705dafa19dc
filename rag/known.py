"""Tells whether a file may have changed since it was indexed, by size and time first and by content where in doubt."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fireside.database import Database
from rag.loaders.formats import read_bytes

UNSURE = -1
"""The size of a file whose times prove nothing."""

# A file written twice within one tick of its file system's clock keeps its time: FAT's ticks are 2 s, those of others
# are milliseconds. (git calls such files "racily clean", https://git-scm.com/docs/racy-git.)
_TICK_SECONDS = 2.0


@dataclass(frozen=True)
class Known:
    """The version of a file that is indexed: hash and size of its bytes, its time in seconds, and how it was cut."""

    sha256: str
    size: int
    mtime: float
    recipe: str


@dataclass(frozen=True)
class State:
    """A file as it lies there: size in bytes, time of its last change in seconds, and whether another change must have
    moved one of them."""

    size: int
    mtime: float
    sure: bool


def known_files(database: Database) -> dict[str, Known]:
    """What is indexed, by path. Raises StorageError."""
    rows = database.read("SELECT path, sha256, size, mtime, recipe FROM documents")
    return {path: Known(sha256, size, mtime, recipe) for path, sha256, size, mtime, recipe in rows}


def state_of(file: Path) -> State:
    """The file's state; that of one that cannot be looked at is never sure."""
    now = time.time()
    try:
        status = file.stat()
    except (OSError, ValueError):
        return State(UNSURE, 0.0, False)
    return State(status.st_size, status.st_mtime, status.st_mtime < now - _TICK_SECONDS)


def is_unchanged(known: Known, state: State) -> bool:
    """Whether size and time prove that the file is the one indexed; where not, its content decides."""
    return state.sure and (known.size, known.mtime) == (state.size, state.mtime)


def size_kept(state: State) -> int:
    """The size to note for a file of this state: UNSURE where size and time could miss a later change."""
    return state.size if state.sure else UNSURE


def digest(file: Path) -> str:
    """SHA-256 of the file's bytes, in hex. Raises DocumentError where it cannot be read."""
    return hashlib.sha256(read_bytes(file)).hexdigest()


def remember(database: Database, states: Iterable[tuple[str, State]]) -> None:
    """Note that these files, whose content is the one indexed, now have these states. Raises StorageError."""
    with database.transaction() as connection:
        connection.executemany(
            "UPDATE documents SET size = ?, mtime = ? WHERE path = ?",
            [(size_kept(state), state.mtime, path) for path, state in states],
        )
