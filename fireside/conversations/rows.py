"""Rows of the conversations' database as what they stand for, and back; which of them are shown; what is not there."""

from __future__ import annotations

import json
import sqlite3
import time
from typing import Any

from fireside.conversations import writer
from fireside.conversations.types import Conversation, Status, StoredMessage
from fireside.database import storable
from fireside.errors import StorageError
from fireside.models.types import Role

CONVERSATION = (
    "id, title, system, model, adapter, library, head, created, updated, pinned, archived, persona, parameters, tools,"
    " titled_by, (SELECT json_group_array(tag) FROM tags WHERE tags.conversation = conversations.id) AS tags"
)
MESSAGE = "id, conversation, parent, role, text, status, created, details"

SHOWN = (
    "messages.removed IS NULL"
    " AND +messages.conversation NOT IN (SELECT id FROM conversations WHERE deleted IS NOT NULL)"
)
"""The condition on `messages` that neither their branch nor their conversation was deleted. The plus keeps SQLite from
searching an index for it, conversation by conversation."""

JSON_FIELDS = frozenset({"parameters", "tools"})
"""The columns of a conversation that hold JSON, or NULL."""


def as_conversation(row: sqlite3.Row) -> Conversation:
    """The conversation of a row of `CONVERSATION`."""
    fields: dict[str, Any] = dict(row)
    for name in JSON_FIELDS:
        fields[name] = None if fields[name] is None else json.loads(fields[name])
    fields["pinned"], fields["archived"] = bool(fields["pinned"]), bool(fields["archived"])
    fields["tags"] = tuple(sorted(json.loads(fields["tags"]), key=str.casefold))
    return Conversation(**fields)


def as_message(row: sqlite3.Row) -> StoredMessage:
    """The message of a row of `MESSAGE`."""
    identity, conversation, parent, role, text, status, created, details = row
    return StoredMessage(identity, conversation, parent, role, text, status, created, json.loads(details))


def as_json(value: Any) -> str | None:
    """A column of `JSON_FIELDS`."""
    return None if value is None else storable(json.dumps(value, ensure_ascii=False))


def insert_message(
    connection: sqlite3.Connection,
    conversation: int,
    parent: int | None,
    role: Role,
    text: str,
    status: Status,
    created: float,
    details: dict[str, Any],
) -> StoredMessage:
    """Save a new message. Its place must have been checked."""
    streaming = status == "streaming"
    row = connection.execute(
        "INSERT INTO messages (conversation, parent, role, text, status, created, details, writer, beat)"
        f" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING {MESSAGE}",
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
    return as_message(row)


def no_conversation(conversation_id: int) -> StorageError:
    """The error for a conversation that is not there, or was deleted."""
    return StorageError(f"there is no conversation {conversation_id}", "it may have been deleted from another window")


def no_message(message_id: int) -> StorageError:
    """The error for a message that is not there, or was deleted."""
    return StorageError(
        f"there is no message {message_id} in this conversation", "it may have been deleted from another window"
    )
