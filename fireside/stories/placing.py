"""Where the prose of chapters, scenes and beats stands in what is read, and where that of others would go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from fireside.stories.manuscript import Manuscript, Piece, path, with_path
from fireside.stories.outline import Kind, Node, Outline, ancestor, walk
from fireside.stories.prose import joined


@dataclass(frozen=True)
class Stretch:
    """The prose of one node, from `start` to `end` (characters of what is read)."""

    node: Node
    start: int
    end: int


def stretches(outline: Outline, manuscript: Manuscript, kind: Kind) -> list[Stretch]:
    """The prose of the nodes of `kind`, in reading order. Each begins at its first word and goes to the next one's
    beginning; pieces that belong to no node go with what stands before them, and text before the first is in none."""
    found: list[Stretch] = []
    offset = 0
    for piece in path(manuscript):
        node = ancestor(outline, piece.beat, kind) or ancestor(outline, piece.scene, kind)
        # A scene's prose that belongs to none of its beats ends the beat before it, if that is of the same scene.
        if node is not None and piece.text.strip() and (not found or found[-1].node.id != node.id):
            start = offset + len(piece.text) - len(piece.text.lstrip())
            if found:
                found[-1] = replace(found[-1], end=start)
            found.append(Stretch(node, start, start))
        offset += len(piece.text)
        if found:
            found[-1] = replace(found[-1], end=offset)
    return found


def written(outline: Outline, manuscript: Manuscript) -> dict[int, str]:
    """The prose of each beat that has any, by its id."""
    found: dict[int, str] = {}
    for piece in path(manuscript):
        if piece.beat in outline.nodes and piece.beat is not None:
            found[piece.beat] = found.get(piece.beat, "") + piece.text
    return {beat: prose for beat, prose in found.items() if prose.strip()}


def place_for(outline: Outline, manuscript: Manuscript, node_id: int) -> int:
    """Where new prose of a node goes (characters of what is read): behind all that stands before it in the outline and
    behind its own, in front of what comes later. Raises KeyError."""
    below = [node.id for node in walk(outline, outline.nodes[node_id].id)]
    ranks = _ranks(outline)
    wanted = max(ranks[each] for each in (node_id, *below))
    pieces = path(manuscript)
    offset = 0
    for piece, rank in zip(pieces, _ranked(outline, pieces), strict=True):
        if rank > wanted:
            return offset
        offset += len(piece.text)
    return offset


def arranged(outline: Outline, manuscript: Manuscript) -> Manuscript:
    """The prose in the order of the outline, as one step; unchanged where it is already.

    Pieces that belong to no node stay behind what they stand behind.
    """
    pieces = path(manuscript)
    ranks = _ranked(outline, pieces)
    order = sorted(range(len(pieces)), key=lambda place: ranks[place])
    if order == list(range(len(pieces))):
        return manuscript
    first = next(place for place, origin in enumerate(order) if place != origin)
    read = "".join(piece.text for piece in pieces[:first])
    moved: list[Piece] = []
    for place in range(first, len(order)):
        piece = pieces[order[place]]
        if place == 0 or order[place] != order[place - 1] + 1:
            piece = replace(piece, text=joined(read, piece.text) if read else piece.text.lstrip())
        moved.append(piece)
        read += piece.text
    return with_path(manuscript, pieces[first - 1].id if first else None, moved)


def _ranks(outline: Outline) -> dict[int, int]:
    """Each node's place in reading order, from 0."""
    return {node.id: rank for rank, node in enumerate(walk(outline))}


def _ranked(outline: Outline, pieces: Iterable[Piece]) -> list[int]:
    """The place in the outline that each piece's prose stands at; -1 for what stands before all of it."""
    ranks = _ranks(outline)
    found: list[int] = []
    last, scene = -1, None
    for piece in pieces:
        if piece.beat in ranks and piece.beat is not None:
            last = ranks[piece.beat]
            scene = outline.nodes[piece.beat].parent
        elif piece.scene in ranks and piece.scene is not None and piece.scene != scene:
            last, scene = ranks[piece.scene], piece.scene
        found.append(last)
    return found
