"""The schema of the conversations' database, as the steps that lead to it. Steps are only ever added at the end."""

from __future__ import annotations

from fireside.database import Migration

APPLICATION_ID = 0x46495243
"""Marks the file as Fireside's conversations ("FIRC") in SQLite's header."""

MIGRATIONS: tuple[Migration, ...] = (
    (
        """
        CREATE TABLE conversations (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            title TEXT NOT NULL,
            system TEXT NOT NULL,
            model TEXT NOT NULL,
            adapter TEXT,
            library TEXT,
            head INTEGER REFERENCES messages (id) ON DELETE SET NULL,
            created REAL NOT NULL,
            updated REAL NOT NULL
        )
        """,
        "CREATE INDEX conversations_updated ON conversations (updated DESC, id DESC)",
        # No ON DELETE CASCADE on the parent: SQLite cascades recursively, 1000 levels at most, and chats are deeper.
        # The pair (parent, conversation) keeps a message's parent inside its own conversation.
        """
        CREATE TABLE messages (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            conversation INTEGER NOT NULL REFERENCES conversations (id),
            parent INTEGER,
            role TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant', 'tool')),
            text TEXT NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('complete', 'streaming', 'stopped', 'failed', 'interrupted')),
            created REAL NOT NULL,
            details TEXT NOT NULL,
            writer TEXT,
            beat REAL,
            UNIQUE (id, conversation),
            FOREIGN KEY (parent, conversation) REFERENCES messages (id, conversation)
        )
        """,
        "CREATE INDEX messages_children ON messages (conversation, parent, id)",
        "CREATE INDEX messages_parent ON messages (parent, conversation)",
        "CREATE INDEX conversations_head ON conversations (head)",
        "CREATE INDEX messages_streaming ON messages (status) WHERE status = 'streaming'",
        # A message enters the full-text index when it is written to its end: indexing the growing text with every
        # piece of a stream would do the same work a thousand times.
        """
        CREATE VIRTUAL TABLE message_words USING fts5 (
            text, content = 'messages', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
        )
        """,
        """
        CREATE TRIGGER message_added AFTER INSERT ON messages WHEN new.status <> 'streaming' BEGIN
            INSERT INTO message_words (rowid, text) VALUES (new.id, new.text);
        END
        """,
        """
        CREATE TRIGGER message_changed AFTER UPDATE OF text, status ON messages BEGIN
            INSERT INTO message_words (message_words, rowid, text)
                SELECT 'delete', old.id, old.text WHERE old.status <> 'streaming';
            INSERT INTO message_words (rowid, text) SELECT new.id, new.text WHERE new.status <> 'streaming';
        END
        """,
        """
        CREATE TRIGGER message_removed AFTER DELETE ON messages WHEN old.status <> 'streaming' BEGIN
            INSERT INTO message_words (message_words, rowid, text) VALUES ('delete', old.id, old.text);
        END
        """,
        """
        CREATE VIRTUAL TABLE title_words USING fts5 (
            title, content = 'conversations', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
        )
        """,
        """
        CREATE TRIGGER title_added AFTER INSERT ON conversations BEGIN
            INSERT INTO title_words (rowid, title) VALUES (new.id, new.title);
        END
        """,
        """
        CREATE TRIGGER title_changed AFTER UPDATE OF title ON conversations BEGIN
            INSERT INTO title_words (title_words, rowid, title) VALUES ('delete', old.id, old.title);
            INSERT INTO title_words (rowid, title) VALUES (new.id, new.title);
        END
        """,
        """
        CREATE TRIGGER title_removed AFTER DELETE ON conversations BEGIN
            INSERT INTO title_words (title_words, rowid, title) VALUES ('delete', old.id, old.title);
        END
        """,
    ),
    (
        "ALTER TABLE conversations ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0 CHECK (pinned IN (0, 1))",
        "ALTER TABLE conversations ADD COLUMN archived INTEGER NOT NULL DEFAULT 0 CHECK (archived IN (0, 1))",
        # When it was deleted; it can be brought back until it is purged.
        "ALTER TABLE conversations ADD COLUMN deleted REAL",
        "ALTER TABLE conversations ADD COLUMN persona TEXT",
        "ALTER TABLE conversations ADD COLUMN parameters TEXT",
        "ALTER TABLE conversations ADD COLUMN tools TEXT",
        """
        ALTER TABLE conversations ADD COLUMN titled_by TEXT NOT NULL DEFAULT 'first words'
            CHECK (titled_by IN ('person', 'model', 'first words'))
        """,
        # Nobody wrote down who gave the titles there are: as the person's own they are never replaced.
        "UPDATE conversations SET titled_by = 'person'",
        # When the branch that the message belongs to was removed; the whole of it has the same time.
        "ALTER TABLE messages ADD COLUMN removed REAL",
        "DROP INDEX conversations_updated",
        """
        CREATE INDEX conversations_listed ON conversations (archived, pinned DESC, updated DESC, id DESC)
            WHERE deleted IS NULL
        """,
        "CREATE INDEX conversations_deleted ON conversations (deleted) WHERE deleted IS NOT NULL",
        # The children that are shown: what places among siblings are counted from, without reading a message.
        "CREATE INDEX messages_shown ON messages (conversation, parent, id) WHERE removed IS NULL",
        # What a search asks of every match, without going to the message and its text.
        "CREATE INDEX messages_found ON messages (id, conversation, role, created, removed)",
        "CREATE INDEX messages_removed ON messages (removed) WHERE removed IS NOT NULL",
        """
        CREATE TABLE tags (
            conversation INTEGER NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
            tag TEXT NOT NULL COLLATE NOCASE,
            PRIMARY KEY (conversation, tag)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX tags_by_name ON tags (tag, conversation)",
        # What a message was before it was edited in place, the newest last.
        """
        CREATE TABLE revisions (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            message INTEGER NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
            text TEXT NOT NULL,
            status TEXT NOT NULL,
            created REAL NOT NULL
        )
        """,
        "CREATE INDEX revisions_message ON revisions (message, id)",
        # Indexed by their first two and three letters too: the beginning of a word is then one entry, where SQLite else
        # merges those of every word that begins so. A rebuild would take in what is being written; this does not.
        "DROP TABLE message_words",
        """
        CREATE VIRTUAL TABLE message_words USING fts5 (
            text, content = 'messages', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
        )
        """,
        "INSERT INTO message_words (rowid, text) SELECT id, text FROM messages WHERE status <> 'streaming'",
    ),
)
