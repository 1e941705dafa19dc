"""One training run: its state, losses, speed, curves and sample answers, read from the run's folder as they come."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, ProgressBar, Static

from finetune.metrics import Metric
from finetune.run import cancel, read_metrics
from finetune.samples import read_samples
from finetune.status import Status, read_status
from fireside.errors import FiresideError
from fireside.text import for_terminal, for_terminal_line
from tui.actions import bindings
from tui.runs.curves import Curves, Run
from tui.tuning_text import STATES, sample_lines, summary

_LOOK_S = 0.5


class RunScreen(Screen[None]):
    """Follows one run. The run is a process of its own: leaving the screen, or the app, does not end it."""

    CSS_PATH = "runs.tcss"
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "narrow"), (100, "wide")]  # noqa: RUF012  # as in Screen
    BINDINGS: ClassVar[list[BindingType]] = bindings("run")

    def __init__(self, run_folder: Path) -> None:
        """`run_folder`: as `finetune.run.start_run` returned it."""
        super().__init__()
        self._folder = run_folder
        self._position = 0
        self._metrics: list[Metric] = []
        self._ended = False

    def compose(self) -> ComposeResult:
        """Title, state, progress, figures, curves, the answers to the fixed prompts, and what to say at the end."""
        with VerticalScroll(id="run"):
            yield Static(f"Training run {for_terminal_line(self._folder.name, 80)}", classes="page-title", markup=False)
            yield Static(id="run-state", markup=False)
            yield ProgressBar(id="run-progress", show_eta=False)
            yield Static(id="run-figures", markup=False)
            yield Static(id="run-end", markup=False)
            yield Curves(id="curves")
            yield Static(id="run-samples", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Look at once, and then twice a second."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw())
        self._timer = self.set_interval(_LOOK_S, self._look)
        # The plots mount their own parts after this.
        self.call_after_refresh(self._look)

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
        self._metrics += metrics
        self._show("#run-state", STATES[status.state])
        self._show("#run-figures", "\n".join(figures(self._metrics, status.ended)))
        if metrics:
            last = self._metrics[-1]
            self.query_one(ProgressBar).update(total=last.steps, progress=last.step)
            self._draw()
        if status.ended and not self._ended:
            self._ended = True
            self._timer.stop()
            # A bar without a total, of a run that ended before its first step, would go on moving.
            self.query_one(ProgressBar).display = bool(self._metrics)
            self._show("#run-end", "\n".join(_ending(status)))

    def _draw(self) -> None:
        """Draw the curves, and read the newest sample answers."""
        self.query_one(Curves).show([Run(self._folder.name, self._metrics)])
        self._show("#run-samples", "\n".join(sample_lines(read_samples(self._folder))))

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


def figures(metrics: Sequence[Metric], ended: bool) -> list[str]:
    """What is known of a run, a line each: step, losses, speed, and the time left where it goes on."""
    newest = {quantity: _newest(metrics, quantity) for quantity in ("loss", "tokens_per_s", "memory_mb", "eta_s")}
    held_back = [metric.eval_loss for metric in metrics if metric.eval_loss is not None]
    lines = []
    if metrics:
        lines.append(f"step            {metrics[-1].step} of {metrics[-1].steps}")
    if newest["loss"] is not None:
        lines.append(f"loss            {newest['loss']:.3f}")
    if held_back:
        lines.append("held-back loss  " + " → ".join(_shown_losses(held_back)))
    if newest["tokens_per_s"] is not None:
        lines.append(f"speed           {newest['tokens_per_s']:.0f} tokens/s")
    if newest["memory_mb"] is not None:
        lines.append(f"memory          {newest['memory_mb']:.0f} MB")
    if newest["eta_s"] is not None and not ended:
        lines.append(f"time left       {_duration(newest['eta_s'])}")
    return lines


def _newest(metrics: Sequence[Metric], quantity: str) -> float | None:
    """The last value of a quantity that not every line has."""
    found = (getattr(metric, quantity) for metric in reversed(metrics))
    return next((float(value) for value in found if value is not None), None)


def _shown_losses(losses: Sequence[float]) -> list[str]:
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
