"""The list of training runs: open one, mark some and look at them side by side, go on with one that was cut off."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Static

from finetune.run import can_resume, list_runs, resume_run
from finetune.status import Status, read_status
from fireside.errors import FiresideError
from fireside.text import for_terminal_line
from tui.actions import bindings
from tui.lists import RowTable
from tui.runs.compare import MOST, CompareScreen
from tui.runs.screen import RunScreen

_LOOK_S = 2.0
_EMPTY = "There are no training runs yet. Write /train CONFIG.toml in the chat to start one."


class RunsScreen(Screen[None]):
    """All runs, newest first."""

    CSS_PATH = "runs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("runs")

    def __init__(self) -> None:
        """An empty list; it is filled when it is shown."""
        super().__init__()
        self._marked: list[Path] = []
        self._rows: list[tuple[Path, Status]] = []

    def compose(self) -> ComposeResult:
        """Title, table, and a line for what went wrong."""
        yield Static("Training runs", classes="page-title", markup=False)
        yield RowTable(id="runs", cursor_type="row")
        yield Static(id="runs-said", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Make the columns, look at once, and then again and again."""
        table = self.query_one(DataTable)
        table.add_column("", width=1)
        table.add_columns("run", "state", "held-back loss", "export")
        self.set_interval(_LOOK_S, self._look)
        self._look()
        table.focus()

    def _look(self) -> None:
        rows = []
        for folder in list_runs():
            try:
                rows.append((folder, read_status(folder)))
            except FiresideError:
                # One damaged folder must not hide the others.
                continue
        if rows != self._rows or not rows:
            self._rows = rows
            self._draw()

    def _draw(self) -> None:
        table = self.query_one(DataTable)
        row = table.cursor_row
        table.clear()
        for folder, status in self._rows:
            marked = "•" if folder in self._marked else ""
            table.add_row(marked, *(for_terminal_line(cell, 60) for cell in cells(folder.name, status)))
        table.move_cursor(row=min(row, max(len(self._rows) - 1, 0)))
        table.display = bool(self._rows)
        self._say("" if self._rows else _EMPTY)

    def _say(self, text: str) -> None:
        self.query_one("#runs-said", Static).update(for_terminal_line(text, 400))

    def _chosen(self) -> Path | None:
        row = self.query_one(DataTable).cursor_row
        return self._rows[row][0] if 0 <= row < len(self._rows) else None

    def action_back(self) -> None:
        """Leave the screen."""
        self.app.pop_screen()

    def action_open(self) -> None:
        """Look at the run under the cursor."""
        if (folder := self._chosen()) is not None:
            self.app.push_screen(RunScreen(folder))

    def action_mark(self) -> None:
        """Mark the run under the cursor for comparing, or take the mark off."""
        folder = self._chosen()
        if folder is None:
            return
        if folder in self._marked:
            self._marked.remove(folder)
        elif len(self._marked) == MOST:
            self._say(f"at most {MOST} runs can be looked at side by side; take a mark off first")
            return
        else:
            self._marked.append(folder)
        self._draw()

    def action_compare(self) -> None:
        """Look at the marked runs side by side."""
        if len(self._marked) < 2:
            self._say("mark two runs or more with the space bar, then press c")
            return
        self.app.push_screen(CompareScreen(self._marked))

    @work(thread=True, exclusive=True)
    def action_resume(self) -> None:
        """Let the run under the cursor go on from its last checkpoint, and look at it."""
        folder = self._chosen()
        if folder is None:
            return
        try:
            if not can_resume(folder, read_status(folder)):
                text = "this run has nothing to go on from: it is finished or under way, or has no checkpoint"
                self.app.call_from_thread(self._say, text)
                return
            resume_run(folder)
        except FiresideError as error:
            self.app.call_from_thread(self._say, f"{error.message}; {error.hint or ''}".rstrip("; "))
            return
        self.app.call_from_thread(self.app.push_screen, RunScreen(folder))


def cells(name: str, status: Status) -> tuple[str, str, str, str]:
    """A row of the table: name, state, losses, and what became of the export."""
    m = status.metrics
    losses = f"{m['eval_loss_before']:.3f} → {m['eval_loss_after']:.3f}" if "eval_loss_after" in m else ""
    return name, status.state, losses, {True: "verified", False: "refused", None: ""}[status.verified]
