"""Filters on documents: which files a search looks into, by path, type, date, title and tags; resolved in SQLite."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice

from fireside.database import Database
from fireside.errors import DocumentError

FEW_CHUNKS = 2000
"""Up to so many chunks a filter is narrow: their ids are listed, and each of them is compared with the question."""


@dataclass(frozen=True)
class Filters:
    """What a document has to be; every condition that is given has to hold.

    path: a pattern of the whole path, or of its end where it does not begin with "/": `*` stands for any characters,
    "/" included, `?` for one, `[...]` for one of these. types: endings of the file's name, any of them, in any case
    (".pdf", "md"). since, until: days of the file's last change by the local clock, both included. title: a part of the
    title (ASCII letters in any case). tags: the document carries all of them.
    """

    path: str | None = None
    types: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    title: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kept:
    """The chunks that a filter keeps. count: how many; of_all: how many the library holds. ids: which, where they are
    few. documents, parameters: a condition of SQL on the table `documents`, and what its question marks stand for."""

    count: int
    of_all: int
    ids: tuple[int, ...] | None
    documents: str
    parameters: tuple[object, ...]

    def holds(self, column: str) -> tuple[str, tuple[object, ...]]:
        """A condition of SQL that the chunk id in `column` is kept, and its parameters."""
        if self.ids is not None:
            # The plus sign keeps FTS5 from looking up each id by itself.
            return f"+{column} IN (SELECT value FROM json_each(?))", (json.dumps(self.ids),)
        # A look at the chunk of each row that comes up is cheaper than a list of all that are kept.
        return (
            f"(SELECT document FROM chunks WHERE id = {column}) IN (SELECT id FROM documents WHERE {self.documents})",
            self.parameters,
        )


def kept_by(database: Database, filters: Filters | None) -> Kept | None:
    """The chunks these filters keep; None where nothing is asked of them. Raises DocumentError, StorageError."""
    condition, parameters = _condition(filters or Filters())
    if not condition:
        return None
    inside = f"document IN (SELECT id FROM documents WHERE {condition})"
    ((count, of_all),) = database.read(
        f"SELECT (SELECT count(*) FROM chunks WHERE {inside}), (SELECT count(*) FROM chunks)", parameters
    )
    ids = None
    if count <= FEW_CHUNKS:
        ids = tuple(
            chunk for (chunk,) in database.read(f"SELECT id FROM chunks WHERE {inside} ORDER BY id", parameters)
        )
        count = len(ids)  # another process may have added some in between
    return Kept(count, of_all, ids, condition, tuple(parameters))


def _condition(filters: Filters) -> tuple[str, list[object]]:
    """A condition of SQL on `documents`, empty where nothing is asked, and its parameters."""
    parts: list[str] = []
    parameters: list[object] = []
    if filters.path:
        parts.append("path GLOB ?")
        parameters.append(filters.path if filters.path.startswith("/") else f"*/{filters.path}")
    if filters.types:
        parts.append("(" + " OR ".join(["path LIKE ? ESCAPE '\\'"] * len(filters.types)) + ")")
        parameters += [f"%.{_literal(ending.removeprefix('.'))}" for ending in filters.types]
    if filters.since:
        parts.append("mtime >= ?")
        parameters.append(_midnight(filters.since))
    if filters.until:
        parts.append("mtime < ?")
        parameters.append(_midnight(filters.until + timedelta(days=1)))
    if filters.since and filters.until and filters.since > filters.until:
        raise DocumentError(f"no day is both since {filters.since} and until {filters.until}", "swap the two dates")
    if filters.title:
        parts.append("title LIKE ? ESCAPE '\\'")
        parameters.append(f"%{_literal(filters.title)}%")
    for tag in filters.tags:
        parts.append("path IN (SELECT path FROM tags WHERE tag = ?)")
        parameters.append(tag)
    return " AND ".join(parts), parameters


def _literal(text: str) -> str:
    """The text for a pattern of LIKE, in which it stands for itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _midnight(day: date) -> float:
    """The first second of a day by the local clock, in seconds since the epoch."""
    return datetime.combine(day, time()).timestamp()


def first_kept(database: Database, kept: Kept, chunks: Iterable[int], limit: int) -> list[int]:
    """The first `limit` of these chunks that are kept, in their order."""
    found: list[int] = []
    ordered = iter(chunks)
    # As many as should do, and half as many again.
    while len(found) < limit and (
        part := list(islice(ordered, 50 + 3 * (limit - len(found)) * kept.of_all // (2 * max(kept.count, 1))))
    ):
        condition, parameters = kept.holds("value")
        rows = database.read(f"SELECT value FROM json_each(?) WHERE {condition}", (json.dumps(part), *parameters))
        inside = {chunk for (chunk,) in rows}
        found += [chunk for chunk in part if chunk in inside]
    return found[:limit]


def all_kept(database: Database, kept: Kept) -> list[int]:
    """The ids of all the chunks that are kept."""
    if kept.ids is not None:
        return list(kept.ids)
    inside = f"document IN (SELECT id FROM documents WHERE {kept.documents})"
    return [chunk for (chunk,) in database.read(f"SELECT id FROM chunks WHERE {inside} ORDER BY id", kept.parameters)]
