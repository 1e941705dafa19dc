"""The screen of training data: each row as a model would be trained on it, and the figures of all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, Protocol

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Input, Static

from fireside.errors import FiresideError
from fireside.text import for_terminal, for_terminal_line
from tui.actions import bindings
from tui.data_text import example_text, figures, legend, told_row

if TYPE_CHECKING:
    from finetune.data.preview import Shown
    from finetune.data.preview_process import Looked


class Source(Protocol):
    """Where the rows come from: `finetune.data.preview_process.PreviewProcess`."""

    name: str

    def open(self) -> Looked:
        """The figures of all rows."""
        ...

    def row(self, index: int) -> tuple[Shown, ...]:
        """The examples of one row."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class DataScreen(Screen[None]):
    """Looks at one file of training data. What is read is read in a thread, from a process of its own."""

    CSS_PATH = "data.tcss"
    AUTO_FOCUS = "#data-view"
    BINDINGS: ClassVar[list[BindingType]] = bindings("data")

    def __init__(self, source: Source) -> None:
        """source: not open yet; the screen opens and closes it."""
        super().__init__()
        self._source = source
        self._looked: Looked | None = None
        self._number = 0
        self._examples: tuple[Shown, ...] | None = None  # of the shown row; None while the figures are shown

    def compose(self) -> ComposeResult:
        """Which row, its text or the figures, what the colours mean, and where a row's number is typed."""
        yield Static(id="data-title", markup=False)
        with VerticalScroll(id="data-view", can_focus=True):
            yield Static(id="data-text", markup=False)
        yield Static(id="data-legend", markup=False)
        yield Input(placeholder="number of a row", id="data-number", type="integer")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to read."""
        self.query_one(Input).display = False
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())
        self._tell(for_terminal_line(self._source.name, 200), "reading and rendering every row…")
        self._open()

    def on_unmount(self) -> None:
        """End the reading."""
        self._source.close()

    @work(exclusive=True, group="data")
    async def _open(self) -> None:
        try:
            self._looked = await asyncio.to_thread(self._source.open)
        except FiresideError as error:
            self._tell(for_terminal_line(self._source.name, 200), f"{error.message}\n{error.hint or ''}")
            return
        self._show(0)

    @work(exclusive=True, group="data")
    async def _show(self, number: int) -> None:
        """Show the row at `number`."""
        assert self._looked is not None
        self._number = number
        try:
            shown = await asyncio.to_thread(self._source.row, number)
        except FiresideError as error:
            self._tell(for_terminal_line(self._source.name, 200), f"{error.message}\n{error.hint or ''}")
            return
        self._examples = shown
        self._draw()
        self.query_one("#data-view", VerticalScroll).scroll_home(animate=False)

    def _draw(self) -> None:
        """What is shown, in the theme's colours."""
        if self._looked is None:
            return
        colours = self.app.theme_variables
        self.query_one("#data-legend", Static).update(legend(colours))
        if self._examples is None:
            width = self.query_one("#data-view").content_size.width
            lines = [*figures(self._looked.preview, width), *self._looked.broken]
            self._tell(f"{for_terminal_line(self._source.name, 100)} · figures", "\n".join(lines))
            return
        why = dict(self._looked.preview.odd).get(self._looked.rows[self._number])
        self.query_one("#data-title", Static).update(told_row(self._number, self._looked.rows, self._examples, why))
        text = example_text(self._examples, colours)
        if not self._examples:
            text = Text(f"nothing of this row is learnt{f': {why}' if why else ''}", colours["caution"])
        self.query_one("#data-text", Static).update(text)

    def _tell(self, title: str, text: str) -> None:
        self.query_one("#data-title", Static).update(title)
        self.query_one("#data-text", Static).update(for_terminal(text))

    def action_step(self, by: int) -> None:
        """Go `by` rows on, around the ends."""
        if self._looked is not None:
            self._show((self._number + by) % len(self._looked.rows))

    def action_tour(self, what: str) -> None:
        """Go to the longest, or the strangest row; pressed again, to the one after it."""
        if self._looked is None:
            return
        seen = self._looked.preview
        named = [where for where, _ in (seen.longest if what == "longest" else seen.odd)]
        places = [self._looked.rows.index(where) for where in dict.fromkeys(named)]
        if not places:
            self.notify("no row is strange", markup=False)
            return
        following = places.index(self._number) + 1 if self._number in places and self._examples is not None else 0
        self._show(places[following % len(places)])

    def action_figures(self) -> None:
        """Between the figures and the row."""
        if self._looked is None:
            return
        if self._examples is None:
            self._show(self._number)
        else:
            self._examples = None
            self._draw()

    def action_jump(self) -> None:
        """Ask for a row's number."""
        if self._looked is not None:
            field = self.query_one(Input)
            field.display = True
            field.value = ""
            field.focus()

    @on(Input.Submitted)
    def _jumped(self, event: Input.Submitted) -> None:
        """Go to the number, the nearest there is."""
        self._hide_number()
        if self._looked is not None and event.value.strip().lstrip("-").isdecimal():
            self._show(min(max(int(event.value) - 1, 0), len(self._looked.rows) - 1))

    def _hide_number(self) -> None:
        self.query_one(Input).display = False
        self.query_one("#data-view").focus()

    def action_back(self) -> None:
        """From the number back to the row, and from there out."""
        if self.query_one(Input).display:
            self._hide_number()
        else:
            self.dismiss()
