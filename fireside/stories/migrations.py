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
    (
        # Bans are a JSON list, the lorebook is the JSON of `lore_json`. `outline_next` is the next node's id.
        "ALTER TABLE story ADD COLUMN synopsis TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE story ADD COLUMN style TEXT",
        "ALTER TABLE story ADD COLUMN preset TEXT",
        "ALTER TABLE story ADD COLUMN bans TEXT NOT NULL DEFAULT '[]'",
        "ALTER TABLE story ADD COLUMN goal INTEGER NOT NULL DEFAULT 0 CHECK (goal >= 0)",
        "ALTER TABLE story ADD COLUMN summary TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE story ADD COLUMN summary_until INTEGER NOT NULL DEFAULT 0 CHECK (summary_until >= 0)",
        "ALTER TABLE story ADD COLUMN note_strength INTEGER NOT NULL DEFAULT 1 CHECK (note_strength BETWEEN 1 AND 3)",
        "ALTER TABLE story ADD COLUMN lore TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE story ADD COLUMN outline_next INTEGER NOT NULL DEFAULT 1",
        # A node's place among those of the same parent. Pieces may name nodes that were deleted.
        """
        CREATE TABLE outline (
            id INTEGER PRIMARY KEY,
            kind TEXT NOT NULL CHECK (kind IN ('chapter', 'scene', 'beat')),
            title TEXT NOT NULL,
            summary TEXT NOT NULL,
            parent INTEGER,
            position INTEGER NOT NULL
        )
        """,
        "ALTER TABLE pieces ADD COLUMN scene INTEGER",
        "ALTER TABLE pieces ADD COLUMN beat INTEGER",
        "CREATE TABLE bookmarks (name TEXT PRIMARY KEY, head INTEGER NOT NULL REFERENCES pieces (id))",
    ),
)
