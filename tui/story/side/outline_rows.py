"""What the outline shows of its nodes: which are written, how many words, and what is marked in full."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.text import Text

from fireside.stories.manuscript import text
from fireside.stories.outline import Node, children, walk
from fireside.stories.placing import stretches, written
from fireside.stories.prose import ends_sentence, word_count
from fireside.stories.store import Story
from fireside.text import for_terminal, for_terminal_line

MARKS = {"written": "✓", "part": "◐", "unwritten": "·"}
"""written: all of its beats are (a beat: its prose ends with a sentence). part: some are."""

_MOST_PROSE = 6_000
"""Characters of a node's prose that are laid out beside the outline."""


@dataclass(frozen=True)
class Standing:
    """How far a node's prose has come. start: where it begins in what is read, None where it has none."""

    mark: str
    words: int
    start: int | None
    prose: str


def standings(story: Story) -> dict[int, Standing]:
    """How far each node has come, by its id. Takes some milliseconds for a long story."""
    outline, manuscript = story.outline, story.manuscript
    read = text(manuscript)
    prose: dict[int, str] = dict(written(outline, manuscript))
    starts: dict[int, int] = {}
    for kind in ("chapter", "scene", "beat"):
        for stretch in stretches(outline, manuscript, kind):
            starts.setdefault(stretch.node.id, stretch.start)
            if kind != "beat":
                prose[stretch.node.id] = prose.get(stretch.node.id, "") + read[stretch.start : stretch.end]
    marks: dict[int, str] = {}
    # From the last to the first: what stands in a node comes before it.
    for node in reversed(list(walk(outline))):
        inside = {marks[each.id] for each in children(outline, node.id)}
        own = prose.get(node.id, "")
        if inside:
            all_written = inside == {"written"}
            marks[node.id] = "written" if all_written else "unwritten" if inside == {"unwritten"} else "part"
        else:
            marks[node.id] = "written" if ends_sentence(own) else "part" if own.strip() else "unwritten"
    return {
        node_id: Standing(mark, word_count(prose.get(node_id, "")), starts.get(node_id), prose.get(node_id, ""))
        for node_id, mark in marks.items()
    }


def row(node: Node, standing: Standing, colours: Mapping[str, str], width: int) -> Text:
    """The line of a node in the tree, of at most `width` columns: mark, title, words."""
    words = f"  {standing.words:,}" if standing.words else ""
    title = Text(for_terminal_line(node.title or node.summary, 300) or f"a {node.kind} without a title")
    title.truncate(max(8, width - 2 - len(words)), overflow="ellipsis")
    mark = {"written": colours["source"], "part": colours["caution"], "unwritten": colours["muted"]}[standing.mark]
    style = f"bold {colours['foreground']}" if node.kind == "chapter" else colours["foreground"]
    title.stylize(style if node.title else colours["muted"])
    return Text.assemble((f"{MARKS[standing.mark]} ", mark), title, (words, colours["muted"]))


def whole(node: Node, standing: Standing, colours: Mapping[str, str]) -> Text:
    """All of a node: title, summary, and its prose."""
    shown = Text()
    shown.append(for_terminal_line(node.title, 400) or f"A {node.kind} without a title", "bold")
    state = {"written": "written", "part": "partly written", "unwritten": "not written yet"}[standing.mark]
    words = f" · {standing.words:,} words" if standing.words else ""
    shown.append(f"\n{node.kind} · {state}{words}\n", colours["muted"])
    if node.summary:
        shown.append(f"\n{for_terminal(node.summary)}\n", colours["secondary"])
    if standing.prose:
        prose = for_terminal(standing.prose.strip())
        shown.append(f"\n{prose[:_MOST_PROSE]}{'…' if len(prose) > _MOST_PROSE else ''}", colours["foreground"])
    return shown
