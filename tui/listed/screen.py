"""The screen itself: a list, beside it (below it in a narrow terminal) what the marked line is, and what was said."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option

from fireside.errors import FiresideError
from fireside.text import for_terminal, for_terminal_line
from tui.listed.job_line import JobLine
from tui.lists import LineList

RowT = TypeVar("RowT")


class ListedScreen(Screen[None], Generic[RowT]):
    """What is listed is read in a thread, and again whenever something was changed. States: reading, empty, failed."""

    AUTO_FOCUS = "#listed"
    HEADING = ""
    EMPTY = ""

    def __init__(self) -> None:
        """Nothing is read yet."""
        super().__init__()
        self.rows: Sequence[RowT] = ()
        self._problem: FiresideError | None = None
        self._was_read = False

    # What each screen says

    @abstractmethod
    def find(self) -> Sequence[RowT]:
        """Everything that is listed, in order; runs in a thread. Raises FiresideError."""

    @abstractmethod
    def name_of(self, row: RowT) -> str:
        """What tells a row from all others."""

    @abstractmethod
    def line_of(self, row: RowT, width: int) -> Text:
        """The row in the list, in about `width` cells."""

    @abstractmethod
    def about(self, row: RowT) -> RenderableType:
        """What the marked row is."""

    def group_of(self, row: RowT) -> str:
        """The heading above the row, "" for none."""
        return ""

    def chosen(self, row: RowT) -> None:
        """Enter, or a click, on the row."""

    # What is shown

    def compose(self) -> ComposeResult:
        """Heading, list, text, the job under way, what was said, keys."""
        yield Static(self.HEADING, classes="page-title", markup=False)
        with Horizontal(id="listed-body"):
            yield LineList(id="listed", markup=False, compact=True)
            with VerticalScroll(id="listed-about", can_focus=True):
                yield Static(id="listed-text", markup=False)
        yield Static(id="listed-empty", markup=False)
        yield JobLine()
        yield Static(id="listed-said", markup=False)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Read what there is."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self.draw())
        self.say("")
        self.draw()
        self.read()

    def on_resize(self) -> None:
        """The lines are as wide as the list."""
        self.call_after_refresh(self.draw)

    @work(exclusive=True, group="read")
    async def read(self) -> None:
        """Read everything anew, and show it."""
        try:
            self.rows = await asyncio.to_thread(self.find)
            self._problem = None
        except FiresideError as error:
            self._problem = error
        self._was_read = True
        self.draw()

    @property
    def marked(self) -> RowT | None:
        """The row under the cursor."""
        option = self.query_one(LineList).highlighted_option
        wanted = option.id if option is not None else None
        return next((row for row in self.rows if self.name_of(row) == wanted), None)

    def draw(self) -> None:
        """The list, the mark where it was, and the text beside it."""
        options = self.query_one(LineList)
        marked = options.highlighted_option.id if options.highlighted_option is not None else None
        width = max(options.scrollable_content_region.width - 1, 10)
        lines: list[Option] = []
        group = ""
        for row in self.rows:
            if self.group_of(row) != group:
                group = self.group_of(row)
                lines.append(Option(Text(group, f"bold {self.app.theme_variables['user']}"), disabled=True))
            lines.append(Option(self.line_of(row, width), id=self.name_of(row)))
        options.set_options(lines)
        ids = [line.id for line in lines]
        first = next((place for place, each in enumerate(ids) if each is not None), None)
        options.highlighted = ids.index(marked) if marked is not None and marked in ids else first
        self._show_state()
        self.describe()

    def _show_state(self) -> None:
        body, empty = self.query_one("#listed-body"), self.query_one("#listed-empty", Static)
        if body.display != bool(self.rows):
            body.display = bool(self.rows)
            # Only now is the list as wide as it will be.
            self.call_after_refresh(self.draw)
        empty.display = not self.rows
        empty.set_class(self._problem is not None, "error")
        if self._problem is not None:
            empty.update(for_terminal(f"✗ {self._problem.message}\n{self._problem.hint or ''}"))
        else:
            empty.update(self.EMPTY if self._was_read else "looking …")

    def describe(self) -> None:
        """What the marked row is."""
        row = self.marked
        self.query_one("#listed-text", Static).update("" if row is None else self.about(row))

    def say(self, text: str, *, error: bool = False) -> None:
        """One thing that was done, or that went wrong, below the list; an empty text takes it away."""
        said = self.query_one("#listed-said", Static)
        said.update(for_terminal(f"✗ {text}" if error else text))
        said.set_class(error, "error")
        said.display = bool(text)

    def say_error(self, error: FiresideError) -> None:
        """What failed and what to do, in a line."""
        self.say("; ".join(for_terminal_line(each, 400) for each in (error.message, error.hint) if each), error=True)

    @on(OptionList.OptionHighlighted, "#listed")
    def _moved(self) -> None:
        self.describe()

    @on(OptionList.OptionSelected, "#listed")
    def _selected(self) -> None:
        row = self.marked
        if row is not None:
            self.chosen(row)

    async def action_back(self) -> None:
        """Leave; work under way goes on."""
        self.dismiss(None)

    def action_read(self) -> None:
        """Look again at what there is."""
        self.read()


def facts(rows: Sequence[tuple[str, str]], colours: Mapping[str, str]) -> Table:
    """Names and values, a line each; rows without a value are left out."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style=colours["muted"])
    table.add_column(style=colours["foreground"], overflow="fold")
    for name, value in rows:
        if value:
            table.add_row(Text(name), Text(for_terminal(value)))
    return table


def heading(name: str, colours: Mapping[str, str]) -> Text:
    """The name above what is told of it, with a line's end."""
    return Text.assemble((for_terminal_line(name, 200), f"bold {colours['user']}"), "\n")


def cut(text: str, width: int) -> str:
    """`text` made safe, in exactly `width` cells."""
    made = Text(for_terminal_line(text, 200))
    made.truncate(max(width, 1), overflow="ellipsis", pad=True)
    return made.plain
