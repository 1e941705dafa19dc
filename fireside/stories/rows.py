"""A story's values as the rows of its database, both ways."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping

from fireside.database import Database, storable
from fireside.errors import DocumentError, StorageError
from fireside.stories import lore_json
from fireside.stories.info import StoryChanges, StoryInfo
from fireside.stories.manuscript import Manuscript, Piece
from fireside.stories.outline import Node, Outline

_AS_THEY_ARE = (
    "title", "memory", "note", "note_depth", "created", "updated", "synopsis", "style", "preset", "goal", "summary",
    "summary_until", "note_strength",
)  # fmt: skip


def info(name: str, row: sqlite3.Row) -> StoryInfo:
    """The row of `story`. Raises StorageError where its lists are damaged."""
    try:
        return StoryInfo(
            name=name,
            bans=tuple(json.loads(row["bans"])),
            lore=lore_json.from_json(row["lore"]) if row["lore"] else (),
            **{field: row[field] for field in _AS_THEY_ARE},
        )
    except (ValueError, DocumentError) as error:
        raise StorageError(
            f"the lorebook or the bans of the story {name} are damaged: {error}", "restore the file from a backup"
        ) from error


def values(changes: StoryChanges) -> Mapping[str, object]:
    """The fields as they are stored."""
    stored: dict[str, object] = {}
    for field, value in changes.items():
        if field == "bans":
            stored[field] = json.dumps(value)
        elif field == "lore":
            stored[field] = storable(lore_json.to_json(changes["lore"]))
        else:
            stored[field] = storable(value) if isinstance(value, str) else value
    return stored


def manuscript(database: Database, position: int) -> Manuscript:
    """The pieces, steps and bookmarks."""
    pieces = [
        Piece(row["id"], row["parent"], row["author"], row["text"], row["scene"], row["beat"])
        for row in database.read("SELECT id, parent, author, text, scene, beat FROM pieces ORDER BY id")
    ]
    steps = tuple(row["head"] for row in database.read("SELECT head FROM steps ORDER BY position"))
    bookmarks = {row["name"]: row["head"] for row in database.read("SELECT name, head FROM bookmarks ORDER BY name")}
    return Manuscript({piece.id: piece for piece in pieces}, steps, position, bookmarks)


def outline(database: Database, next_id: int) -> Outline:
    """The nodes of the outline."""
    nodes = [
        Node(row["id"], row["kind"], row["title"], row["summary"], row["parent"], row["position"])
        for row in database.read("SELECT id, kind, title, summary, parent, position FROM outline ORDER BY id")
    ]
    return Outline({node.id: node for node in nodes}, next_id)
