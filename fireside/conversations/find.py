"""Finds words in all conversations and in one.

Every match of common words cannot be ranked in time: in 100,000 messages that all hold "the", bm25 would score each
of them. So the newest matches are taken first, which the index gives in order and at once, and of these the best
come first. Where fewer match, that is the rank of them all.
"""

from __future__ import annotations

from collections.abc import Sequence

from fireside.conversations.opened import OpenedConversations
from fireside.conversations.rows import SHOWN
from fireside.conversations.types import SearchFilter, SearchHit
from fireside.conversations.words import Words, asked, excerpt
from fireside.text import for_terminal_line

_RANKED = 2000  # the newest matches, of which the best are found
_EVERYTHING = SearchFilter()


class SearchedConversations(OpenedConversations):
    """Full-text search. A deleted conversation or branch, and a reply that is being written, are not found."""

    def search(self, query: str, limit: int = 50, offset: int = 0, only: SearchFilter = _EVERYTHING) -> list[SearchHit]:
        """Titles, then messages, that hold every word of `query`, the best of the newest first.

        Words in double quotes are looked for as they stand together; the last word may be a beginning. Case and accents
        make no difference. No query is an error; one without a word finds nothing.
        """
        words = asked(query)
        if words is None or limit <= 0:
            return []
        titles = [] if only.role is not None else self._titles(words, limit + offset, only)
        wanted = max(0, limit + offset - len(titles))
        found = titles + self._messages(self._best(words, wanted, only), words)
        return found[offset : offset + limit]

    def find(self, conversation_id: int, query: str, limit: int = 1000) -> list[SearchHit]:
        """The messages of one conversation, in order of creation, that hold every word of `query`."""
        words = asked(query)
        if words is None:
            return []
        rows = self._database.read(
            f"""
            SELECT messages.id FROM message_words CROSS JOIN messages ON messages.id = message_words.rowid
            WHERE message_words MATCH ?1
                AND message_words.rowid >= (SELECT min(id) FROM messages WHERE conversation = ?2)
                AND message_words.rowid <= (SELECT max(id) FROM messages WHERE conversation = ?2)
                AND messages.conversation = ?2 AND {SHOWN}
            ORDER BY message_words.rowid LIMIT ?3
            """,
            (words.match, conversation_id, limit),
        )
        return self._messages([row["id"] for row in rows], words)

    def _titles(self, words: Words, limit: int, only: SearchFilter) -> list[SearchHit]:
        conditions, parameters = _conversation_conditions(only)
        conditions += ["created >= ?"] * (only.since is not None) + ["created < ?"] * (only.until is not None)
        parameters += [each for each in (only.since, only.until) if each is not None]
        rows = self._database.read(
            "SELECT id, conversations.title AS title, created"
            " FROM title_words JOIN conversations ON id = title_words.rowid"
            f" WHERE title_words MATCH ? AND {' AND '.join(['deleted IS NULL', *conditions])} ORDER BY rank LIMIT ?",
            (words.match, *parameters, limit),
        )
        hits = []
        for row in rows:
            line, spans, start = excerpt(row["title"], words)
            hits.append(SearchHit(row["id"], row["title"], None, line, row["created"], None, start, spans))
        return hits

    def _best(self, words: Words, limit: int, only: SearchFilter) -> list[int]:
        """The ids of at most `limit` messages."""
        conditions, parameters = _conversation_conditions(only)
        if conditions:
            chosen = f"SELECT id FROM conversations WHERE {' AND '.join(conditions)}"
            if not self._database.read(f"{chosen} LIMIT 1", parameters):
                return []
            conditions = [f"+messages.conversation IN ({chosen})"]
        for column, value in (("role =", only.role), ("created >=", only.since), ("created <", only.until)):
            if value is not None:
                conditions.append(f"messages.{column} ?")
                parameters.append(value)
        rows = self._database.read(
            f"""
            SELECT id FROM (
                SELECT messages.id AS id, bm25(message_words) AS score
                FROM message_words
                CROSS JOIN messages INDEXED BY messages_found ON messages.id = message_words.rowid
                WHERE message_words MATCH ? AND {" AND ".join([SHOWN, *conditions])}
                ORDER BY message_words.rowid DESC LIMIT {_RANKED}
            ) ORDER BY score, id DESC LIMIT ?
            """,
            (words.match, *parameters, limit),
        )
        return [row["id"] for row in rows]

    def _messages(self, ids: Sequence[int], words: Words) -> list[SearchHit]:
        """The hits of these messages, in their order."""
        rows = {}
        for begin in range(0, len(ids), 500):
            some = ids[begin : begin + 500]
            for row in self._database.read(
                "SELECT messages.id, conversation, role, text, messages.created AS created, title"
                " FROM messages JOIN conversations ON conversations.id = conversation"
                f" WHERE messages.id IN ({', '.join('?' * len(some))})",
                some,
            ):
                rows[row["id"]] = row
        hits = []
        for each in ids:
            if each not in rows:  # another window has erased it in between
                continue
            row = rows[each]
            line, spans, start = excerpt(row["text"], words)
            hits.append(
                SearchHit(row["conversation"], row["title"], each, line, row["created"], row["role"], start, spans)
            )
        return hits


def _conversation_conditions(only: SearchFilter) -> tuple[list[str], list[object]]:
    conditions: list[str] = []
    parameters: list[object] = []
    if only.tag is not None:
        conditions.append("id IN (SELECT conversation FROM tags WHERE tag = ?)")
        parameters.append(for_terminal_line(only.tag, 60))
    if only.archived is not None:
        conditions.append("archived = ?")
        parameters.append(int(only.archived))
    return conditions, parameters
