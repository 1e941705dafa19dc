"""The schema of a story's database, as the steps that lead to it. Steps are only ever added at the end."""

from __future__ import annotations

from fireside.database import Migration

APPLICATION_ID = 0x46495253
"""Marks the file as one of Fireside's stories ("FIRS") in SQLite's header."""

MIGRATIONS: tuple[Migration, ...] = (
    (
        # One row: the story itself. `revision` counts the changes, so that a second writer is noticed.
        """
        CREATE TABLE story (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            title TEXT NOT NULL,
            memory TEXT NOT NULL,
            note TEXT NOT NULL,
            note_depth INTEGER NOT NULL CHECK (note_depth >= 1),
            position INTEGER NOT NULL,
            revision INTEGER NOT NULL,
            created REAL NOT NULL,
            updated REAL NOT NULL
        )
        """,
        """
        CREATE TABLE pieces (
            id INTEGER PRIMARY KEY,
            parent INTEGER REFERENCES pieces (id),
            author TEXT NOT NULL CHECK (author IN ('prompt', 'model', 'person', 'edited')),
            text TEXT NOT NULL
        )
        """,
        "CREATE TABLE steps (position INTEGER PRIMARY KEY, head INTEGER REFERENCES pieces (id))",
    ),
)
