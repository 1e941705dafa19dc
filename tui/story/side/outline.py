"""The outline: chapters, scenes and beats, changed by hand, planned by the model, and turned into prose."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Static, Tree
from textual.widgets.tree import TreeNode

from fireside.errors import FiresideError
from fireside.models.types import AdapterUse, ChatModel
from fireside.stories import outline_edit
from fireside.stories.manuscript import Manuscript, go_to
from fireside.stories.outline import EMPTY, Kind, Node, Outline, add, change, children, delete
from fireside.stories.outline_text import read_back, render
from fireside.stories.placing import arranged, place_for
from fireside.stories.store import Story
from tui.actions import bindings
from tui.chat.dialogs import LineDialog
from tui.lists import LineTree
from tui.story.side.frame import Pane
from tui.story.side.outline_rows import Standing, row, standings, whole
from tui.story.side.outline_work import plan, plans, write, writes
from tui.story.side.writing import WritingScreen

_INDENTS: dict[Kind, int] = {"chapter": 2, "scene": 4, "beat": 6}  # columns before a label
_INSIDE: dict[Kind, Kind] = {"chapter": "scene", "scene": "beat"}
_MOVES = {"up": outline_edit.up, "down": outline_edit.down, "out": outline_edit.out, "into": outline_edit.into}
_EMPTY = """No outline yet.

g lets the model plan chapters from the synopsis, a adds a chapter of your own, t writes all of it as text: # chapter, \
## scene, - beat."""


class OutlineTree(LineTree[int]):
    """The nodes of the outline by their ids."""

    HELP = "Enter goes to the place in the story; Space folds and unfolds. ✓ is written, ◐ in part, · not yet."


class OutlineScreen(Pane):
    """The tree at the left, all of the marked node beside it."""

    AUTO_FOCUS = "#outline-tree"
    BINDINGS: ClassVar[list[BindingType]] = bindings("outline")
    KEYS = (
        "outline.go", "outline.write", "outline.plan", "outline.add", "outline.add-inside", "outline.edit",
        "outline.delete", "outline.undo", "outline.write-all", "outline.text", "outline.arrange", "pane.back",
    )  # fmt: skip

    def __init__(self, story: Story, model: ChatModel, adapters: tuple[AdapterUse, ...] = ()) -> None:
        super().__init__(f"Outline of {story.info.title}", story, model, adapters)
        self._standings: dict[int, Standing] = {}
        self._folded: set[int] = set()

    def body(self) -> ComposeResult:
        """Tree and marked node."""
        with Horizontal(classes="side-body"):
            tree = OutlineTree("outline", id="outline-tree", classes="side-list")
            tree.show_root, tree.auto_expand, tree.guide_depth = False, False, 2
            yield tree
            with VerticalScroll(classes="side-view"):
                yield Static(markup=False, id="outline-node")

    def on_mount(self) -> None:
        """Show it, and again in another theme's colours."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self.show_story())
        self.show_story()

    def on_resize(self) -> None:
        """Titles are cut to the width."""
        self.call_after_refresh(self.show_story)

    @property
    def marked(self) -> Node | None:
        """The node that the cursor is on."""
        tree = self.query_one(OutlineTree)
        # The tree's own cursor node is out of date where the same line is another node now.
        node = tree.get_node_at_line(tree.cursor_line)
        return self.story.outline.nodes.get(node.data) if node is not None and node.data is not None else None

    # What is shown

    def show_story(self, mark: int | None = None) -> None:
        """Show the outline as it is now, the cursor on `mark` or where it was."""
        tree, colours = self.query_one(OutlineTree), self.app.theme_variables
        before = self.marked
        wanted = mark if mark is not None else before.id if before else None
        line = max(0, tree.cursor_line)
        self._standings = standings(self.story)
        tree.clear()
        lines: dict[int, TreeNode[int]] = {}
        width = (tree.size.width or self.size.width) - 1

        def fill(parent: TreeNode[int], of: int | None) -> None:
            for node in children(self.story.outline, of):
                label = row(node, self._standings[node.id], colours, width - _INDENTS[node.kind])
                if node.kind == "beat":
                    # As far in as if it could be folded, like the scene it stands in.
                    lines[node.id] = parent.add_leaf(Text("  ").append_text(label), node.id)
                else:
                    lines[node.id] = parent.add(label, node.id, expand=node.id not in self._folded)
                    fill(lines[node.id], node.id)

        fill(tree.root, None)
        self.query_one(".side-view").display = bool(lines)
        tree.display = bool(lines)
        if not lines:
            self.say(_EMPTY if not self.busy else "planning…")
            self.set_focus(None)
            return
        tree.focus()
        target = lines.get(wanted) if wanted is not None else None
        if target is not None:
            ancestor = target.parent
            while ancestor is not None:
                ancestor.expand()
                ancestor = ancestor.parent
        # Lines are numbered when the tree is next laid out.
        self.call_after_refresh(self._mark, target, line)

    def _mark(self, target: TreeNode[int] | None, line: int) -> None:
        tree = self.query_one(OutlineTree)
        tree.move_cursor_to_line(target.line if target is not None else min(line, max(0, tree.last_line)))
        self.show_marked()

    def show_marked(self) -> None:
        """All of the marked node in the view beside the tree."""
        node = self.marked
        if node is not None and node.id in self._standings:
            self.show_text(whole(node, self._standings[node.id], self.app.theme_variables))

    def show_text(self, shown: str | Text) -> None:
        """Put something into the view beside the tree."""
        self.query_one("#outline-node", Static).update(shown)

    @on(Tree.NodeHighlighted)
    def _highlighted(self) -> None:
        if not self.busy:
            self.show_marked()
            self.query_one(".side-view", VerticalScroll).scroll_home(animate=False)

    @on(Tree.NodeCollapsed)
    def _folding(self, event: Tree.NodeCollapsed[int]) -> None:
        if event.node.data is not None:
            self._folded.add(event.node.data)

    @on(Tree.NodeExpanded)
    def _unfolding(self, event: Tree.NodeExpanded[int]) -> None:
        self._folded.discard(event.node.data if event.node.data is not None else -1)

    # Changing

    def save(self, outline: Outline, what: str, mark: int | None = None) -> None:
        """Save another outline; undo brings the one before back."""
        before = self.story.outline
        if outline == before:
            return
        try:
            self.story.save_outline(outline)
        except FiresideError as error:
            self.say_error(error)
            return
        self.undos.add(what, lambda: self.story.save_outline(before))
        self.say("")
        self.show_story(mark)

    def save_manuscript(self, manuscript: Manuscript, what: str) -> None:
        """Save another manuscript; undo goes back to what was read before."""
        head = self.story.manuscript.head
        self.story.save(manuscript)
        self.undos.add(what, lambda: self.story.save(go_to(self.story.manuscript, head)))
        self.show_story()

    @work(exclusive=True, group="dialog")
    async def action_add(self, inside: bool) -> None:
        """A new node beside the marked one, or inside it."""
        marked = self.marked
        if not self.free():
            return
        if inside and (marked is None or marked.kind == "beat"):
            self.say("nothing stands inside a beat" if marked else "add a chapter first")
            return
        kind: Kind = "chapter" if marked is None else _INSIDE[marked.kind] if inside else marked.kind
        parent = None if marked is None else marked.id if inside else marked.parent
        place = None if marked is None or inside else marked.position + 1
        asked = "What happens in the new beat" if kind == "beat" else f"Title of the new {kind}"
        title = await self.app.push_screen_wait(LineDialog(asked, ""))
        if title:
            outline, node_id = add(self.story.outline, kind, title, "", parent, place)
            self.save(outline, f"the new {kind}", node_id)

    @work(exclusive=True, group="dialog")
    async def action_rename(self) -> None:
        """Another title."""
        node = self.marked
        if node is None or not self.free():
            return
        heading = "What happens in this beat" if node.kind == "beat" else f"Title of this {node.kind}"
        title = await self.app.push_screen_wait(LineDialog(heading, node.title))
        if title:
            self.save(change(self.story.outline, node.id, title=title), "the new title", node.id)

    @work(exclusive=True, group="dialog")
    async def action_edit(self) -> None:
        """Edit the summary; of a beat, which is its own summary, what happens in it."""
        node = self.marked
        if node is None or not self.free():
            return
        if node.kind == "beat":
            self.action_rename()
            return
        about = f"What this {node.kind} tells, for you and for the model."
        text = await self.app.push_screen_wait(WritingScreen(f"Summary of {node.title}", node.summary, about))
        if text is not None:
            summary = " ".join(text.split())
            self.save(change(self.story.outline, node.id, summary=summary), "the new summary", node.id)

    def action_delete(self) -> None:
        """Take the marked node out, with what stands in it. Its prose stays in the story."""
        node = self.marked
        if node is None or not self.free():
            return
        held = self._standings[node.id].words > 0
        self.save(delete(self.story.outline, node.id), f"the {node.kind} is back")
        self.say(f"deleted; {'its prose stays in the story; ' if held else ''}u brings it back")

    def action_move(self, way: str) -> None:
        """Move the marked node: up, down, out (a level higher) or into (a level lower)."""
        node = self.marked
        if node is None or not self.free():
            return
        moved = _MOVES[way](self.story.outline, node.id)
        if moved == self.story.outline:
            self.say("it cannot go any further that way")
            return
        self.save(moved, "the move", node.id)
        if arranged(moved, self.story.manuscript) != self.story.manuscript:
            self.say("the prose still stands in the old order; o orders it like this")

    def action_arrange(self) -> None:
        """Put the prose in the order of the outline."""
        if not self.free():
            return
        ordered = arranged(self.story.outline, self.story.manuscript)
        if ordered == self.story.manuscript:
            self.say("the prose stands in this order already")
            return
        self.save_manuscript(ordered, "the order of the prose")
        self.say("the prose stands in the outline's order now; u takes that back")

    @work(exclusive=True, group="dialog")
    async def action_text(self) -> None:
        """Edit the whole outline as a text."""
        if not self.free():
            return
        before = render(self.story.outline) if self.story.outline else ""
        about = "# chapter, ## scene, - beat; text below a heading is its summary. What is not here is taken out."
        text = await self.app.push_screen_wait(WritingScreen("The outline as text", before, about, read_back))
        if text is not None and text != before:
            wanted = read_back(text)
            self.save(outline_edit.rewritten(self.story.outline, wanted) if wanted else EMPTY, "the text's changes")

    @work(exclusive=True, group="dialog")
    async def action_synopsis(self) -> None:
        """Edit what outlines are planned from."""
        await self.ask_synopsis()

    async def ask_synopsis(self) -> None:
        """Let the person write the synopsis."""
        before = self.story.info.synopsis
        about = "The whole story in a paragraph: chapters are planned from it."
        text = await self.app.push_screen_wait(WritingScreen("Synopsis", before, about))
        if text is not None and text.strip() != before:
            try:
                self.story.change(synopsis=text.strip())
            except FiresideError as error:
                self.say_error(error)
                return
            self.undos.add("the synopsis", lambda: self.story.change(synopsis=before))
            self.say("the synopsis is saved")

    # The model's part

    @work(exclusive=True, group="dialog")
    async def action_plan(self) -> None:
        """Let the model plan: chapters, scenes or beats, or the marked node again."""
        if self.free() and (wanted := await plans(self)) is not None:
            self.begin(plan(self, wanted))

    @work(exclusive=True, group="dialog")
    async def action_write(self) -> None:
        """Let the model write the marked node's prose; of a written beat, another version."""
        node = self.marked
        if node is not None and self.free() and (beats := writes(self, node)):
            self.begin(write(self, beats))

    def action_write_all(self) -> None:
        """Let the model write every beat that has no prose yet."""
        if self.free() and (beats := writes(self, None)):
            self.begin(write(self, beats))

    def action_go(self) -> None:
        """Back to the story, at the marked node's prose or where it would stand."""
        node = self.marked
        if node is None or self.busy:
            return
        start = self._standings[node.id].start
        self.leave(start if start is not None else place_for(self.story.outline, self.story.manuscript, node.id))
