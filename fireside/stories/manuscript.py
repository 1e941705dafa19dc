"""A manuscript: pieces of text on a branching timeline. Pure values; every act gives a new manuscript.

Pieces form a tree and are never taken out of it. What is read is the path from a root to the `head`. Each act (write,
continue, retry, edit, turn to an alternative) moves the head, and `steps` remembers where it was, for undo and redo.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Author = Literal["prompt", "model", "person", "edited"]
"""prompt: the story's first text. model: written by the model. person: written by the person. edited: the model's text,
changed by the person."""


@dataclass(frozen=True)
class Piece:
    """A stretch of text by one author. `parent` is the piece before it, None at the beginning."""

    id: int
    parent: int | None
    author: Author
    text: str


@dataclass(frozen=True)
class Manuscript:
    """The pieces, and where reading them has been.

    pieces: all of them, by id. steps: the heads so far, oldest first (None: the empty page). position: which of the
    steps is the head now; the ones after it can be redone.
    """

    pieces: Mapping[int, Piece] = field(default_factory=dict)
    steps: tuple[int | None, ...] = (None,)
    position: int = 0

    @property
    def head(self) -> int | None:
        """The last piece of what is read, None on the empty page."""
        return self.steps[self.position]


def path(manuscript: Manuscript) -> list[Piece]:
    """The pieces that are read, in order."""
    found: list[Piece] = []
    piece_id = manuscript.head
    while piece_id is not None:
        found.append(manuscript.pieces[piece_id])
        piece_id = found[-1].parent
    return found[::-1]


def text(manuscript: Manuscript) -> str:
    """What is read, as one text."""
    return "".join(piece.text for piece in path(manuscript))


def append(manuscript: Manuscript, author: Author, text: str) -> Manuscript:
    """A piece after the last one. It is the head of the result."""
    return _added(manuscript, manuscript.head, author, text)


def append_alternative(manuscript: Manuscript, author: Author, text: str) -> Manuscript:
    """A piece in the last one's place; the last one stays as its alternative. Raises ValueError on the empty page."""
    return _added(manuscript, _last(manuscript).parent, author, text)


def grow(manuscript: Manuscript, text: str) -> Manuscript:
    """The last piece with `text` in place of its own: for text that is still being written. No step of its own."""
    last = _last(manuscript)
    return replace(manuscript, pieces={**manuscript.pieces, last.id: replace(last, text=text)})


def edit(manuscript: Manuscript, piece_id: int, text: str) -> Manuscript:
    """The manuscript with another text for a piece that is read. The old one stays as an alternative, and what comes
    after it is read on after the new one. Raises ValueError for a piece that is not on the path.
    """
    pieces = path(manuscript)
    place = next((index for index, piece in enumerate(pieces) if piece.id == piece_id), None)
    if place is None:
        raise ValueError(f"piece {piece_id} is not part of what is read")
    old = pieces[place]
    if old.text == text:
        return manuscript
    author: Author = "edited" if old.author == "model" else old.author
    renewed = dict(manuscript.pieces)
    parent = old.parent
    for piece in (replace(old, author=author, text=text), *pieces[place + 1 :]):
        new_id = _next_id(renewed)
        renewed[new_id] = replace(piece, id=new_id, parent=parent)
        parent = new_id
    return _moved(replace(manuscript, pieces=renewed), parent)


def alternatives(manuscript: Manuscript) -> list[int]:
    """The pieces that could stand in the last one's place, itself among them, oldest first; empty on the empty page."""
    if manuscript.head is None:
        return []
    parent = manuscript.pieces[manuscript.head].parent
    return sorted(piece.id for piece in manuscript.pieces.values() if piece.parent == parent)


def turn(manuscript: Manuscript, by: int) -> Manuscript:
    """Read the next (`by` 1) or previous (-1) alternative of the last piece; unchanged where there is none."""
    choices = alternatives(manuscript)
    if manuscript.head is None:
        return manuscript
    place = choices.index(manuscript.head) + by
    return _moved(manuscript, choices[place]) if 0 <= place < len(choices) else manuscript


def undo(manuscript: Manuscript) -> Manuscript:
    """As it was before the last act; unchanged where there was none."""
    return replace(manuscript, position=max(0, manuscript.position - 1))


def redo(manuscript: Manuscript) -> Manuscript:
    """What was undone, or else the newest piece ever written after the last one; unchanged where there is none."""
    if manuscript.position + 1 < len(manuscript.steps):
        return replace(manuscript, position=manuscript.position + 1)
    later = [piece.id for piece in manuscript.pieces.values() if piece.parent == manuscript.head]
    return _moved(manuscript, max(later)) if later else manuscript


def _last(manuscript: Manuscript) -> Piece:
    if manuscript.head is None:
        raise ValueError("the manuscript is empty")
    return manuscript.pieces[manuscript.head]


def _next_id(pieces: Mapping[int, Piece]) -> int:
    return max(pieces, default=0) + 1


def _added(manuscript: Manuscript, parent: int | None, author: Author, text: str) -> Manuscript:
    new = Piece(_next_id(manuscript.pieces), parent, author, text)
    return _moved(replace(manuscript, pieces={**manuscript.pieces, new.id: new}), new.id)


def _moved(manuscript: Manuscript, head: int | None) -> Manuscript:
    """The head is `head`, as a new step; steps that could have been redone are forgotten, their pieces are not."""
    steps = (*manuscript.steps[: manuscript.position + 1], head)
    return replace(manuscript, steps=steps, position=len(steps) - 1)
