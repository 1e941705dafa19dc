"""The screen of a run: a tree that folds, and grows while the run is under way."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Footer, Static, Tree
from textual.widgets.tree import TreeNode

from agents.traces import Traces
from fireside.errors import FiresideError
from fireside.text import for_terminal_line
from tui.actions import bindings
from tui.lists import LineTree
from tui.trace_tree import Kind, Node, tree_of

_LOOK_S = 0.5
_COLOURS: dict[Kind, str] = {
    "run": "foreground",
    "call": "tool",
    "denied": "caution",
    "failed": "error",
    "asked": "user",
    "note": "muted",
    "text": "foreground",
}


class TraceScreen(Screen[None]):
    """Shows one run from the store, and looks again until it has ended."""

    CSS_PATH = "trace.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("trace")

    def __init__(self, run: int) -> None:
        """`run`: the run's id."""
        super().__init__()
        self._run = run
        self._shown: Node | None = None
        self._timer: Timer | None = None
        self._traces: Traces | None = None

    def compose(self) -> ComposeResult:
        """What is asked, and the tree."""
        with Vertical(id="trace"):
            yield Static(id="trace-title", markup=False)
            tree: LineTree[None] = LineTree("")
            tree.show_root = False
            tree.guide_depth = 2
            yield tree
        yield Footer()

    def on_mount(self) -> None:
        """Look at once, and again while the run is under way."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())
        self._timer = self.set_interval(_LOOK_S, self._look)
        self._look()
        self.query_one(Tree).focus()

    def _look(self) -> None:
        """Read the run, and show it where there is something new."""
        try:
            traces = self._traces = self._traces or Traces()
            run = traces.run(self._run)
            shown = tree_of(run, traces.events(run.id), traces.answers(run.id))
        except FiresideError as error:
            self._stop_looking()
            self.query_one("#trace-title", Static).update(for_terminal_line(error.message, 400))
            return
        if run.ended is not None:
            self._stop_looking()
        if shown != self._shown:
            self._shown = shown
            self._draw()

    def on_unmount(self) -> None:
        """Let go of the file."""
        if self._traces is not None:
            self._traces.close()

    def _stop_looking(self) -> None:
        if self._timer is not None:
            self._timer.stop()

    def _draw(self) -> None:
        """Build the tree anew, unfolded where it was: a run only grows, so that every line keeps its place."""
        if self._shown is None:
            return
        tree = self.query_one(Tree)
        line, unfolded = tree.cursor_line, set(_unfolded(tree.root))
        self.query_one("#trace-title", Static).update(self._shown.text)
        tree.clear()
        _fill(tree.root, self._shown.below, (), unfolded, self.app.theme_variables)
        tree.root.expand()
        tree.cursor_line = max(line, 0)

    def action_back(self) -> None:
        """Leave; a run under way goes on."""
        self.app.pop_screen()

    def action_unfold_all(self) -> None:
        """Show every line."""
        self.query_one(Tree).root.expand_all()


def _fill(
    parent: TreeNode[None],
    nodes: list[Node],
    place: tuple[int, ...],
    unfolded: set[tuple[int, ...]],
    colours: dict[str, str],
) -> None:
    for number, node in enumerate(nodes):
        label = Text(node.text, style=colours[_COLOURS[node.kind]])
        if not node.below:
            parent.add_leaf(label)
            continue
        here = (*place, number)
        added = parent.add(label, expand=here in unfolded)
        _fill(added, node.below, here, unfolded, colours)


def _unfolded(node: TreeNode[None], place: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    """The places of all nodes that are unfolded."""
    found: list[tuple[int, ...]] = []
    for number, child in enumerate(node.children):
        here = (*place, number)
        if child.is_expanded and child.children:
            found.append(here)
        found += _unfolded(child, here)
    return found
