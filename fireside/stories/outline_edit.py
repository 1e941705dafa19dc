"""Changes of an outline as a person makes them: a node up, down, in, out; all of it written anew as a text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from fireside.stories.outline import INSIDE, Kind, Node, Outline, children, move, walk

_ALIKE = 0.5  # of 1, as SequenceMatcher.ratio: a beat that was worded anew, and not another one
_OUTWARD: dict[Kind, Kind | None] = {"chapter": None, "scene": "chapter", "beat": "scene"}
_INWARD: dict[Kind, Kind | None] = {"chapter": "scene", "scene": "beat", "beat": None}


def up(outline: Outline, node_id: int) -> Outline:
    """The node one place earlier; the first of its chapter or scene goes to the end of the one before.

    Unchanged where there is none. Raises KeyError.
    """
    node = outline.nodes[node_id]
    if node.position > 0:
        return move(outline, node_id, node.parent, node.position - 1)
    holder = _beside(outline, node, -1)
    return outline if holder is None else move(outline, node_id, holder.id)


def down(outline: Outline, node_id: int) -> Outline:
    """The node one place later; the last of its chapter or scene goes to the beginning of the next one.

    Unchanged where there is none. Raises KeyError.
    """
    node = outline.nodes[node_id]
    if node.position + 1 < len(children(outline, node.parent)):
        return move(outline, node_id, node.parent, node.position + 1)
    holder = _beside(outline, node, 1)
    return outline if holder is None else move(outline, node_id, holder.id, 0)


def out(outline: Outline, node_id: int) -> Outline:
    """A beat becomes a scene, a scene a chapter. What is read keeps its order: what stood behind it, stands in it now.

    Unchanged for a chapter. Raises KeyError.
    """
    return _at_level(outline, node_id, _OUTWARD[outline.nodes[node_id].kind])


def into(outline: Outline, node_id: int) -> Outline:
    """A chapter becomes a scene of the chapter before it, a scene a beat of the scene before it, in the same order.

    Unchanged for a beat, and where nothing stands before it that could hold it. Raises KeyError.
    """
    node = outline.nodes[node_id]
    return outline if node.position == 0 else _at_level(outline, node_id, _INWARD[node.kind])


def rewritten(outline: Outline, wanted: Outline) -> Outline:
    """`wanted`, in which nodes that are those of `outline` keep their ids, and so the prose written for them.

    The same are: nodes of one title, in the same place or elsewhere; headings at the same place; beats of nearly the
    same words. What is not in `wanted` is gone.
    """
    ids: dict[int, int] = {}
    for kind in INSIDE:
        _match(ids, [each for each in walk(wanted) if each.kind == kind], outline, kind)
    next_id = outline.next_id
    found: list[Node] = []
    for node in walk(wanted):
        if node.id not in ids:
            ids[node.id] = next_id
            next_id += 1
        known = outline.nodes.get(ids[node.id])
        title = _title(node)
        # A beat's summary is not written down: see `outline_text.render`.
        summary = known.summary if known is not None and node.kind == "beat" else node.summary
        found.append(replace(node, id=ids[node.id], title=title, summary=summary))
    return _in_order(found, next_id)


def _beside(outline: Outline, node: Node, by: int) -> Node | None:
    """The chapter or scene before or behind the one that `node` stands in."""
    holders = [each for each in walk(outline) if each.kind == INSIDE[node.kind]]
    place = next((index for index, each in enumerate(holders) if each.id == node.parent), None)
    return holders[place + by] if place is not None and 0 <= place + by < len(holders) else None


def _at_level(outline: Outline, node_id: int, kind: Kind | None) -> Outline:
    if kind is None:
        return outline
    nodes = [replace(each, kind=kind) if each.id == node_id else each for each in walk(outline)]
    return _in_order([replace(each, title=each.title or each.summary) for each in nodes], outline.next_id)


def _in_order(nodes: Iterable[Node], next_id: int) -> Outline:
    """An outline of these nodes in reading order, each in the last one that can hold it; missing holders are made."""
    placed: dict[int, Node] = {}
    here: dict[Kind, int | None] = {"chapter": None, "scene": None, "beat": None}
    held: dict[int | None, int] = {}

    def put(node: Node) -> None:
        nonlocal next_id
        holder = INSIDE[node.kind]
        if holder is not None and here[holder] is None:
            next_id += 1
            put(Node(next_id - 1, holder, ""))
        parent = None if holder is None else here[holder]
        placed[node.id] = replace(node, parent=parent, position=held.get(parent, 0))
        held[parent] = held.get(parent, 0) + 1
        here[node.kind] = node.id
        if node.kind == "chapter":
            here["scene"] = None

    for node in nodes:
        put(node)
    return Outline(placed, next_id)


def _match(ids: dict[int, int], wanted: Sequence[Node], outline: Outline, kind: Kind) -> None:
    """Add to `ids`, by the ids of `wanted`, which nodes of `outline` they are."""
    left = [each for each in walk(outline) if each.kind == kind]

    def same_place(new: Node, old: Node) -> bool:
        return kind == "chapter" or (new.parent is not None and ids.get(new.parent) == old.parent)

    def same_title(new: Node, old: Node) -> bool:
        return bool(_title(new)) and _title(new).casefold() == _title(old).casefold()

    def same_in_place(new: Node, old: Node) -> bool:
        return same_place(new, old) and _title(new).casefold() == _title(old).casefold()

    def alike_in_place(new: Node, old: Node) -> bool:
        alike = kind != "beat" or SequenceMatcher(None, _title(new), _title(old)).ratio() >= _ALIKE
        return same_place(new, old) and alike

    for same in (same_in_place, same_title, alike_in_place):
        for new in wanted:
            old = None if new.id in ids else next((each for each in left if same(new, each)), None)
            if old is not None:
                ids[new.id] = old.id
                left.remove(old)


def _title(node: Node) -> str:
    """Its title as text writes it; the sign for a heading without one is none."""
    return "" if node.kind != "beat" and node.title.strip() == "…" else " ".join(node.title.split())
