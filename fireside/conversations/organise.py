"""Keeps conversations in order: listed, pinned, tagged, archived; deleted, brought back, and erased for good."""

from __future__ import annotations

import sqlite3
import time

from fireside.conversations.opened import OpenedConversations
from fireside.conversations.rows import CONVERSATION, as_conversation, no_conversation
from fireside.conversations.types import Conversation
from fireside.errors import StorageError
from fireside.text import for_terminal_line

_SPARED_SECONDS = 3600.0  # how long what another window deleted is left alone: it may still be brought back there
_LONGEST_TAG = 60


class OrganisedConversations(OpenedConversations):
    """The list of conversations, and what is done to one as a whole."""

    def conversations(
        self, limit: int = 200, offset: int = 0, *, archived: bool | None = False, tag: str | None = None
    ) -> list[Conversation]:
        """At most `limit` conversations from the place `offset` on: pinned first, then the one written to last.

        archived: only those that are, or are not, or None for both. tag: only those that have it, in whatever case.
        """
        conditions, parameters = ["deleted IS NULL"], []
        if archived is not None:
            conditions.append(f"archived = {int(archived)}")
        if tag is not None:
            conditions.append("id IN (SELECT conversation FROM tags WHERE tag = ?)")
            parameters.append(_tag(tag))
        rows = self._database.read(
            f"SELECT {CONVERSATION} FROM conversations WHERE {' AND '.join(conditions)}"
            " ORDER BY pinned DESC, updated DESC, id DESC LIMIT ? OFFSET ?",
            (*parameters, limit, offset),
        )
        return [as_conversation(row) for row in rows]

    def pin(self, conversation_id: int, pinned: bool = True) -> Conversation:
        """Keep a conversation at the top of the list, or let it go again."""
        return self._set(conversation_id, "pinned", pinned)

    def archive(self, conversation_id: int, archived: bool = True) -> Conversation:
        """Take a conversation out of the list without deleting it, or put it back. Search finds it all the same."""
        return self._set(conversation_id, "archived", archived)

    def tag(self, conversation_id: int, tag: str) -> Conversation:
        """Give a conversation a tag of at most 60 characters; one that it has already, in whatever case, stays."""
        named = _tag(tag)
        if not named:
            raise StorageError("a tag needs at least one character", "write a word")
        with self._database.transaction() as connection:
            _check(connection, conversation_id)
            connection.execute("INSERT OR IGNORE INTO tags VALUES (?, ?)", (conversation_id, named))
        return self.get(conversation_id)

    def untag(self, conversation_id: int, tag: str) -> Conversation:
        """Take a tag from a conversation; one that it has not is no error."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM tags WHERE conversation = ? AND tag = ?", (conversation_id, _tag(tag)))
        return self.get(conversation_id)

    def tags(self) -> list[tuple[str, int]]:
        """Every tag with the number of conversations that have it, in alphabetical order."""
        rows = self._database.read(
            "SELECT min(tags.tag) AS tag, count(*) AS count FROM tags JOIN conversations ON id = conversation"
            " WHERE deleted IS NULL GROUP BY tags.tag ORDER BY tags.tag"
        )
        return [(row["tag"], row["count"]) for row in rows]

    def delete(self, conversation_id: int) -> None:
        """Delete a conversation: it is found nowhere, and `undelete` brings it back until it is purged.

        One that is gone already is no error.
        """
        with self._database.transaction() as connection:
            deleted = connection.execute(
                "UPDATE conversations SET deleted = ? WHERE id = ? AND deleted IS NULL", (time.time(), conversation_id)
            ).rowcount
        if deleted:
            self._deleted_here.add(conversation_id)

    def undelete(self, conversation_id: int) -> Conversation:
        """Bring back a deleted conversation as it was; one that is not deleted stays as it is."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE conversations SET deleted = NULL WHERE id = ?", (conversation_id,))
        self._deleted_here.discard(conversation_id)
        return self.get(conversation_id)

    def purge(self) -> list[int]:
        """Erase what was deleted, for good, and what the engine keeps of any conversation on disk.

        Returns the ids of the conversations that are gone.

        Called when Fireside begins and when it ends. What was deleted through this store is erased, and what was
        deleted elsewhere more than an hour ago: until then another window may still bring it back.
        """
        before = time.time() - _SPARED_SECONDS
        with self._database.transaction() as connection:
            rows = connection.execute("SELECT id, deleted FROM conversations WHERE deleted IS NOT NULL").fetchall()
            erased = [row["id"] for row in rows if row["id"] in self._deleted_here or row["deleted"] < before]
            for conversation in erased:
                connection.execute("DELETE FROM messages WHERE conversation = ?", (conversation,))
                connection.execute("DELETE FROM conversations WHERE id = ?", (conversation,))
            rows = connection.execute("SELECT DISTINCT removed FROM messages WHERE removed IS NOT NULL").fetchall()
            times = [row[0] for row in rows if row[0] in self._removed_here or row[0] < before]
            for removed in times:
                # With all below it: another branch may have been removed from this one before.
                connection.execute(
                    """
                    WITH RECURSIVE below (id) AS (
                        SELECT id FROM messages WHERE removed = ?
                        UNION
                        SELECT messages.id FROM messages JOIN below ON messages.parent = below.id
                    ) DELETE FROM messages WHERE id IN (SELECT id FROM below)
                    """,
                    (removed,),
                )
        self._deleted_here.clear()
        self._removed_here.clear()
        if erased or times:
            from fireside.models.gguf.states import forget_all

            forget_all()
        return erased

    def _set(self, conversation_id: int, column: str, value: bool) -> Conversation:
        with self._database.transaction() as connection:
            _check(connection, conversation_id)
            connection.execute(f"UPDATE conversations SET {column} = ? WHERE id = ?", (int(value), conversation_id))
        return self.get(conversation_id)


def _check(connection: sqlite3.Connection, conversation_id: int) -> None:
    row = connection.execute("SELECT 1 FROM conversations WHERE id = ? AND deleted IS NULL", (conversation_id,))
    if row.fetchone() is None:
        raise no_conversation(conversation_id)


def _tag(tag: str) -> str:
    return for_terminal_line(tag, _LONGEST_TAG)
