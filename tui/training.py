"""The screen of a training run: its state, losses, speed and time left, read from the run's folder as they come."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, ProgressBar, Sparkline, Static

from finetune.metrics import Metric
from finetune.run import cancel, read_metrics
from finetune.status import Status, read_status
from fireside.errors import FiresideError
from fireside.text import for_terminal
from tui.commands.tune import STATES, summary

_LOOK_S = 0.5


class TrainingScreen(Screen[None]):
    """Follows one run. The run is a process of its own: leaving the screen, or the app, does not end it."""

    CSS_PATH = "training.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back"),
        Binding("c", "cancel_run", "Cancel the run"),
    ]

    def __init__(self, run_folder: Path) -> None:
        """`run_folder`: as `finetune.run.start_run` returned it."""
        super().__init__()
        self._folder = run_folder
        self._position = 0
        self._losses: list[float] = []
        self._held_back: list[float] = []
        self._last: Metric | None = None
        self._speed: float | None = None
        self._ended = False

    def compose(self) -> ComposeResult:
        """Title, state, progress, figures, the curve of the loss, and what there is to say at the end."""
        with VerticalScroll(id="training"):
            yield Static(f"Training run {self._folder.name}", id="run-title", markup=False)
            yield Static(id="run-state", markup=False)
            yield ProgressBar(id="run-progress", show_eta=False)
            yield Static(id="run-figures", markup=False)
            yield Sparkline([], id="run-losses")
            yield Static(id="run-end", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Look at once, and then twice a second."""
        self._timer = self.set_interval(_LOOK_S, self._look)
        self._look()

    def _look(self) -> None:
        """Read what is new in the run's folder and show it."""
        try:
            # The status first: what was measured before a run's end is then read after it.
            status = read_status(self._folder)
            metrics, self._position = read_metrics(self._folder, self._position)
        except (FiresideError, OSError) as error:
            self._timer.stop()
            self._show("#run-state", error.message if isinstance(error, FiresideError) else str(error))
            return
        for metric in metrics:
            self._take(metric)
        self._show("#run-state", STATES[status.state])
        self._show("#run-figures", "\n".join(self._figures(status.ended)))
        self.query_one(Sparkline).data = list(self._losses)
        if self._last is not None:
            self.query_one(ProgressBar).update(total=self._last.steps, progress=self._last.step)
        if status.ended and not self._ended:
            self._ended = True
            self._timer.stop()
            # A bar without a total, of a run that ended before its first step, would go on moving.
            self.query_one(ProgressBar).display = self._last is not None
            self._show("#run-end", "\n".join(_ending(status)))

    def _take(self, metric: Metric) -> None:
        self._last = metric
        if metric.loss is not None:
            self._losses.append(metric.loss)
        if metric.eval_loss is not None:
            self._held_back.append(metric.eval_loss)
        self._speed = metric.tokens_per_s if metric.tokens_per_s is not None else self._speed

    def _figures(self, ended: bool) -> list[str]:
        lines = []
        if self._last is not None:
            lines.append(f"step            {self._last.step} of {self._last.steps}")
        if self._losses:
            lines.append(f"loss            {self._losses[-1]:.3f}")
        if self._held_back:
            lines.append("held-back loss  " + " → ".join(_shown_losses(self._held_back)))
        if self._speed is not None:
            lines.append(f"speed           {self._speed:.0f} tokens/s")
        if self._last is not None and self._last.eta_s is not None and not ended:
            lines.append(f"time left       {_duration(self._last.eta_s)}")
        return lines

    def _show(self, selector: str, text: str) -> None:
        self.query_one(selector, Static).update(for_terminal(text))

    def action_back(self) -> None:
        """Leave the screen; the run goes on."""
        self.app.pop_screen()

    def action_cancel_run(self) -> None:
        """Ask the run to stop; its state tells when it has."""
        if self._ended:
            return
        try:
            cancel(self._folder)
        except (FiresideError, OSError) as error:
            self._show("#run-end", error.message if isinstance(error, FiresideError) else str(error))
            return
        self._show("#run-end", "cancelling ...")


def _ending(status: Status) -> list[str]:
    """How the run ended, for a person."""
    if status.state == "cancelled":
        return ["the run was cancelled; no adapter was made"]
    if status.state == "failed":
        return [status.error or "training failed", *([status.hint] if status.hint else [])]
    return [*summary(status), *status.notes]


def _shown_losses(losses: list[float]) -> list[str]:
    """The loss before training, and the last three; what lies between is left out."""
    shown = losses if len(losses) <= 4 else [losses[0], *losses[-3:]]
    written = [f"{loss:.3f}" for loss in shown]
    return written if len(losses) <= 4 else [written[0], "…", *written[1:]]


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
