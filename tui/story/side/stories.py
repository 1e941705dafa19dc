"""The list of stories: opened, begun, imported, duplicated, renamed, deleted with a way back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import closing
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import DataTable

from fireside.errors import FiresideError
from fireside.stories import shelf
from fireside.stories.goals import Progress
from fireside.stories.info import StoryInfo
from fireside.stories.store import create_story, list_stories, open_story
from fireside.stories.write import add_text
from fireside.text import for_terminal_line
from tui.actions import bindings
from tui.chat.dialogs import LineDialog
from tui.lists import RowTable
from tui.story.side.bringing import Taken, ask_for_import
from tui.story.side.frame import Framed

_EMPTY = """No stories yet.

n begins one; i imports a character card or a lorebook (SillyTavern, NovelAI, Kobold; JSON or PNG) as a new one."""
_BAR = 8  # columns
_ROOMY = 80  # columns


class StoriesScreen(Framed[str | None]):
    """Gives the name of the story to open, None where the person leaves."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("stories")
    KEYS = (
        "stories.open", "stories.new", "stories.import", "stories.title", "stories.copy", "stories.delete",
        "stories.undo", "stories.rename", "pane.back",
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__("Stories")
        self._stories: list[StoryInfo] = []
        self._words: dict[str, tuple[float, int]] = {}

    def body(self) -> ComposeResult:
        """The table."""
        yield RowTable[str](id="stories-table", classes="side-list", cursor_type="row", show_header=True)

    def on_mount(self) -> None:
        """List them."""
        self.query_one(DataTable).display = False
        self.say("looking…")
        self.look()

    def on_resize(self) -> None:
        """The titles get what room there is."""
        self._draw()

    # What is shown

    @work(exclusive=True, group="look")
    async def look(self, mark: str = "", said: str = "") -> None:
        """List the stories as they are now, `mark` marked; then count their words."""
        try:
            self._stories = await asyncio.to_thread(list_stories)
        except FiresideError as error:
            self.say_error(error)
            return
        self._draw(mark)
        self.say(said or ("" if self._stories else _EMPTY))
        for info in self._stories:
            if self._words.get(info.name, (0.0, 0))[0] != info.updated:
                try:
                    words = await asyncio.to_thread(shelf.words_of, info.name)
                except FiresideError:
                    continue  # the row stays, without its words
                self._words[info.name] = info.updated, words
                self._draw()

    def _draw(self, mark: str = "") -> None:
        table = self.query_one(DataTable)
        mark = mark or self.marked
        roomy = self.size.width >= _ROOMY
        columns = {"words": 9, "goal": 14 if roomy else 5, "changed": 10}
        room = self.size.width - (5 if roomy else 3)
        columns = {"story": max(12, room - sum(columns.values()) - 2 * (len(columns) + 1))} | columns
        table.clear(columns=True)
        for name, size in columns.items():
            table.add_column(name.rjust(size) if name == "words" else name, width=size, key=name)
        now = time.time()
        for info in self._stories:
            words = self._words.get(info.name, (0.0, -1))[1]
            cells = {
                "story": _shown(info, columns["story"]),
                "words": f"{words:>9,}" if words >= 0 else "…".rjust(9),
                "goal": goal_bar(Progress(words, info.goal), roomy=roomy) if words >= 0 else "",
                "changed": ago(now - info.updated),
            }
            table.add_row(*(cells[column] for column in columns), key=info.name)
        table.display = bool(self._stories)
        if self._stories:
            table.move_cursor(row=next((row for row, each in enumerate(self._stories) if each.name == mark), 0))
            table.focus()

    @property
    def marked(self) -> str:
        """The name of the marked story, "" where there is none."""
        row = self.query_one(DataTable).cursor_row
        rows = self.query_one(DataTable).row_count
        return self._stories[row].name if 0 <= row < min(rows, len(self._stories)) else ""

    # Acts

    def action_open(self) -> None:
        """Close with the marked story."""
        if self.marked:
            self.dismiss(self.marked)

    @on(DataTable.RowSelected)
    def _selected(self) -> None:
        self.action_open()

    @work(exclusive=True, group="act")
    async def action_new(self) -> None:
        """Begin a story and open it."""
        title = await self.app.push_screen_wait(LineDialog("Title of the new story", ""))
        if title and (name := await self._made(title, None)):
            self.dismiss(name)

    @work(exclusive=True, group="act")
    async def action_bring_in(self) -> None:
        """A new story from a file of another program."""
        taken = await ask_for_import(self, new_story=True)
        if taken is not None and (name := await self._made(taken.title or "An imported story", taken)):
            self.look(name, f"a new story from {taken.kind}; Enter opens it")

    async def _made(self, title: str, taken: Taken | None) -> str:
        """The name of the new story, "" where it could not be made, which is said."""

        def make() -> str:
            name = shelf.free_name(title)
            with closing(create_story(name, title)) as story:
                if taken is not None:
                    story.change(lore=taken.entries, memory=taken.memory, note=taken.note)
                    add_text(story, taken.opening)
            return name

        try:
            return await asyncio.to_thread(make)
        except FiresideError as error:
            self.say_error(error)
            return ""

    @work(exclusive=True, group="act")
    async def action_retitle(self) -> None:
        """Another title for the marked story."""
        info = next((each for each in self._stories if each.name == self.marked), None)
        if info is None:
            return
        title = await self.app.push_screen_wait(LineDialog("Title", info.title))

        def change() -> None:
            with closing(open_story(info.name)) as story:
                story.change(title=title)

        if title and title != info.title:
            await self._do(change, info.name, "")

    @work(exclusive=True, group="act")
    async def action_rename(self) -> None:
        """Another name on disk, which the command line and the file have."""
        name = self.marked
        if not name:
            return
        other = await self.app.push_screen_wait(LineDialog("Name on disk, as `fireside story` has it", name))
        if other and other != name:
            await self._do(lambda: shelf.rename(name, other), other, f"{name} is called {other} now")

    @work(exclusive=True, group="act")
    async def action_copy(self) -> None:
        """A second story with everything of the marked one."""
        name = self.marked
        if name:
            await self._do(lambda: shelf.duplicate(name), name, f"{name} is there twice now")

    @work(exclusive=True, group="act")
    async def action_delete(self) -> None:
        """Take the marked story away; it can be brought back for 30 days."""
        info = next((each for each in self._stories if each.name == self.marked), None)
        if info is not None:
            title = for_terminal_line(info.title, 60)
            await self._do(lambda: shelf.delete(info.name), "", f"{title} is deleted; u brings it back, for 30 days")

    @work(exclusive=True, group="act")
    async def action_undo(self) -> None:
        """Bring the story back that was deleted last."""
        try:
            name = await asyncio.to_thread(shelf.bring_back)
        except FiresideError as error:
            self.say_error(error)
            return
        self.look(name, f"{name} is back" if name else "no deleted story is left to bring back")

    async def _do(self, act: Callable[[], object], mark: str, said: str) -> None:
        """Do something to the files, and list them anew."""
        try:
            await asyncio.to_thread(act)
        except FiresideError as error:
            self.say_error(error)
            return
        self.look(mark, said)

    def action_back(self) -> None:
        """Leave without a story."""
        self.dismiss(None)


def ago(seconds: float) -> str:
    """How long ago something was, in a few characters."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'s' * (number != 1)}"
    return "just now"


def goal_bar(progress: Progress, *, roomy: bool = True) -> str:
    """How far a word goal has come, as a share, and a bar before it where there is room; empty without a goal."""
    if not progress.wanted:
        return ""
    if not roomy:
        return f"{progress.share:.0%}"
    full = round(progress.share * _BAR)
    return f"{'━' * full}{'╌' * (_BAR - full)} {progress.share:.0%}"


def _shown(info: StoryInfo, width: int) -> str:
    """Title, and the name on disk where it says something else and there is room."""
    title = for_terminal_line(info.title, 200)
    both = f"{title}  ({info.name})" if info.name != title.lower().replace(" ", "-") else title
    return both if len(both) <= width else for_terminal_line(title, max(4, width))
