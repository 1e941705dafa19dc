"""Keeps conversations: every message is saved the moment it exists, in a tree whose siblings are alternatives.

Threads: any thread may call any method of one store; calls run one at a time and take a few milliseconds, so the UI
thread may call them. Processes: several may have the database open; a write waits up to two seconds for another's.
Every method raises StorageError (locked, full, read-only, damaged, or something that is not there).
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from fireside.conversations import writer
from fireside.conversations.migrations import APPLICATION_ID, MIGRATIONS
from fireside.conversations.types import Conversation, ConversationChanges, SearchHit, Status, StoredMessage
from fireside.database import Database, storable
from fireside.errors import StorageError
from fireside.models.types import Role

_CONVERSATION = "id, title, system, model, adapter, library, head, created, updated"
_MESSAGE = "id, conversation, parent, role, text, status, created, details"
_CHANGEABLE = frozenset(ConversationChanges.__annotations__)


class ConversationStore:
    """The conversations of one database file."""

    def __init__(self, path: Path) -> None:
        """Open or create the database at `path`. A damaged file, or a newer Fireside's, is refused and left alone."""
        self._database = Database(path, application_id=APPLICATION_ID, migrations=MIGRATIONS)

    def create(self, system: str, model: str, title: str = "") -> Conversation:
        """A new conversation without messages."""
        now = time.time()
        with self._database.transaction() as connection:
            row = connection.execute(
                "INSERT INTO conversations (title, system, model, created, updated) VALUES (?, ?, ?, ?, ?)"
                f" RETURNING {_CONVERSATION}",
                (storable(title), storable(system), storable(model), now, now),
            ).fetchone()
        return Conversation(**dict(row))

    def conversations(self, limit: int = 200) -> list[Conversation]:
        """At most `limit` conversations, the one written to last first."""
        rows = self._database.read(
            f"SELECT {_CONVERSATION} FROM conversations ORDER BY updated DESC, id DESC LIMIT ?", (limit,)
        )
        return [Conversation(**dict(row)) for row in rows]

    def get(self, conversation_id: int) -> Conversation:
        """The conversation with this id."""
        rows = self._database.read(f"SELECT {_CONVERSATION} FROM conversations WHERE id = ?", (conversation_id,))
        if not rows:
            raise _no_conversation(conversation_id)
        return Conversation(**dict(rows[0]))

    def change(self, conversation_id: int, **fields: Unpack[ConversationChanges]) -> Conversation:
        """Set the given fields, and return the conversation as it is then. Its place in the list stays."""
        unknown = fields.keys() - _CHANGEABLE
        if unknown:
            raise TypeError(f"not a changeable field of a conversation: {', '.join(sorted(unknown))}")
        if fields:
            values = [storable(value) if isinstance(value, str) else value for value in fields.values()]
            assignments = ", ".join(f"{name} = ?" for name in fields)
            with self._database.transaction() as connection:
                connection.execute(f"UPDATE conversations SET {assignments} WHERE id = ?", (*values, conversation_id))
        return self.get(conversation_id)

    def delete(self, conversation_id: int) -> None:
        """Remove a conversation with all its messages, and what the engine keeps of any conversation on disk.

        One that is gone already is no error.
        """
        from fireside.models.gguf.states import forget_all

        with self._database.transaction() as connection:
            connection.execute("DELETE FROM messages WHERE conversation = ?", (conversation_id,))
            connection.execute("DELETE FROM conversations WHERE id = ?", (conversation_id,))
        forget_all()

    def add(
        self,
        conversation: int,
        parent: int | None,
        role: Role,
        text: str,
        status: Status = "complete",
        details: dict[str, Any] | None = None,
    ) -> StoredMessage:
        """Add a message below `parent` (None: a root), and show it: the conversation's head moves to it.

        `parent` must be a message of the same conversation.
        """
        now = time.time()
        with self._database.transaction() as connection:
            _check_place(connection, conversation, parent)
            message = _insert(connection, conversation, parent, role, text, status, now, details or {})
            connection.execute(
                "UPDATE conversations SET head = ?, updated = ? WHERE id = ?", (message.id, now, conversation)
            )
        return message

    def write(self, message_id: int, text: str, status: Status, details: dict[str, Any] | None = None) -> None:
        """Replace a message's text and status, and its details where given: while it streams, and at its end."""
        now = time.time()
        streaming = status == "streaming"
        with self._database.transaction() as connection:
            row = connection.execute(
                "UPDATE messages SET text = ?, status = ?, details = coalesce(?, details), writer = ?, beat = ?"
                " WHERE id = ? RETURNING conversation",
                (
                    storable(text),
                    status,
                    None if details is None else json.dumps(details),
                    writer.this_process() if streaming else None,
                    now if streaming else None,
                    message_id,
                ),
            ).fetchone()
            if row is None:
                raise _no_message(message_id)
            if not streaming:
                connection.execute("UPDATE conversations SET updated = ? WHERE id = ?", (now, row["conversation"]))

    def message(self, message_id: int) -> StoredMessage:
        """The message with this id."""
        rows = self._database.read(f"SELECT {_MESSAGE} FROM messages WHERE id = ?", (message_id,))
        if not rows:
            raise _no_message(message_id)
        return _message(rows[0])

    def messages(self, conversation_id: int) -> list[StoredMessage]:
        """Every message of a conversation, in order of creation: a parent comes before its children."""
        rows = self._database.read(
            f"SELECT {_MESSAGE} FROM messages WHERE conversation = ? ORDER BY id", (conversation_id,)
        )
        return [_message(row) for row in rows]

    def path(self, message_id: int) -> list[StoredMessage]:
        """The messages from the root to this one, both included."""
        rows = self._database.read(
            f"""
            WITH RECURSIVE above (id, parent, depth) AS (
                SELECT id, parent, 0 FROM messages WHERE id = ?
                UNION ALL
                SELECT messages.id, messages.parent, depth + 1 FROM messages JOIN above ON messages.id = above.parent
            )
            SELECT {_MESSAGE} FROM messages JOIN (SELECT id AS above_id, depth FROM above) ON id = above_id
            ORDER BY depth DESC
            """,
            (message_id,),
        )
        if not rows:
            raise _no_message(message_id)
        return [_message(row) for row in rows]

    def siblings(self, message_id: int) -> list[StoredMessage]:
        """The messages with the same parent, in order of creation, this one among them."""
        this = self.message(message_id)
        return self._below(this.conversation, this.parent)

    def children(self, message_id: int) -> list[StoredMessage]:
        """The messages whose parent is this one, in order of creation."""
        return self._below(self.message(message_id).conversation, message_id)

    def select(self, message_id: int) -> StoredMessage:
        """Show this message: the head moves to the newest leaf below it (or to itself), which is returned."""
        with self._database.transaction() as connection:
            row = connection.execute(
                f"""
                WITH RECURSIVE below (id) AS (
                    SELECT id FROM messages WHERE id = ?
                    UNION ALL
                    SELECT messages.id FROM messages JOIN below ON messages.parent = below.id
                )
                SELECT {_MESSAGE} FROM messages WHERE id = (
                    SELECT max(id) FROM below
                    WHERE NOT EXISTS (SELECT 1 FROM messages AS child WHERE child.parent = below.id)
                )
                """,
                (message_id,),
            ).fetchone()
            if row is None:
                raise _no_message(message_id)
            leaf = _message(row)
            connection.execute("UPDATE conversations SET head = ? WHERE id = ?", (leaf.id, leaf.conversation))
        return leaf

    def search(self, query: str, limit: int = 50) -> list[SearchHit]:
        """Titles, then messages, that hold every word of `query`; the last word may be a beginning. Best first."""
        words = re.findall(r"\w+", storable(query))
        if not words:
            return []
        # Quoted, so that no word is taken for one of FTS5's own operators.
        match = " ".join(f'"{word}"' for word in words) + "*"
        titles = self._database.read(
            "SELECT id AS conversation, conversations.title AS title, NULL AS message,"
            " conversations.title AS excerpt, created"
            " FROM title_words JOIN conversations ON id = title_words.rowid"
            " WHERE title_words MATCH ? ORDER BY rank LIMIT ?",
            (match, limit),
        )
        messages = self._database.read(
            "SELECT conversation, conversations.title AS title, messages.id AS message,"
            " snippet(message_words, 0, '', '', '…', 16) AS excerpt, messages.created AS created"
            " FROM message_words JOIN messages ON messages.id = message_words.rowid"
            " JOIN conversations ON conversations.id = messages.conversation"
            " WHERE message_words MATCH ? ORDER BY rank LIMIT ?",
            (match, max(0, limit - len(titles))),
        )
        return [SearchHit(**dict(row)) for row in (*titles, *messages)]

    def recover(self) -> int:
        """Mark messages still "streaming" whose process has died as "interrupted"; return how many there were.

        What another living process, or this one, is writing stays as it is.
        """
        now = time.time()
        with self._database.transaction() as connection:
            rows = connection.execute("SELECT id, writer, beat FROM messages WHERE status = 'streaming'").fetchall()
            dead = [
                (row["id"],)
                for row in rows
                if row["writer"] is None or not writer.is_alive(row["writer"], now - (row["beat"] or 0.0))
            ]
            connection.executemany(
                "UPDATE messages SET status = 'interrupted', writer = NULL, beat = NULL WHERE id = ?", dead
            )
        return len(dead)

    def restore(self, conversation: Conversation, messages: Sequence[StoredMessage]) -> Conversation:
        """Save a copy of a whole conversation under new ids; parents must come before their children.

        A message that was streaming when it was copied is saved as interrupted.
        """
        with self._database.transaction() as connection:
            new_id = connection.execute(
                "INSERT INTO conversations (title, system, model, adapter, library, created, updated)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
                (
                    storable(conversation.title),
                    storable(conversation.system),
                    storable(conversation.model),
                    conversation.adapter,
                    conversation.library,
                    conversation.created,
                    conversation.updated,
                ),
            ).fetchone()["id"]
            renamed: dict[int, int] = {}
            for old in messages:
                parent = None if old.parent is None else renamed[old.parent]
                status: Status = "interrupted" if old.status == "streaming" else old.status
                new = _insert(connection, new_id, parent, old.role, old.text, status, old.created, old.details)
                renamed[old.id] = new.id
            if conversation.head is not None:
                connection.execute(
                    "UPDATE conversations SET head = ? WHERE id = ?", (renamed[conversation.head], new_id)
                )
        return self.get(new_id)

    def close(self) -> None:
        """Close the database; the store is of no use afterwards. Calling it again does nothing."""
        self._database.close()

    def _below(self, conversation: int, parent: int | None) -> list[StoredMessage]:
        rows = self._database.read(
            f"SELECT {_MESSAGE} FROM messages WHERE conversation = ? AND parent IS ? ORDER BY id",
            (conversation, parent),
        )
        return [_message(row) for row in rows]


def _insert(
    connection: sqlite3.Connection,
    conversation: int,
    parent: int | None,
    role: Role,
    text: str,
    status: Status,
    created: float,
    details: dict[str, Any],
) -> StoredMessage:
    streaming = status == "streaming"
    row = connection.execute(
        "INSERT INTO messages (conversation, parent, role, text, status, created, details, writer, beat)"
        f" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING {_MESSAGE}",
        (
            conversation,
            parent,
            role,
            storable(text),
            status,
            created,
            json.dumps(details),
            writer.this_process() if streaming else None,
            time.time() if streaming else None,
        ),
    ).fetchone()
    return _message(row)


def _message(row: sqlite3.Row) -> StoredMessage:
    fields: dict[str, Any] = dict(row)
    return StoredMessage(**{**fields, "details": json.loads(fields["details"])})


def _check_place(connection: sqlite3.Connection, conversation: int, parent: int | None) -> None:
    """The database refuses a wrong place too, but cannot say what is wrong with it."""
    if not connection.execute("SELECT 1 FROM conversations WHERE id = ?", (conversation,)).fetchone():
        raise _no_conversation(conversation)
    if parent is None:
        return
    row = connection.execute("SELECT conversation FROM messages WHERE id = ?", (parent,)).fetchone()
    if row is None or row["conversation"] != conversation:
        raise _no_message(parent)


def _no_conversation(conversation_id: int) -> StorageError:
    return StorageError(f"there is no conversation {conversation_id}", "it may have been deleted from another window")


def _no_message(message_id: int) -> StorageError:
    return StorageError(
        f"there is no message {message_id} in this conversation", "it may have been deleted from another window"
    )
