"""The tree of a conversation: every message on a line, branches indented, to go to any of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from fireside.conversations.types import TreeRow
from tui.actions import bindings
from tui.chat.markdown import Colours
from tui.lists import LineList

_SPEAKERS: Mapping[str, str] = {"user": "you", "assistant": "model", "system": "system", "tool": "tool"}
_MOST_INDENT = 12


@dataclass(frozen=True)
class TreeLine:
    """A message of the tree. indent: how many branchings lie above it. branch: which of its siblings it is and how many
    there are. shown: it is part of what the chat shows."""

    row: TreeRow
    indent: int
    branch: tuple[int, int]
    shown: bool


def tree_lines(rows: Sequence[TreeRow], path: Sequence[int]) -> list[TreeLine]:
    """The rows (a parent before its children) as lines, depth first; only branchings indent, so that a conversation
    without them is flat however long it is. path: the messages that the chat shows."""
    shown = set(path)
    below: dict[int | None, list[TreeRow]] = {}
    for row in rows:
        below.setdefault(row.parent, []).append(row)
    lines: list[TreeLine] = []
    pending = _siblings(below.get(None, []), 0)
    while pending:
        row, indent, branch = pending.pop()
        lines.append(TreeLine(row, indent, branch, row.id in shown))
        pending += _siblings(below.get(row.id, []), indent)
    return lines


def _siblings(rows: Sequence[TreeRow], indent: int) -> list[tuple[TreeRow, int, tuple[int, int]]]:
    """Messages below one, the last first, one step further in where there are several."""
    deeper = indent + (len(rows) > 1)
    return [(row, deeper, (place, len(rows))) for place, row in enumerate(rows)][::-1]


def written(line: TreeLine, colours: Colours) -> Text:
    """One line: its branch, who wrote it, and how it begins."""
    place, count = line.branch
    speaker = _SPEAKERS[line.row.role]
    text = Text("  " * min(line.indent, _MOST_INDENT), no_wrap=True, overflow="ellipsis")
    text.append("● " if line.shown else "○ ", style=colours["user"] if line.shown else colours["muted"])
    if count > 1:
        text.append(f"{place + 1}/{count} ", style=colours["muted"])
    text.append(f"{speaker}: ", style=colours["user"] if line.row.role == "user" else colours["assistant"])
    text.append(line.row.line or "(nothing)", style=colours["foreground"] if line.shown else colours["muted"])
    if line.row.status not in ("complete", "streaming"):
        text.append(f"  {line.row.status}", style=colours["caution"])
    return text


class TreeScreen(Screen[int | None]):
    """Answers with the message that was chosen; None where none was."""

    CSS_PATH = "tree.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("tree")

    def __init__(self, title: str, rows: Sequence[TreeRow], path: Sequence[int]) -> None:
        """rows: of the whole conversation. path: the messages that the chat shows."""
        super().__init__()
        self._title, self._lines = title, tree_lines(rows, path)
        self._at = path[-1] if path else None

    def compose(self) -> ComposeResult:
        """The title, the tree, the keys."""
        branches = sum(line.branch[1] > 1 for line in self._lines)
        yield Static(self._title, markup=False, classes="page-title")
        yield LineList(compact=True, markup=False, id="tree")
        said = f"{len(self._lines):,} messages" + (f", {branches:,} on branches" if branches else ", no branches yet")
        yield Static(f"{said}   Enter goes there   Escape leaves", markup=False, classes="page-keys")

    def on_mount(self) -> None:
        """Begin at the last message that the chat shows."""
        colours = self.app.theme_variables
        tree = self.query_one(LineList)
        tree.add_options(Option(written(line, colours), id=str(line.row.id)) for line in self._lines)
        places = [line.row.id for line in self._lines]
        if self._at in places:
            tree.highlighted = places.index(self._at)
            self.call_after_refresh(tree.scroll_to_highlight)
        tree.focus()

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(int(event.option_id) if event.option_id else None)

    def action_back(self) -> None:
        """Leave without going anywhere."""
        self.dismiss(None)
