"""The tables of a library, and how an older library gets to have them."""

from __future__ import annotations

from fireside.database import Migration

APPLICATION_ID = 0x4649524C
"""Marks the file as a library: "FIRL" in SQLite's header."""

MIGRATIONS: tuple[Migration, ...] = (
    (
        """
        CREATE TABLE documents (
            id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, title TEXT NOT NULL, text TEXT NOT NULL,
            blocks TEXT NOT NULL, sha256 TEXT NOT NULL, mtime REAL NOT NULL, recipe TEXT NOT NULL)
        """,
        # AUTOINCREMENT: an id is never used twice, so equal ids in Chroma and here mean equal chunks.
        """
        CREATE TABLE chunks (
            id INTEGER PRIMARY KEY AUTOINCREMENT, document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
            start INTEGER NOT NULL, stop INTEGER NOT NULL, page INTEGER, heading TEXT NOT NULL, vector TEXT NOT NULL)
        """,
        "CREATE INDEX chunks_document ON chunks (document)",
        "CREATE INDEX chunks_vector ON chunks (vector)",
        "CREATE TABLE vectors (key TEXT PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID",
        """
        CREATE VIRTUAL TABLE full_text USING fts5 (
            context, body, tokenize = "porter unicode61 remove_diacritics 2")
        """,
        "CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL)",
        "INSERT INTO state VALUES (1, 0)",
    ),
    # Bytes of the file; -1 where its times prove nothing and its content has to be compared.
    ("ALTER TABLE documents ADD COLUMN size INTEGER NOT NULL DEFAULT -1",),
    (
        # By path, so that a document's tags outlast its versions.
        "CREATE TABLE tags (path TEXT NOT NULL, tag TEXT NOT NULL, PRIMARY KEY (path, tag)) WITHOUT ROWID",
        "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        # In how many chunks a stem occurs: computed by SQLite when it is asked, nothing is stored.
        "CREATE VIRTUAL TABLE vocabulary USING fts5vocab (full_text, row)",
        "ALTER TABLE documents ADD COLUMN notes TEXT NOT NULL DEFAULT '[]'",
        # What filters look at, beside the long texts and not behind them.
        "CREATE INDEX documents_filtered ON documents (path, title, mtime)",
        # By number: a row of this size in a table without row ids has few neighbours, and so a deep tree above it.
        "ALTER TABLE vectors RENAME TO keyed_vectors",
        "CREATE TABLE vectors (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, vector BLOB NOT NULL)",
        "INSERT INTO vectors (key, vector) SELECT key, vector FROM keyed_vectors",
        "ALTER TABLE chunks ADD COLUMN embedding INTEGER REFERENCES vectors",
        "UPDATE chunks SET embedding = (SELECT id FROM vectors WHERE key = chunks.vector)",
        "DROP INDEX chunks_vector",
        "ALTER TABLE chunks DROP COLUMN vector",
        "CREATE INDEX chunks_embedding ON chunks (embedding)",
        "DROP TABLE keyed_vectors",
        # Until now a recipe was a version, a chunk size and the encoder, and there was only one encoder.
        """
        INSERT INTO settings SELECT 'encoder', substr(rest, instr(rest, ' ') + 1)
        FROM (SELECT substr(recipe, instr(recipe, ' ') + 1) AS rest FROM documents LIMIT 1)
        """,
    ),
    (
        # `rag.stems.counted` of each chunk; NULL where it has not been counted yet.
        "CREATE TABLE stem_counts (chunk INTEGER PRIMARY KEY REFERENCES chunks ON DELETE CASCADE, counts BLOB)",
        "INSERT INTO stem_counts (chunk) SELECT id FROM chunks",
        "CREATE INDEX stem_counts_missing ON stem_counts (chunk) WHERE counts IS NULL",
    ),
)
"""Each leads from one version of the schema to the next."""
