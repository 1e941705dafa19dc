"""The stories as files: named after their titles, renamed, duplicated, deleted with a way back."""

from __future__ import annotations

import shutil
import sqlite3
import time
import unicodedata
from contextlib import closing
from pathlib import Path

from fireside import paths
from fireside.errors import StorageError
from fireside.stories.manuscript import text
from fireside.stories.prose import word_count
from fireside.stories.store import open_story

KEPT_SECONDS = 30 * 24 * 3600
"""How long a deleted story can be brought back."""

_LONGEST = 48  # characters of a name made from a title
_BESIDE = ("-wal", "-shm")  # what SQLite keeps beside a file that is or was open


def free_name(title: str) -> str:
    """A name that no story has yet, from the letters and digits of `title`; `story` where it has none in ASCII."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = "".join(each if each.isalnum() else " " for each in plain).split()
    base = "-".join(words)[:_LONGEST].strip("-") or "story"
    number = 1
    while _file(name := base if number == 1 else f"{base}-{number}").exists():
        number += 1
    return name


def words_of(name: str) -> int:
    """The words of what is read in a story. Reads all of it. Raises StorageError."""
    with closing(open_story(name)) as story:
        return word_count(text(story.manuscript))


def rename(name: str, other: str) -> None:
    """Give a story, that is not open, another name on disk.

    Raises FiresideError for a name that cannot be one, StorageError where it is taken or the file cannot be moved.
    """
    target = _file(paths.checked_name(other, "story"))
    if target.exists():
        raise StorageError(f"there is a story {other} already", "choose another name")
    _move(name, target)


def duplicate(name: str) -> str:
    """A second story with everything of the first one, also its branches; its name. Raises StorageError."""
    with closing(open_story(name)) as story:
        title = story.info.title
    copy = free_name(name)
    target = _file(copy)
    try:
        with closing(sqlite3.connect(_file(name))) as source, closing(sqlite3.connect(target)) as made:
            source.backup(made)
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        raise StorageError(f"the story {name} could not be copied: {error}", "see whether the disk is full") from error
    with closing(open_story(copy)) as story:
        story.change(title=f"{title} (copy)")
    return copy


def delete(name: str) -> None:
    """Take a story, that is not open, off the shelf; `bring_back` puts it back within `KEPT_SECONDS`.

    Those deleted longer ago are erased. Raises StorageError.
    """
    folder = paths.ensure_folder(_deleted_folder())
    for when, file in _deleted():
        if time.time() - when > KEPT_SECONDS:
            file.unlink(missing_ok=True)
    _move(name, folder / f"{time.time_ns() // 1_000_000}-{name}.db")


def bring_back() -> str:
    """Put the story that was deleted last back; its name, which differs where it is taken by now; "" where none is.

    Raises StorageError.
    """
    deleted = _deleted()
    if not deleted:
        return ""
    _, file = deleted[-1]
    name = file.stem.partition("-")[2]
    if _file(name).exists():
        name = free_name(name)
    _rename(file, _file(name), name)
    return name


def _move(name: str, target: Path) -> None:
    """Move the story's file, with nothing of it left in a write-ahead log; its search index is made anew at need."""
    open_story(name).close()
    file = _file(name)
    _rename(file, target, name)
    shutil.rmtree(file.with_suffix(".search"), ignore_errors=True)


def _rename(file: Path, target: Path, name: str) -> None:
    try:
        for end in _BESIDE:
            beside = Path(f"{file}{end}")
            if beside.exists():
                beside.rename(f"{target}{end}")
        file.rename(target)
    except OSError as error:
        raise StorageError(f"the story {name} cannot be moved: {error.strerror}", "see who may write there") from error


def _deleted() -> list[tuple[float, Path]]:
    """When (seconds since the epoch) and as what file stories were deleted, the earliest first."""
    found: list[tuple[float, Path]] = []
    for file in _deleted_folder().glob("*.db"):
        when = file.stem.partition("-")[0]
        if when.isdigit():
            found.append((int(when) / 1000, file))
    return sorted(found)


def _deleted_folder() -> Path:
    return paths.stories_folder() / "deleted"


def _file(name: str) -> Path:
    return paths.stories_folder() / f"{name}.db"
