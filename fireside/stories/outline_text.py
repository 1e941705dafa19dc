"""An outline as Markdown: `#` chapters, `##` scenes, list items for beats, text under a heading for its summary."""

from __future__ import annotations

import re

from fireside.errors import FiresideError
from fireside.stories.outline import EMPTY, INSIDE, Kind, Node, Outline, add, change, children, move, walk
from fireside.text import for_terminal

_HEADING = re.compile(r"(#{1,6})[ \t]+(.*?)[ \t#]*\Z")
_ITEM = re.compile(r"(?:[-*+]|\d{1,3}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?(.*)\Z")


def parse(text: str) -> Outline:
    """The outline that `text` writes down.

    `# chapter`, `## scene` (deeper headings too), beats as list items (`-`, `*`, `1.`). Where a text has no list item,
    every line that is no heading is a beat; else lines between a heading and its first item are its summary, and an
    indented line goes on with the beat before it. Beats without a scene get one without a title, scenes without a
    chapter likewise. Raises FiresideError where there is no beat, scene or chapter at all.
    """
    lines = _lines(text)
    return _read(lines, plain=not any(_ITEM.match(line.lstrip()) for line in lines))


def read_back(text: str) -> Outline:
    """The outline that `text`, written by `render` and then edited, is: lines that are neither headings nor items are
    always summaries. Without any node it is empty. Raises FiresideError where there is text, but no node."""
    lines = _lines(text)
    return _read(lines, plain=False) if any(line.strip() for line in lines) else EMPTY


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in for_terminal(text).splitlines()]


def _read(lines: list[str], *, plain: bool) -> Outline:
    """plain: a line that is neither a heading nor an item is a beat, and not more of what stands before it."""
    outline, here = EMPTY, _Here()
    for line in lines:
        bare = line.strip()
        if not bare:
            continue
        if heading := _HEADING.match(bare):
            kind: Kind = "chapter" if len(heading[1]) == 1 else "scene"
            outline = here.add(outline, kind, heading[2].strip())
        elif item := _ITEM.match(bare):
            outline = here.add(outline, "beat", item[1].strip())
        elif plain:
            outline = here.add(outline, "beat", bare)
        elif here.last is not None:
            outline = _with_more(outline, here.last, bare)
    if not outline:
        raise FiresideError("there is no beat in it", "write one beat a line, or Markdown: # chapter, ## scene, - beat")
    return outline


def render(outline: Outline) -> str:
    """The outline as `parse` reads it."""
    lines: list[str] = []
    for node in walk(outline):
        if node.kind == "beat":
            lines.append(f"- {_line(node.title)}")
            continue
        # Left out only where `parse` makes the node by itself, for what stands in it.
        if node.title or node.position > 0 or node.summary or not children(outline, node.id):
            lines += [""] if lines and lines[-1] else []
            lines += [f"{'#' if node.kind == 'chapter' else '##'} {_line(node.title) or '…'}", ""]
        if node.summary:
            lines += [_line(node.summary), ""]
    return "\n".join(lines).strip("\n") + "\n"


def merged(outline: Outline, wanted: Outline) -> Outline:
    """`outline` with what `wanted` has, in the order of `wanted`; nodes of the same title in the same place stay
    themselves, with the prose written for them, and nodes that only `outline` has are kept behind."""

    def fill(result: Outline, old_parent: int | None, parent: int | None) -> Outline:
        kept = children(result, old_parent)
        for place, node in enumerate(children(wanted, parent)):
            same = next((each for each in kept if _same(each, node)), None)
            if same is None:
                result, node_id = add(result, node.kind, node.title, node.summary, old_parent, place)
            else:
                kept.remove(same)
                node_id = same.id
                result = _at(result, node_id, place, node.summary or same.summary)
            result = fill(result, node_id, node.id)
        return result

    return fill(outline, None, None)


class _Here:
    """Where the next node of an outline goes."""

    def __init__(self) -> None:
        self.nodes: dict[Kind, int | None] = {"chapter": None, "scene": None, "beat": None}
        self.last: int | None = None

    def add(self, outline: Outline, kind: Kind, title: str) -> Outline:
        """A node at the end; what it stands in is made where it is missing."""
        holder = INSIDE[kind]
        if holder is not None and self.nodes[holder] is None:
            outline = self.add(outline, holder, "")
        outline, node_id = add(outline, kind, title, parent=self.nodes[holder] if holder else None)
        self.nodes[kind] = self.last = node_id
        if kind == "chapter":
            self.nodes["scene"] = None
        return outline


def _with_more(outline: Outline, node_id: int, line: str) -> Outline:
    """`line` added to a beat's title, or to the summary of a heading."""
    node = outline.nodes[node_id]
    if node.kind == "beat":
        return change(outline, node_id, title=f"{node.title} {line}")
    return change(outline, node_id, summary=f"{node.summary} {line}".strip())


def _at(outline: Outline, node_id: int, place: int, summary: str) -> Outline:
    return change(move(outline, node_id, outline.nodes[node_id].parent, place), node_id, summary=summary)


def _same(one: Node, other: Node) -> bool:
    return (one.kind, " ".join(one.title.split()).casefold()) == (other.kind, " ".join(other.title.split()).casefold())


def _line(text: str) -> str:
    return " ".join(text.split())
