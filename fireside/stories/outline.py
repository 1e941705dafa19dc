"""The outline of a story: chapters, their scenes, their beats. Pure values; every act gives a new outline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["chapter", "scene", "beat"]
INSIDE: dict[Kind, Kind | None] = {"chapter": None, "scene": "chapter", "beat": "scene"}
"""What a node of a kind stands in."""


@dataclass(frozen=True)
class Node:
    """A chapter, a scene of a chapter, or a beat of a scene.

    title: its heading; of a beat, what happens in it. summary: what it tells, for the model and the person. parent: the
    id of the node it stands in, None for a chapter. position: its place among those, from 0.
    """

    id: int
    kind: Kind
    title: str
    summary: str = ""
    parent: int | None = None
    position: int = 0


@dataclass(frozen=True)
class Outline:
    """nodes: by id. next_id: of the next node; an id is never given twice, since pieces of prose refer to it."""

    nodes: dict[int, Node]
    next_id: int = 1

    def __bool__(self) -> bool:
        """Whether there is any node."""
        return bool(self.nodes)


EMPTY = Outline({})


def children(outline: Outline, parent: int | None) -> list[Node]:
    """The nodes that stand in `parent` (None: the chapters), in order."""
    return sorted((node for node in outline.nodes.values() if node.parent == parent), key=lambda node: node.position)


def walk(outline: Outline, parent: int | None = None) -> Iterator[Node]:
    """Every node below `parent` in reading order, each before those that stand in it."""
    for node in children(outline, parent):
        yield node
        yield from walk(outline, node.id)


def ancestor(outline: Outline, node_id: int | None, kind: Kind) -> Node | None:
    """The node of `kind` that `node_id` is or stands in; None where there is none."""
    node = outline.nodes.get(node_id) if node_id is not None else None
    while node is not None and node.kind != kind:
        node = outline.nodes.get(node.parent) if node.parent is not None else None
    return node


def add(
    outline: Outline, kind: Kind, title: str, summary: str = "", parent: int | None = None, position: int | None = None
) -> tuple[Outline, int]:
    """A new node at `position` in `parent` (None: the last), and its id.

    Raises ValueError where a node of this kind cannot stand there.
    """
    _check_place(outline, kind, parent)
    node = Node(outline.next_id, kind, title, summary, parent, 0)
    return _placed(replace(outline, next_id=outline.next_id + 1), node, position), node.id


def change(outline: Outline, node_id: int, *, title: str | None = None, summary: str | None = None) -> Outline:
    """Another title or summary for a node. Raises KeyError."""
    node = outline.nodes[node_id]
    node = replace(
        node,
        title=node.title if title is None else title,
        summary=node.summary if summary is None else summary,
    )
    return replace(outline, nodes={**outline.nodes, node_id: node})


def move(outline: Outline, node_id: int, parent: int | None, position: int | None = None) -> Outline:
    """The node, with all that stands in it, at `position` (None: the last) in `parent`.

    Raises KeyError, and ValueError where a node of its kind cannot stand there.
    """
    node = outline.nodes[node_id]
    _check_place(outline, node.kind, parent)
    return _placed(_without(outline, {node_id}), replace(node, parent=parent), position)


def delete(outline: Outline, node_id: int) -> Outline:
    """Without the node and all that stands in it. Prose that was written for it stays. Raises KeyError."""
    gone = {outline.nodes[node_id].id, *(node.id for node in walk(outline, node_id))}
    return _without(outline, gone)


def _check_place(outline: Outline, kind: Kind, parent: int | None) -> None:
    wanted = INSIDE[kind]
    holder = outline.nodes[parent].kind if parent is not None else None
    if holder != wanted:
        raise ValueError(f"a {kind} stands in {f'a {wanted}' if wanted else 'no other node'}")


def _placed(outline: Outline, node: Node, position: int | None) -> Outline:
    siblings = [each for each in children(outline, node.parent) if each.id != node.id]
    siblings.insert(len(siblings) if position is None else max(0, position), node)
    renewed = {each.id: replace(each, position=place) for place, each in enumerate(siblings)}
    return replace(outline, nodes={**outline.nodes, **renewed})


def _without(outline: Outline, gone: set[int]) -> Outline:
    """Without these nodes; the others close the gaps."""
    left = {node_id: node for node_id, node in outline.nodes.items() if node_id not in gone}
    for parent in {outline.nodes[node_id].parent for node_id in gone}:
        for place, node in enumerate(children(replace(outline, nodes=left), parent)):
            left[node.id] = replace(node, position=place)
    return replace(outline, nodes=left)
