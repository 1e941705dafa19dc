"""The curves of training runs: what was measured over the steps, one plot a quantity, one line a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static
from textual_plot import HiResMode, PlotWidget

from finetune.metrics import Metric
from fireside.text import for_terminal_line

# A meaning of the theme for each run that is drawn; so many can be told apart.
COLOURS = ("user", "tool", "source", "error")
_FAINT = "muted"


@dataclass(frozen=True)
class Run:
    """A run to draw: its name, and everything it has measured so far."""

    name: str
    metrics: Sequence[Metric]


@dataclass(frozen=True)
class Line:
    """Points to be joined: steps, and a value at each. colour: a meaning of the theme."""

    steps: tuple[float, ...]
    values: tuple[float, ...]
    colour: str


@dataclass(frozen=True)
class Plot:
    """One quantity. title: what it is and its unit."""

    title: str
    lines: tuple[Line, ...]


def plots(runs: Sequence[Run]) -> tuple[Plot, ...]:
    """What is drawn of `runs`, always four plots; a quantity that was not measured has no lines.

    Of one run the two losses share a plot, because the gap between them is what to look for; of several, each quantity
    has the runs' lines.
    """
    losses, held_back, rates, speeds, memory = (
        tuple(_line(run, quantity, COLOURS[index % len(COLOURS)]) for index, run in enumerate(runs))
        for quantity in ("loss", "eval_loss", "learning_rate", "tokens_per_s", "memory_mb")
    )
    speed, peak = Plot("tokens/s", speeds), Plot("memory, MB", memory)
    if len(runs) == 1:
        trained = Line(losses[0].steps, losses[0].values, _FAINT)
        both = Plot("held-back loss, and that of training (faint)", (trained, *held_back))
        return both, Plot("learning rate", rates), speed, peak
    return Plot("held-back loss", held_back), Plot("loss of training", losses), speed, peak


def _line(run: Run, quantity: str, colour: str) -> Line:
    points = [(metric.step, value) for metric in run.metrics if (value := getattr(metric, quantity)) is not None]
    return Line(tuple(step for step, _ in points), tuple(value for _, value in points), colour)


class Curve(Vertical):
    """One plot under its title."""

    def compose(self) -> ComposeResult:
        """Title and plot."""
        yield Static(classes="curve-title", markup=False)
        plot = PlotWidget(allow_pan_and_zoom=False)
        # There is nothing to do in it with keys.
        plot.can_focus = False
        for margin, rows in ((PlotWidget.margin_top, 0), (PlotWidget.margin_bottom, 1), (PlotWidget.margin_left, 9)):
            plot.set_reactive(margin, rows)
        yield plot

    def show(self, plot: Plot) -> None:
        """Draw `plot`."""
        colours = self.app.theme_variables
        lines = [line for line in plot.lines if line.steps]
        self.query_one(Static).update(plot.title if lines else f"{plot.title}: nothing measured yet")
        widget = self.query_one(PlotWidget)
        widget.clear()
        for line in lines:
            if len(line.steps) == 1:
                widget.scatter(line.steps, line.values, marker="•", marker_style=colours[line.colour])
            else:
                widget.plot(line.steps, line.values, line_style=colours[line.colour], hires_mode=HiResMode.BRAILLE)


class Curves(Vertical):
    """The plots of some runs, drawn anew whenever `show` is called."""

    def compose(self) -> ComposeResult:
        """A key to the colours, and places for four plots."""
        yield Static(id="curves-key")
        for _ in range(2):
            with Horizontal(classes="curve-pair"):
                yield Curve()
                yield Curve()

    def show(self, runs: Sequence[Run]) -> None:
        """Draw `runs`."""
        for curve, plot in zip(self.query(Curve), plots(runs), strict=True):
            curve.show(plot)
        key = self.query_one("#curves-key", Static)
        key.display = len(runs) > 1
        colours = self.app.theme_variables
        names = [(run.name, colours[COLOURS[index % len(COLOURS)]]) for index, run in enumerate(runs)]
        key.update(Content.assemble(*((f"━━ {for_terminal_line(name, 60)}   ", colour) for name, colour in names)))
