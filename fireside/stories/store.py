"""Keeps stories, one SQLite file each: every change is saved as it happens.

A `Story` may be used from any thread, one call at a time. Two programs may have the same story open, but the second to
change it is told so and must open it again: nothing is overwritten.
"""

from __future__ import annotations

import sqlite3
import time
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from fireside import paths
from fireside.database import Database, storable
from fireside.errors import StorageError
from fireside.prefix import common_prefix
from fireside.stories import rows
from fireside.stories.info import NOTE_DEPTH, StoryChanges, StoryInfo
from fireside.stories.manuscript import Manuscript
from fireside.stories.migrations import APPLICATION_ID, MIGRATIONS
from fireside.stories.outline import Outline


class Story:
    """An open story: its `info`, `manuscript` and `outline`, as they are saved. Close it after use."""

    def __init__(self, name: str, database: Database) -> None:
        """For `create_story` and `open_story`. Raises StorageError."""
        self._database = database
        with database.snapshot():
            row = _story_row(database)
            self._revision: int = row["revision"]
            self.info = rows.info(name, row)
            self.manuscript = rows.manuscript(database, row["position"])
            self.outline = rows.outline(database, row["outline_next"])

    def save(self, manuscript: Manuscript) -> None:
        """Make `manuscript` the saved one; only what differs is written, in one transaction. Raises StorageError."""
        old = self.manuscript
        pieces = [piece for piece in manuscript.pieces.values() if old.pieces.get(piece.id) is not piece]
        kept = common_prefix(old.steps, manuscript.steps)
        with self._database.transaction() as connection:
            now = self._next_revision(connection)
            connection.executemany(
                "INSERT INTO pieces (id, parent, author, text, scene, beat) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET author = excluded.author, text = excluded.text,"
                " scene = excluded.scene, beat = excluded.beat",
                [
                    (each.id, each.parent, each.author, storable(each.text), each.scene, each.beat)
                    for each in sorted(pieces, key=lambda each: each.id)
                ],
            )
            connection.execute("DELETE FROM steps WHERE position >= ?", (kept,))
            connection.executemany(
                "INSERT INTO steps (position, head) VALUES (?, ?)", list(enumerate(manuscript.steps))[kept:]
            )
            connection.execute("UPDATE story SET position = ?", (manuscript.position,))
            if old.bookmarks != manuscript.bookmarks:
                connection.execute("DELETE FROM bookmarks")
                connection.executemany(
                    "INSERT INTO bookmarks (name, head) VALUES (?, ?)",
                    [(storable(name), head) for name, head in manuscript.bookmarks.items()],
                )
        self._saved(now)
        self.manuscript = manuscript

    def save_outline(self, outline: Outline) -> None:
        """Make `outline` the saved one. The outline before it, saved again, undoes this. Raises StorageError."""
        next_id = max(outline.next_id, self.outline.next_id)
        with self._database.transaction() as connection:
            now = self._next_revision(connection)
            connection.execute("DELETE FROM outline")
            connection.executemany(
                "INSERT INTO outline (id, kind, title, summary, parent, position) VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (each.id, each.kind, storable(each.title), storable(each.summary), each.parent, each.position)
                    for each in outline.nodes.values()
                ],
            )
            connection.execute("UPDATE story SET outline_next = ?", (next_id,))
        self._saved(now)
        self.outline = replace(outline, next_id=next_id)

    def change(self, **fields: Unpack[StoryChanges]) -> None:
        """Set fields of the story's `info`. Raises StorageError."""
        unknown = fields.keys() - StoryChanges.__annotations__.keys()
        if unknown:
            raise TypeError(f"not a changeable field of a story: {', '.join(sorted(unknown))}")
        if not fields:
            return
        values = rows.values(fields)
        with self._database.transaction() as connection:
            now = self._next_revision(connection)
            connection.execute(
                f"UPDATE story SET {', '.join(f'{name} = ?' for name in values)}", tuple(values.values())
            )
        self._saved(now)
        self.info = rows.info(self.info.name, _story_row(self._database))

    def close(self) -> None:
        """Close the file. Calling it again does nothing."""
        self._database.close()

    def _next_revision(self, connection: sqlite3.Connection) -> float:
        """Count this change, if nobody else has changed the story since; the time it happened."""
        now = time.time()
        changed = connection.execute(
            "UPDATE story SET revision = revision + 1, updated = ? WHERE revision = ?", (now, self._revision)
        ).rowcount
        if not changed:
            raise StorageError(
                f"the story {self.info.name} was changed by another program meanwhile",
                "open it again to see what is there; what was just written is not saved",
            )
        return now

    def _saved(self, now: float) -> None:
        self._revision += 1
        self.info = replace(self.info, updated=now)


def create_story(name: str, title: str = "", memory: str = "", note: str = "") -> Story:
    """A new, empty story. Raises FiresideError for a name that cannot be one, StorageError where there is one."""
    file = _file(name)
    if file.exists():
        raise StorageError(f"there is a story {name} already", f"write on with `fireside story write {name}`")
    database = _opened(file)
    try:
        now = time.time()
        with database.transaction() as connection:
            # INSERT OR IGNORE would hide that another program made the story in this very moment; the key refuses it.
            connection.execute(
                "INSERT INTO story (id, title, memory, note, note_depth, position, revision, created, updated)"
                " VALUES (1, ?, ?, ?, ?, 0, 0, ?, ?)",
                (storable(title or name), storable(memory), storable(note), NOTE_DEPTH, now, now),
            )
            connection.execute("INSERT INTO steps (position, head) VALUES (0, NULL)")
        return Story(name, database)
    except BaseException:
        database.close()
        raise


def open_story(name: str) -> Story:
    """The story called `name`. Raises StorageError if there is none, or its file cannot be used."""
    file = _file(name)
    if not file.exists():
        known = ", ".join(story.name for story in list_stories()[:10])
        raise StorageError(
            f"there is no story {name}",
            f"there are: {known}" if known else f"begin one with `fireside story new {name}`",
        )
    database = _opened(file)
    try:
        return Story(name, database)
    except BaseException:
        database.close()
        raise


def list_stories() -> list[StoryInfo]:
    """Every story, the one changed last first. A file that cannot be read is left out. Raises StorageError."""
    found: list[StoryInfo] = []
    for file in sorted(paths.stories_folder().glob("*.db")):
        try:
            database = _opened(file)
        except StorageError:
            continue
        try:
            found.append(rows.info(file.stem, _story_row(database)))
        except StorageError:
            continue
        finally:
            database.close()
    return sorted(found, key=lambda story: story.updated, reverse=True)


def _file(name: str) -> Path:
    return paths.stories_folder() / f"{paths.checked_name(name, 'story')}.db"


def _opened(file: Path) -> Database:
    return Database(file, application_id=APPLICATION_ID, migrations=MIGRATIONS)


def _story_row(database: Database) -> sqlite3.Row:
    rows = database.read("SELECT * FROM story")
    if not rows:
        raise StorageError(f"{database.path} holds no story", "remove the file, then create the story anew")
    return rows[0]
