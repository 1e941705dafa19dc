"""Keeps conversations: every message is saved the moment it exists, in a tree whose siblings are alternatives.

Threads: any thread may call any method of one store; calls run one at a time and take a few milliseconds, so the UI
thread may call them. Processes: several may have the database open; a write waits up to two seconds for another's.
Every method raises StorageError (locked, full, read-only, damaged, or something that is not there).
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from typing import Any, Unpack

from fireside.conversations import writer
from fireside.conversations.find import SearchedConversations
from fireside.conversations.organise import OrganisedConversations
from fireside.conversations.revise import RevisedMessages
from fireside.conversations.rows import JSON_FIELDS, as_json, insert_message, no_conversation, no_message
from fireside.conversations.tree import MessageTree
from fireside.conversations.types import Conversation, ConversationChanges, Status, StoredMessage
from fireside.database import storable
from fireside.models.types import Role

_CHANGEABLE = frozenset(ConversationChanges.__annotations__)


class ConversationStore(MessageTree, RevisedMessages, OrganisedConversations, SearchedConversations):
    """The conversations of one database file: what is read and done in the parts it is made of, and what is written."""

    def create(self, system: str, model: str, title: str = "") -> Conversation:
        """A new conversation without messages; its title counts as first words."""
        now = time.time()
        with self._database.transaction() as connection:
            row = connection.execute(
                "INSERT INTO conversations (title, system, model, created, updated) VALUES (?, ?, ?, ?, ?)"
                " RETURNING id",
                (storable(title), storable(system), storable(model), now, now),
            ).fetchone()
        return self.get(row["id"])

    def change(self, conversation_id: int, **fields: Unpack[ConversationChanges]) -> Conversation:
        """Set the given fields, and return the conversation as it is then. Its place in the list stays.

        A title is the person's, unless `titled_by` says otherwise.
        """
        unknown = fields.keys() - _CHANGEABLE
        if unknown:
            raise TypeError(f"not a changeable field of a conversation: {', '.join(sorted(unknown))}")
        values: dict[str, object] = {"titled_by": "person"} if "title" in fields else {}
        for name, value in fields.items():
            values[name] = (
                as_json(value) if name in JSON_FIELDS else storable(value) if isinstance(value, str) else value
            )
        if values:
            assignments = ", ".join(f"{name} = ?" for name in values)
            with self._database.transaction() as connection:
                connection.execute(
                    f"UPDATE conversations SET {assignments} WHERE id = ?", (*values.values(), conversation_id)
                )
        return self.get(conversation_id)

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
            message = insert_message(connection, conversation, parent, role, text, status, now, details or {})
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
                raise no_message(message_id)
            if not streaming:
                connection.execute("UPDATE conversations SET updated = ? WHERE id = ?", (now, row["conversation"]))

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
                "INSERT INTO conversations (title, system, model, adapter, library, created, updated, pinned, archived,"
                " persona, parameters, tools, titled_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                (
                    storable(conversation.title),
                    storable(conversation.system),
                    storable(conversation.model),
                    conversation.adapter,
                    conversation.library,
                    conversation.created,
                    conversation.updated,
                    int(conversation.pinned),
                    int(conversation.archived),
                    conversation.persona,
                    as_json(conversation.parameters),
                    as_json(conversation.tools),
                    conversation.titled_by,
                ),
            ).fetchone()["id"]
            connection.executemany(
                "INSERT OR IGNORE INTO tags VALUES (?, ?)", [(new_id, storable(tag)) for tag in conversation.tags]
            )
            renamed: dict[int, int] = {}
            for old in messages:
                parent = None if old.parent is None else renamed[old.parent]
                status: Status = "interrupted" if old.status == "streaming" else old.status
                new = insert_message(connection, new_id, parent, old.role, old.text, status, old.created, old.details)
                renamed[old.id] = new.id
            if conversation.head is not None:
                connection.execute(
                    "UPDATE conversations SET head = ? WHERE id = ?", (renamed[conversation.head], new_id)
                )
        return self.get(new_id)


def _check_place(connection: sqlite3.Connection, conversation: int, parent: int | None) -> None:
    """The database refuses a wrong place too, but cannot say what is wrong with it."""
    if not connection.execute(
        "SELECT 1 FROM conversations WHERE id = ? AND deleted IS NULL", (conversation,)
    ).fetchone():
        raise no_conversation(conversation)
    if parent is None:
        return
    row = connection.execute("SELECT conversation FROM messages WHERE id = ? AND removed IS NULL", (parent,)).fetchone()
    if row is None or row["conversation"] != conversation:
        raise no_message(parent)
