"""The tools `remember` and `recall`: notes that outlive a chat, in one SQLite file.

A note belongs to the shared folder it was made in, and is found again there alone; one made without a folder is found
everywhere.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from agents.tools import Tool, Traits, tool_from_function
from fireside import paths
from fireside.database import Database, Migration, storable
from fireside.errors import ToolError

APPLICATION_ID = 0x4649524D
"""Marks the file as Fireside's notes ("FIRM") in SQLite's header."""

_MIGRATIONS: Sequence[Migration] = (
    (
        """
        CREATE TABLE notes (
            id INTEGER PRIMARY KEY,
            folder TEXT NOT NULL,
            text TEXT NOT NULL,
            made REAL NOT NULL,
            UNIQUE (folder, text)
        )
        """,
        """
        CREATE VIRTUAL TABLE note_words USING fts5 (
            text, content = 'notes', content_rowid = 'id', tokenize = 'porter unicode61 remove_diacritics 2'
        )
        """,
        """
        CREATE TRIGGER note_added AFTER INSERT ON notes BEGIN
            INSERT INTO note_words (rowid, text) VALUES (new.id, new.text);
        END
        """,
        """
        CREATE TRIGGER note_removed AFTER DELETE ON notes BEGIN
            INSERT INTO note_words (note_words, rowid, text) VALUES ('delete', old.id, old.text);
        END
        """,
    ),
)
_MOST_NOTES = 5000
_MOST_FOUND = 8


def memory_tools(folder: Path | None) -> tuple[Tool, ...]:
    """Both tools, for the notes of `folder` (None: those without one)."""
    key = "" if folder is None else str(paths.expanded(folder).resolve())

    def remember(text: Annotated[str, Field(min_length=1, max_length=500)]) -> str:
        """Keep a note for later chats, such as a fact about the person or a decision.

        Args:
            text: the note, one or two sentences that can be understood by themselves

        Examples:
            remember that my cat is called Tom -> {"text": "The person's cat is called Tom."}
            note down that we meet on Friday -> {"text": "The meeting is on Friday."}
        """
        note = " ".join(storable(text).split())
        if not note:
            raise ToolError("the note is empty")
        with _opened() as database, database.transaction() as connection:
            (count,) = connection.execute("SELECT count(*) FROM notes WHERE folder = ?", (key,)).fetchone()
            if count >= _MOST_NOTES:
                raise ToolError(f"there are {_MOST_NOTES} notes already", "the person can remove some")
            connection.execute(
                "INSERT OR IGNORE INTO notes (folder, text, made) VALUES (?, ?, ?)", (key, note, time.time())
            )
        return "noted"

    def recall(query: Annotated[str, Field(min_length=1, max_length=120)]) -> str:
        """Look up notes that were kept in earlier chats.

        Args:
            query: words of the note

        Examples:
            what do you remember about my cat -> {"query": "cat"}
            when did I say we meet -> {"query": "meeting"}
        """
        found = _found(key, query)
        return "\n".join(f"{time.strftime('%Y-%m-%d', time.localtime(made))}: {note}" for note, made in found) or (
            "nothing was noted about that"
        )

    return (
        tool_from_function(remember, Traits(risk="writes", sequential=True, preview=_note)),
        # A note holds what a model once wrote, perhaps from a page or a document.
        tool_from_function(recall, Traits(untrusted=True)),
    )


def _note(arguments: Mapping[str, Any]) -> str:
    return f"keep the note: {' '.join(str(arguments['text']).split())}"


def _found(key: str, query: str) -> list[tuple[str, float]]:
    """The notes with most of the query's words, best first (BM25), with the time they were made."""
    words = re.findall(r"\w+", query)
    if not words or not paths.memory_database().is_file():
        return []
    with _opened() as database:
        rows = database.read(
            "SELECT notes.text, notes.made FROM note_words JOIN notes ON notes.id = note_words.rowid "
            "WHERE note_words MATCH ? AND notes.folder IN (?, '') ORDER BY bm25(note_words), notes.id DESC LIMIT ?",
            (" OR ".join(f'"{word}"' for word in words), key, _MOST_FOUND),
        )
    return [(str(row["text"]), float(row["made"])) for row in rows]


def _opened() -> closing[Database]:
    return closing(
        Database(paths.memory_database(), application_id=APPLICATION_ID, migrations=_MIGRATIONS, synchronous="FULL")
    )
