"""The open database of conversations, which every part of the store works on."""

from __future__ import annotations

from pathlib import Path

from fireside.conversations.migrations import APPLICATION_ID, MIGRATIONS
from fireside.conversations.rows import CONVERSATION, as_conversation, no_conversation
from fireside.conversations.types import Conversation
from fireside.database import Database


class OpenedConversations:
    """One database file with conversations."""

    def __init__(self, path: Path) -> None:
        """Open or create the database at `path`. A damaged file, or a newer Fireside's, is refused and left alone."""
        self._database = Database(path, application_id=APPLICATION_ID, migrations=MIGRATIONS)
        # What was deleted through this store, and is erased with it: conversations by id, branches by their time.
        self._deleted_here: set[int] = set()
        self._removed_here: set[float] = set()

    def get(self, conversation_id: int) -> Conversation:
        """The conversation with this id."""
        rows = self._database.read(
            f"SELECT {CONVERSATION} FROM conversations WHERE id = ? AND deleted IS NULL", (conversation_id,)
        )
        if not rows:
            raise no_conversation(conversation_id)
        return as_conversation(rows[0])

    def close(self) -> None:
        """Close the database; the store is of no use afterwards. Calling it again does nothing."""
        self._database.close()
