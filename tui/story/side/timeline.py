"""The branching timeline: every branch a row, with the places that have a name; read any of them, name any of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from fireside.errors import FiresideError
from fireside.models.types import AdapterUse, ChatModel
from fireside.stories.manuscript import Manuscript, go_to, last_read, path_to
from fireside.stories.store import Story
from fireside.stories.timeline import TimelineRow, timeline, without_bookmark
from fireside.text import for_terminal, for_terminal_line
from tui.actions import bindings
from tui.chat.dialogs import LineDialog
from tui.lists import LineList
from tui.story.side.frame import Pane

_EMPTY = "Nothing is written yet. Every version and every branch of the story will have its row here."
_MOST_DEPTH = 12  # forks that rows are indented by
_MOST_SHOWN = 6_000  # characters of a branch laid out beside the rows


class TimelineScreen(Pane):
    """The rows at the left, the text of the marked one beside them."""

    AUTO_FOCUS = "#timeline-rows"
    BINDINGS: ClassVar[list[BindingType]] = bindings("timeline")
    KEYS = ("timeline.go", "timeline.cut", "timeline.name", "timeline.forget", "timeline.undo", "pane.back")

    def __init__(self, story: Story, model: ChatModel, adapters: tuple[AdapterUse, ...] = ()) -> None:
        super().__init__(f"Timeline of {story.info.title}", story, model, adapters)
        self._rows: Sequence[TimelineRow] = ()

    def body(self) -> ComposeResult:
        """Rows and marked row."""
        with Horizontal(classes="side-body"):
            yield LineList(id="timeline-rows", classes="side-list", markup=False, compact=True)
            with VerticalScroll(classes="side-view"):
                yield Static(markup=False, id="timeline-text")

    def on_mount(self) -> None:
        """Show it, and again in another theme's colours."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self.show_story())
        self.show_story()

    def on_resize(self) -> None:
        """Rows are cut to the width."""
        self.call_after_refresh(self.show_story)

    def show_story(self) -> None:
        """Show the branches as they are now."""
        self._draw()

    @work(exclusive=True, group="draw")
    async def _draw(self) -> None:
        rows = self.query_one("#timeline-rows", OptionList)
        marked = self.marked
        self._rows = await asyncio.to_thread(timeline, self.story.manuscript)
        colours = self.app.theme_variables
        width = (rows.size.width or self.size.width) - 1
        rows.clear_options()
        rows.add_options([Option(line(each, colours, width)) for each in self._rows])
        self.query_one(".side-body").display = bool(self._rows)
        if not self._rows:
            self.say(_EMPTY)
            self.set_focus(None)
            return
        here = next((place for place, each in enumerate(self._rows) if each.here), 0)
        last = marked.last if marked is not None else None
        rows.highlighted = next((place for place, each in enumerate(self._rows) if each.last == last), here)
        rows.focus()

    @property
    def marked(self) -> TimelineRow | None:
        """The marked row."""
        index = self.query_one("#timeline-rows", OptionList).highlighted
        return self._rows[index] if index is not None and index < len(self._rows) else None

    @on(OptionList.OptionHighlighted)
    def _highlighted(self) -> None:
        row = self.marked
        if row is None:
            return
        pieces = path_to(self.story.manuscript, row.last)
        start = next(place for place, piece in enumerate(pieces) if piece.id == row.first)
        before = for_terminal("".join(piece.text for piece in pieces[:start])[-300:])
        own = for_terminal("".join(piece.text for piece in pieces[start:]))
        colours = self.app.theme_variables
        shown = Text(("…" if before else "") + before, colours["muted"])
        shown.append(own[:_MOST_SHOWN] + ("…" if len(own) > _MOST_SHOWN else ""), colours["foreground"])
        self.query_one("#timeline-text", Static).update(shown)
        self.query_one(".side-view", VerticalScroll).scroll_home(animate=False)

    # Changing

    def save(self, manuscript: Manuscript, what: str) -> bool:
        """Save another state; undo brings what was read, and the names, back. Whether it worked."""
        before = self.story.manuscript
        if manuscript == before:
            return True
        try:
            self.story.save(manuscript)
        except FiresideError as error:
            self.say_error(error)
            return False
        self.undos.add(what, lambda: self._take_back(before))
        return True

    def _take_back(self, before: Manuscript) -> None:
        now = replace(self.story.manuscript, bookmarks=before.bookmarks)
        self.story.save(now if now.head == before.head else go_to(now, before.head))

    def action_go(self) -> None:
        """Read the marked branch, as far as it was read the last time, from its beginning."""
        row = self.marked
        if row is None:
            return
        manuscript = self.story.manuscript
        if not row.read:
            manuscript = go_to(manuscript, last_read(manuscript, row.last))
        if self.save(manuscript, "another branch"):
            before = path_to(manuscript, manuscript.pieces[row.first].parent)
            self.leave(sum(len(piece.text) for piece in before))

    def action_cut(self) -> None:
        """Read only up to the marked row's end, to go on from there; what came behind stays a branch."""
        row = self.marked
        if row is None:
            return
        if row.last == self.story.manuscript.head:
            self.say("what is read ends here already")
        elif self.save(go_to(self.story.manuscript, row.last), "what was read"):
            self.show_story()
            self.say("the story is read up to here; what came behind it stays; u takes it back")

    @work(exclusive=True, group="dialog")
    async def action_name(self) -> None:
        """Give the end of the marked row a name."""
        row = self.marked
        if row is None:
            return
        known = row.bookmarks[0] if row.bookmarks else ""
        named = for_terminal_line(await self.app.push_screen_wait(LineDialog("Name of this place", known)), 60)
        if not named or named == known:
            return
        manuscript = self.story.manuscript
        bookmarks = {name: head for name, head in manuscript.bookmarks.items() if name != known}
        moved = named in bookmarks
        if self.save(replace(manuscript, bookmarks={**bookmarks, named: row.last}), "the name"):
            self.show_story()
            self.say(f"{named} {'is here now, and no longer where it was' if moved else 'is here'}; u takes it back")

    def action_forget(self) -> None:
        """Forget the names of the marked row; its text stays."""
        row = self.marked
        if row is None or not row.bookmarks:
            self.say("this place has no name")
            return
        manuscript = self.story.manuscript
        for name in row.bookmarks:
            manuscript = without_bookmark(manuscript, name)
        if self.save(manuscript, "the name"):
            self.show_story()
            self.say("the name is forgotten, the text stays; u brings it back")


def line(row: TimelineRow, colours: Mapping[str, str], width: int) -> Text:
    """A row of at most `width` columns: where it hangs, whether it is read, its names, its first words, how many."""
    depth = min(row.depth, _MOST_DEPTH)
    mark, style = (
        ("◆", colours["user"]) if row.here else ("●", colours["source"]) if row.read else ("○", colours["muted"])
    )
    shown = Text.assemble(("  " * depth, colours["faint"]), (f"{mark} ", style))
    for name in row.bookmarks:
        shown.append(f"⚑ {for_terminal_line(name, 40)}  ", f"bold {colours['tool']}")
    words = f"  {row.words:,}"
    shown.append(for_terminal_line(row.excerpt, 80), colours["foreground" if row.read else "muted"])
    shown.truncate(max(8, width - len(words)), overflow="ellipsis")
    return shown.append(words, colours["muted"])
