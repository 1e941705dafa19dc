"""The tree of a conversation's messages: read whole, by path or by page, walked, and its branches removed."""

from __future__ import annotations

import sqlite3
import time

from fireside.conversations.opened import OpenedConversations
from fireside.conversations.rows import MESSAGE, SHOWN, as_message, no_message
from fireside.conversations.types import StoredMessage, TreeRow
from fireside.errors import StorageError
from fireside.text import for_terminal_line

_BEGINNING = 400  # characters of a message that the line of a tree view is looked for in
_LINE = 120  # characters of such a line
_WHOLE = -1  # as a limit: none


class MessageTree(OpenedConversations):
    """The messages of conversations. Those of a deleted conversation or a removed branch are not there."""

    def message(self, message_id: int) -> StoredMessage:
        """The message with this id."""
        rows = self._database.read(f"SELECT {MESSAGE} FROM messages WHERE id = ? AND {SHOWN}", (message_id,))
        if not rows:
            raise no_message(message_id)
        return as_message(rows[0])

    def messages(self, conversation_id: int) -> list[StoredMessage]:
        """Every message of a conversation, in order of creation: a parent comes before its children."""
        rows = self._database.read(
            f"SELECT {MESSAGE} FROM messages WHERE conversation = ? AND {SHOWN} ORDER BY id", (conversation_id,)
        )
        return [as_message(row) for row in rows]

    def path(self, message_id: int) -> list[StoredMessage]:
        """The messages from the root to this one, both included."""
        return self.tail(message_id, _WHOLE)

    def tail(self, message_id: int, limit: int) -> list[StoredMessage]:
        """The last `limit` messages of `path(message_id)`; what comes before them is not read."""
        rows = self._database.read(
            f"""
            WITH RECURSIVE above (id, parent, depth) AS (
                SELECT id, parent, 1 FROM messages WHERE id = ?1 AND {SHOWN}
                UNION ALL
                SELECT messages.id, messages.parent, depth + 1 FROM messages JOIN above ON messages.id = above.parent
                WHERE depth <> ?2
            )
            SELECT {MESSAGE} FROM messages JOIN (SELECT id AS above_id, depth FROM above) ON id = above_id
            ORDER BY depth DESC
            """,
            (message_id, limit),
        )
        if not rows:
            raise no_message(message_id)
        return [as_message(row) for row in rows]

    def earlier(self, message_id: int, limit: int) -> list[StoredMessage]:
        """The `limit` messages of the path before this one, the nearest last; none before a root."""
        parent = self.message(message_id).parent
        return [] if parent is None else self.tail(parent, limit)

    def siblings(self, message_id: int) -> list[StoredMessage]:
        """The messages with the same parent, in order of creation, this one among them."""
        this = self.message(message_id)
        return self._below(this.conversation, this.parent)

    def children(self, message_id: int) -> list[StoredMessage]:
        """The messages whose parent is this one, in order of creation."""
        return self._below(self.message(message_id).conversation, message_id)

    def places(self, conversation_id: int) -> dict[int, tuple[int, int]]:
        """Of each message that has siblings: its place among them, from 0, and how many they are.

        One query for the whole conversation; a message that is not in the answer stands alone.
        """
        rows = self._database.read(
            """
            SELECT parent, id FROM messages
            WHERE conversation = ?1 AND removed IS NULL AND (parent IS NULL OR parent IN (
                SELECT parent FROM messages WHERE conversation = ?1 AND removed IS NULL
                GROUP BY parent HAVING count(*) > 1
            )) ORDER BY id
            """,
            (conversation_id,),
        )
        families: dict[int | None, list[int]] = {}
        for row in rows:
            families.setdefault(row["parent"], []).append(row["id"])
        return {
            each: (place, len(family))
            for family in families.values()
            if len(family) > 1
            for place, each in enumerate(family)
        }

    def tree(self, conversation_id: int) -> list[TreeRow]:
        """Every message of a conversation as light as a tree view needs it, a parent before its children."""
        rows = self._database.read(
            f"SELECT id, parent, role, status, substr(text, 1, {_BEGINNING}) AS beginning FROM messages"
            f" WHERE conversation = ? AND {SHOWN} ORDER BY id",
            (conversation_id,),
        )
        return [
            TreeRow(row["id"], row["parent"], row["role"], row["status"], _first_line(row["beginning"])) for row in rows
        ]

    def select(self, message_id: int) -> StoredMessage:
        """Show this message: the head moves to the newest leaf below it (or to itself), which is returned."""
        with self._database.transaction() as connection:
            leaf = _newest_leaf(connection, "id = ?", (message_id,))
            if leaf is None:
                raise no_message(message_id)
            connection.execute("UPDATE conversations SET head = ? WHERE id = ?", (leaf.id, leaf.conversation))
        return leaf

    def remove_branch(self, message_id: int) -> StoredMessage | None:
        """Take a message and all below it out of the conversation; `restore_branch` brings them back until a purge.

        Where the head was among them, it moves to the newest leaf that is left beside or above them. Returns the
        message that is shown then, None where no message is left. A message that is being written is refused.
        """
        removed = time.time()
        with self._database.transaction() as connection:
            row = connection.execute(
                f"SELECT {MESSAGE} FROM messages WHERE id = ? AND {SHOWN}", (message_id,)
            ).fetchone()
            if row is None:
                raise no_message(message_id)
            message = as_message(row)
            writing = connection.execute(
                f"SELECT 1 FROM messages WHERE status = 'streaming' AND id IN ({_BELOW}) LIMIT 1", (message_id,)
            )
            if writing.fetchone():
                raise StorageError("a reply of this branch is still being written", "stop it first")
            connection.execute(
                f"UPDATE messages SET removed = ? WHERE removed IS NULL AND id IN ({_BELOW})", (removed, message_id)
            )
            shown = _shown(connection, message.conversation)
            if shown is None:
                above = "id = ?" if message.parent is not None else "conversation = ? AND parent IS NULL"
                shown = _newest_leaf(connection, above, (message.parent or message.conversation,))
                connection.execute(
                    "UPDATE conversations SET head = ? WHERE id = ?",
                    (None if shown is None else shown.id, message.conversation),
                )
        self._removed_here.add(removed)
        return shown

    def restore_branch(self, message_id: int) -> StoredMessage:
        """Bring back the branch that `remove_branch` took away with this message, and show it as `select` does."""
        with self._database.transaction() as connection:
            row = connection.execute("SELECT removed, parent FROM messages WHERE id = ?", (message_id,)).fetchone()
            if row is None:
                raise no_message(message_id)
            above = connection.execute("SELECT removed FROM messages WHERE id = ?", (row["parent"],)).fetchone()
            if above is not None and above["removed"] is not None:
                raise StorageError("the message above this branch was removed too", "bring that one back first")
            connection.execute(
                f"UPDATE messages SET removed = NULL WHERE removed = ? AND id IN ({_BELOW})",
                (row["removed"], message_id),
            )
        return self.select(message_id)

    def _below(self, conversation: int, parent: int | None) -> list[StoredMessage]:
        rows = self._database.read(
            f"SELECT {MESSAGE} FROM messages WHERE conversation = ? AND parent IS ? AND removed IS NULL ORDER BY id",
            (conversation, parent),
        )
        return [as_message(row) for row in rows]


_BELOW = """
WITH RECURSIVE below (id) AS (
    SELECT ? UNION ALL SELECT messages.id FROM messages JOIN below ON messages.parent = below.id
) SELECT id FROM below
"""


def _newest_leaf(connection: sqlite3.Connection, start: str, parameters: tuple[object, ...]) -> StoredMessage | None:
    """The newest leaf among and below the messages that the condition `start` holds of; None where there are none."""
    row = connection.execute(
        f"""
        WITH RECURSIVE below (id) AS (
            SELECT id FROM messages WHERE {start} AND {SHOWN}
            UNION ALL
            SELECT messages.id FROM messages JOIN below ON messages.parent = below.id WHERE messages.removed IS NULL
        )
        SELECT {MESSAGE} FROM messages WHERE id = (
            SELECT max(id) FROM below WHERE NOT EXISTS (
                SELECT 1 FROM messages AS child WHERE child.parent = below.id AND child.removed IS NULL
            )
        )
        """,
        parameters,
    ).fetchone()
    return None if row is None else as_message(row)


def _shown(connection: sqlite3.Connection, conversation: int) -> StoredMessage | None:
    """The conversation's head; None where it has none, or it was removed."""
    row = connection.execute(
        f"SELECT {MESSAGE} FROM messages WHERE removed IS NULL AND id = (SELECT head FROM conversations WHERE id = ?)",
        (conversation,),
    ).fetchone()
    return None if row is None else as_message(row)


def _first_line(beginning: str) -> str:
    line = next((line for line in beginning.splitlines() if line.strip()), "")[: 2 * _LINE]
    # What Python calls printable holds nothing that would be taken away: of 5,000 lines, nearly all, and far sooner.
    return " ".join(line[:_LINE].split()) if line.isprintable() else for_terminal_line(line, _LINE)
