"""Runs side by side: their curves in one set of plots, and below what differs in their settings and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Static

from finetune.config import load_config
from finetune.run import read_metrics
from finetune.status import CONFIG, read_status
from fireside.errors import FiresideError
from fireside.text import for_terminal_line
from tui.actions import bindings
from tui.runs.curves import COLOURS, Curves, Run

MOST = len(COLOURS)
"""Runs that can be told apart by their colours."""

_LOOK_S = 1.0
# What a finished run measured, in the order of interest, and what a person calls it.
_FIGURES = {
    "eval_loss_before": "held-back loss before",
    "eval_loss_after": "held-back loss after",
    "examples": "examples",
    "steps": "steps",
    "seconds": "seconds of training",
    "tokens_per_s": "tokens/s",
    "agreement": "export: same token",
    "kl": "export: mean KL",
}


@dataclass(frozen=True)
class Compared:
    """What is compared of one run. settings: dotted name and value, as in the configuration file."""

    name: str
    state: str
    settings: Mapping[str, str]
    figures: Mapping[str, Any]


def differences(runs: Sequence[Compared]) -> list[tuple[str, ...]]:
    """Rows of a table: what it is, and its value for each run. Settings that are the same for all are left out."""
    rows: list[tuple[str, ...]] = [("state", *(run.state for run in runs))]
    for key in dict.fromkeys(key for run in runs for key in run.settings):
        values = [run.settings.get(key, "") for run in runs]
        if len(set(values)) > 1:
            rows.append((key, *values))
    for key, label in _FIGURES.items():
        if any(key in run.figures for run in runs):
            rows.append((label, *(_figure(run.figures.get(key)) for run in runs)))
    return rows


def read_run(folder: Path) -> Compared:
    """What there is to compare of the run in `folder`. Raises FiresideError."""
    status = read_status(folder)
    config = load_config(folder / CONFIG).model_dump(mode="json")
    return Compared(folder.name, status.state, dict(_flat(config)), status.metrics)


def _flat(table: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    flat: list[tuple[str, str]] = []
    for key, value in table.items():
        flat += _flat(value, f"{before}{key}.") if isinstance(value, dict) else [(f"{before}{key}", str(value))]
    return flat


def _figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.5g}"
    return "" if value is None else str(value)


class CompareScreen(Screen[None]):
    """Two to four runs side by side; those that go on are followed."""

    CSS_PATH = "runs.tcss"
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "narrow"), (100, "wide")]  # noqa: RUF012  # as in Screen
    BINDINGS: ClassVar[list[BindingType]] = bindings("comparison")

    def __init__(self, folders: Sequence[Path]) -> None:
        """`folders`: of two to `MOST` runs."""
        super().__init__()
        self._folders = list(folders)
        self._rows: list[tuple[str, ...]] = []

    def compose(self) -> ComposeResult:
        """Title, curves, table."""
        with VerticalScroll(id="compare"):
            yield Static("Runs side by side", classes="page-title", markup=False)
            yield Static(id="compare-problem", markup=False)
            yield Curves(id="curves")
            yield DataTable(id="differences", cursor_type="none", zebra_stripes=True)
        yield Footer()

    def on_mount(self) -> None:
        """Look at once, and then again and again."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._look())
        self.set_interval(_LOOK_S, self._look)
        # The plots mount their own parts after this.
        self.call_after_refresh(self._look)

    def _look(self) -> None:
        try:
            compared = [read_run(folder) for folder in self._folders]
            self.query_one(Curves).show([Run(folder.name, read_metrics(folder)[0]) for folder in self._folders])
        except (FiresideError, OSError) as error:
            text = error.message if isinstance(error, FiresideError) else str(error)
            self.query_one("#compare-problem", Static).update(for_terminal_line(text, 400))
            return
        rows = differences(compared)
        if rows == self._rows:
            return
        self._rows = rows
        table = self.query_one(DataTable)
        table.clear(columns=True)
        table.add_columns("", *(for_terminal_line(run.name, 60) for run in compared))
        for row in rows:
            table.add_row(*(for_terminal_line(cell, 60) for cell in row))

    def action_back(self) -> None:
        """Leave the screen."""
        self.app.pop_screen()
