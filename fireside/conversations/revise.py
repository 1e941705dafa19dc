"""Edits messages in place, keeping what they were as revisions."""

from __future__ import annotations

import json
import sqlite3
import time
from typing import Any

from fireside.conversations.opened import OpenedConversations
from fireside.conversations.rows import MESSAGE, SHOWN, as_message, no_message
from fireside.conversations.types import Revision, StoredMessage
from fireside.database import storable
from fireside.errors import StorageError

_EDITED = "edited"


class RevisedMessages(OpenedConversations):
    """Messages whose text is replaced where they stand: what follows them stays."""

    def rewrite(self, message_id: int, text: str) -> StoredMessage:
        """Replace the text of any message; it counts as complete then, and its details tell when it was `edited`.

        The old text becomes a revision. A message that is being written is refused; the same text changes nothing.
        """
        now = time.time()
        with self._database.transaction() as connection:
            old = _finished(connection, message_id)
            if storable(text) == old.text:
                return old
            connection.execute(
                "INSERT INTO revisions (message, text, status, created) VALUES (?, ?, ?, ?)",
                (message_id, old.text, old.status, now),
            )
            return _set(connection, old, storable(text), "complete", {**old.details, _EDITED: now})

    def revert(self, message_id: int) -> StoredMessage:
        """Give a message the text and status it had before its last edit in place. Without one, it stays as it is."""
        with self._database.transaction() as connection:
            old = _finished(connection, message_id)
            last = connection.execute(
                "DELETE FROM revisions WHERE id = (SELECT max(id) FROM revisions WHERE message = ?)"
                " RETURNING text, status",
                (message_id,),
            ).fetchone()
            if last is None:
                return old
            before = connection.execute(
                "SELECT created FROM revisions WHERE message = ? ORDER BY id DESC LIMIT 1", (message_id,)
            ).fetchone()
            details = {name: value for name, value in old.details.items() if name != _EDITED}
            if before is not None:
                details[_EDITED] = before["created"]
            return _set(connection, old, last["text"], last["status"], details)

    def revisions(self, message_id: int) -> list[Revision]:
        """What a message was before each of its edits in place, the oldest first."""
        rows = self._database.read(
            "SELECT id, message, text, status, created FROM revisions WHERE message = ? ORDER BY id", (message_id,)
        )
        return [Revision(**dict(row)) for row in rows]


def _finished(connection: sqlite3.Connection, message_id: int) -> StoredMessage:
    row = connection.execute(f"SELECT {MESSAGE} FROM messages WHERE id = ? AND {SHOWN}", (message_id,)).fetchone()
    if row is None:
        raise no_message(message_id)
    if row["status"] == "streaming":
        raise StorageError("this message is still being written", "stop it first")
    return as_message(row)


def _set(
    connection: sqlite3.Connection, old: StoredMessage, text: str, status: str, details: dict[str, Any]
) -> StoredMessage:
    row = connection.execute(
        f"UPDATE messages SET text = ?, status = ?, details = ? WHERE id = ? RETURNING {MESSAGE}",
        (text, status, json.dumps(details), old.id),
    ).fetchone()
    connection.execute("UPDATE conversations SET updated = ? WHERE id = ?", (time.time(), old.conversation))
    return as_message(row)
