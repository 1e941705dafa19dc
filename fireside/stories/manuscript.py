"""A manuscript: pieces of text on a branching timeline. Pure values; every act gives a new manuscript.

Pieces form a tree and are never taken out of it. What is read is the path from a root to the `head`. Each act (write,
continue, retry, edit, turn to an alternative) moves the head, and `steps` remembers where it was, for undo and redo.
`spans` changes a stretch of what is read; `timeline` shows the tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Author = Literal["prompt", "model", "person", "edited"]
"""prompt: the story's first text. model: written by the model. person: written by the person. edited: the model's text,
changed by the person."""


@dataclass(frozen=True)
class Piece:
    """A stretch of text by one author. `parent` is the piece before it, None at the beginning.

    scene, beat: the nodes of the outline whose prose it is, None where it belongs to none.
    """

    id: int
    parent: int | None
    author: Author
    text: str
    scene: int | None = None
    beat: int | None = None


@dataclass(frozen=True)
class Manuscript:
    """The pieces, and where reading them has been.

    pieces: all of them, by id. steps: the heads so far, oldest first (None: the empty page). position: which of the
    steps is the head now; the ones after it can be redone. bookmarks: heads the person gave a name.
    """

    pieces: Mapping[int, Piece] = field(default_factory=dict)
    steps: tuple[int | None, ...] = (None,)
    position: int = 0
    bookmarks: Mapping[str, int] = field(default_factory=dict)

    @property
    def head(self) -> int | None:
        """The last piece of what is read, None on the empty page."""
        return self.steps[self.position]


def path_to(manuscript: Manuscript, head: int | None) -> list[Piece]:
    """The pieces from the beginning to `head`, in order."""
    found: list[Piece] = []
    while head is not None:
        found.append(manuscript.pieces[head])
        head = found[-1].parent
    return found[::-1]


def path(manuscript: Manuscript) -> list[Piece]:
    """The pieces that are read, in order."""
    return path_to(manuscript, manuscript.head)


def text(manuscript: Manuscript) -> str:
    """What is read, as one text."""
    return "".join(piece.text for piece in path(manuscript))


def piece_at(manuscript: Manuscript, offset: int) -> Piece | None:
    """The piece that holds the character at `offset` of what is read; None behind the end."""
    for piece in path(manuscript):
        if offset < len(piece.text):
            return piece
        offset -= len(piece.text)
    return None


def append(
    manuscript: Manuscript, author: Author, text: str, scene: int | None = None, beat: int | None = None
) -> Manuscript:
    """A piece after the last one. It is the head of the result."""
    return with_path(manuscript, manuscript.head, [Piece(0, None, author, text, scene, beat)])


def append_alternative(manuscript: Manuscript, author: Author, text: str) -> Manuscript:
    """A piece in the last one's place, for the same scene and beat; the last one stays as its alternative.

    Raises ValueError on the empty page.
    """
    last = _last(manuscript)
    return with_path(manuscript, last.parent, [replace(last, author=author, text=text)])


def grow(manuscript: Manuscript, text: str, piece_id: int | None = None) -> Manuscript:
    """The piece (the last one if None) with `text` in place of its own: for text that is still being written.

    No step of its own.
    """
    piece = _last(manuscript) if piece_id is None else manuscript.pieces[piece_id]
    return replace(manuscript, pieces={**manuscript.pieces, piece.id: replace(piece, text=text)})


def edit(manuscript: Manuscript, piece_id: int, text: str) -> Manuscript:
    """The manuscript with another text for a piece that is read. The old one stays as an alternative, and what comes
    after it is read on after the new one. Raises ValueError for a piece that is not on the path.
    """
    pieces = path(manuscript)
    place = _place(pieces, piece_id)
    old = pieces[place]
    if old.text == text:
        return manuscript
    author: Author = "edited" if old.author == "model" else old.author
    return with_path(manuscript, old.parent, [replace(old, author=author, text=text), *pieces[place + 1 :]])


def alternatives(manuscript: Manuscript, piece_id: int | None = None) -> list[int]:
    """The pieces that could stand in the place of `piece_id` (the last one if None), itself among them, oldest first.

    Of those with the same text only one counts: the one that is read, or else the newest. Empty on the empty page.
    """
    if piece_id is None:
        piece_id = manuscript.head
    if piece_id is None:
        return []
    parent = manuscript.pieces[piece_id].parent
    siblings = sorted(piece.id for piece in manuscript.pieces.values() if piece.parent == parent)
    read = {piece.id for piece in path(manuscript)}
    first: dict[str, int] = {}
    chosen: dict[str, int] = {}
    for sibling in siblings:
        words = manuscript.pieces[sibling].text
        first.setdefault(words, sibling)
        if chosen.get(words) not in read:
            chosen[words] = sibling
    return [chosen[words] for words in sorted(chosen, key=first.__getitem__)]


def turn(manuscript: Manuscript, by: int, piece_id: int | None = None) -> Manuscript:
    """Read the next (`by` 1) or previous (-1) alternative of a piece that is read, and after it what was read after it
    the last time; at the last piece (None), that alternative alone. Unchanged where there is none.

    Raises ValueError for a piece that is not on the path.
    """
    chosen = _alternative(manuscript, by, piece_id)
    if chosen is None:
        return manuscript
    if piece_id is None or piece_id == manuscript.head:
        return go_to(manuscript, chosen)
    return go_to(manuscript, last_read(manuscript, chosen))


def swap(manuscript: Manuscript, by: int, piece_id: int) -> Manuscript:
    """The next or previous alternative in the place of a piece that is read, and after it what is read now.

    For another wording in the middle, where `turn` would go to another branch. Unchanged where there is none. Raises
    ValueError for a piece that is not on the path.
    """
    chosen = _alternative(manuscript, by, piece_id)
    if chosen is None:
        return manuscript
    pieces = path(manuscript)
    rest = pieces[_place(pieces, piece_id) + 1 :]
    last = last_read(manuscript, chosen)
    after = [piece for piece in path_to(manuscript, last) if piece.id not in {each.id for each in pieces}][1:]
    if [_words(piece) for piece in after] == [_words(piece) for piece in rest]:
        return go_to(manuscript, last)
    other = manuscript.pieces[chosen]
    return with_path(manuscript, other.parent, [other, *rest])


def undo(manuscript: Manuscript) -> Manuscript:
    """As it was before the last act; unchanged where there was none."""
    return replace(manuscript, position=max(0, manuscript.position - 1))


def redo(manuscript: Manuscript) -> Manuscript:
    """What was undone, or else the newest piece ever written after the last one; unchanged where there is none."""
    if manuscript.position + 1 < len(manuscript.steps):
        return replace(manuscript, position=manuscript.position + 1)
    later = [piece.id for piece in manuscript.pieces.values() if piece.parent == manuscript.head]
    return go_to(manuscript, max(later)) if later else manuscript


def go_to(manuscript: Manuscript, head: int | None) -> Manuscript:
    """Read the path to `head`, as a new step; steps that could have been redone are forgotten, their pieces are not."""
    steps = (*manuscript.steps[: manuscript.position + 1], head)
    return replace(manuscript, steps=steps, position=len(steps) - 1)


def last_read(manuscript: Manuscript, piece_id: int) -> int:
    """Where reading on from a piece ended the last time; where it was never read on, at its newest text."""
    below: dict[int | None, list[int]] = {}
    for piece in manuscript.pieces.values():
        below.setdefault(piece.parent, []).append(piece.id)
    inside, waiting = {piece_id}, [piece_id]
    while waiting:
        waiting += (children := below.get(waiting.pop(), []))
        inside.update(children)
    for head in reversed(manuscript.steps):
        if head in inside:
            return head
    while piece_id in below:
        piece_id = max(below[piece_id])
    return piece_id


def with_path(manuscript: Manuscript, parent: int | None, pieces: Iterable[Piece]) -> Manuscript:
    """New pieces one behind the other after `parent`, the last one the head, as one step.

    Of each of `pieces`, author, text, scene and beat count; ids and parents are new.
    """
    renewed = dict(manuscript.pieces)
    new_id = max(renewed, default=0)
    for piece in pieces:
        new_id += 1
        renewed[new_id] = replace(piece, id=new_id, parent=parent)
        parent = new_id
    return go_to(replace(manuscript, pieces=renewed), parent)


def _last(manuscript: Manuscript) -> Piece:
    if manuscript.head is None:
        raise ValueError("the manuscript is empty")
    return manuscript.pieces[manuscript.head]


def _place(pieces: list[Piece], piece_id: int) -> int:
    place = next((index for index, piece in enumerate(pieces) if piece.id == piece_id), None)
    if place is None:
        raise ValueError(f"piece {piece_id} is not part of what is read")
    return place


def _alternative(manuscript: Manuscript, by: int, piece_id: int | None) -> int | None:
    """The alternative so many places further, None where there is none."""
    if manuscript.head is None:
        return None
    current = manuscript.head if piece_id is None else piece_id
    _place(path(manuscript), current)
    choices = alternatives(manuscript, current)
    place = choices.index(current) + by
    return choices[place] if 0 <= place < len(choices) else None


def _words(piece: Piece) -> tuple[object, ...]:
    """What makes two pieces the same to a reader."""
    return piece.author, piece.text, piece.scene, piece.beat
