"""The branches of a manuscript as the rows of a tree, and the bookmarks that name places in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fireside.stories.manuscript import Manuscript, Piece, go_to, path
from fireside.stories.prose import word_count

_EXCERPT = 60  # characters


@dataclass(frozen=True)
class TimelineRow:
    """A stretch of pieces between two forks.

    first, last: its pieces' ids; reading up to `last` is `go_to(manuscript, last)`. depth: how many forks lie before
    it. words: in the stretch. excerpt: its first words on one line. read: it is part of what is read. here: what is
    read ends in it. bookmarks: names given to places in it.
    """

    first: int
    last: int
    depth: int
    words: int
    excerpt: str
    read: bool
    here: bool
    bookmarks: tuple[str, ...]


def timeline(manuscript: Manuscript) -> list[TimelineRow]:
    """All branches, each stretch followed by those that fork off at its end, the oldest first."""
    below: dict[int | None, list[Piece]] = {}
    for piece in sorted(manuscript.pieces.values(), key=lambda each: each.id):
        below.setdefault(piece.parent, []).append(piece)
    names: dict[int, list[str]] = {}
    for name, head in sorted(manuscript.bookmarks.items()):
        names.setdefault(head, []).append(name)
    read = {piece.id for piece in path(manuscript)}
    ends = {*names, manuscript.head}
    rows: list[TimelineRow] = []
    waiting = [(piece, 0) for piece in reversed(below.get(None, []))]
    while waiting:
        piece, depth = waiting.pop()
        run = [piece]
        # A bookmark and the end of what is read are ends of a stretch too: a row is a place to go to.
        while len(after := below.get(run[-1].id, [])) == 1 and run[-1].id not in ends:
            run.append(after[0])
        rows.append(_row(run, depth, read, manuscript.head, names))
        deeper = depth + (len(after) > 1)
        waiting += [(child, deeper) for child in reversed(after)]
    return rows


def bookmark(manuscript: Manuscript, name: str) -> Manuscript:
    """Give the end of what is read a name; a name given before moves here. Raises ValueError on the empty page."""
    if manuscript.head is None:
        raise ValueError("the manuscript is empty")
    return replace(manuscript, bookmarks={**manuscript.bookmarks, name: manuscript.head})


def without_bookmark(manuscript: Manuscript, name: str) -> Manuscript:
    """Forget a name; the text stays."""
    return replace(manuscript, bookmarks={each: head for each, head in manuscript.bookmarks.items() if each != name})


def to_bookmark(manuscript: Manuscript, name: str) -> Manuscript:
    """Read up to the place called `name`, as a new step. Raises KeyError."""
    return go_to(manuscript, manuscript.bookmarks[name])


def _row(run: list[Piece], depth: int, read: set[int], head: int | None, names: Mapping[int, list[str]]) -> TimelineRow:
    whole = "".join(piece.text for piece in run)
    first = " ".join(whole[: 4 * _EXCERPT].split())
    return TimelineRow(
        run[0].id,
        run[-1].id,
        depth,
        word_count(whole),
        first if len(first) <= _EXCERPT else first[: _EXCERPT - 1] + "…",
        run[0].id in read,
        any(piece.id == head for piece in run),
        tuple(name for piece in run for name in names.get(piece.id, ())),
    )
