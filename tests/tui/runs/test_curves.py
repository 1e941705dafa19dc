"""What is drawn of runs: which quantities, which lines, and the plots on the screen."""

from __future__ import annotations

import pytest
from screen_text import shown
from textual.app import App, ComposeResult
from textual_plot import PlotWidget

from finetune.metrics import Metric
from tui.runs.curves import Curves, Run, plots
from tui.theme import DARK, LIGHT

METRICS = (
    Metric(0, 4, eval_loss=3.0),
    Metric(1, 4, loss=2.5, learning_rate=5e-4, tokens_per_s=150.0, memory_mb=900.0),
    Metric(2, 4, loss=2.0, learning_rate=2.5e-4, tokens_per_s=160.0, memory_mb=950.0),
    Metric(2, 4, eval_loss=2.2),
)


def test_one_run_has_both_losses_in_one_plot_and_a_plot_for_each_other_quantity() -> None:
    losses, rate, speed, memory = plots([Run("kitchen", METRICS)])
    trained, held_back = losses.lines
    assert (trained.steps, trained.values) == ((1, 2), (2.5, 2.0))
    assert (held_back.steps, held_back.values) == ((0, 2), (3.0, 2.2))
    assert trained.colour != held_back.colour
    assert [line.values for line in rate.lines] == [(5e-4, 2.5e-4)]
    assert [line.values for line in speed.lines] == [(150.0, 160.0)]
    assert [line.values for line in memory.lines] == [(900.0, 950.0)]


def test_each_of_several_runs_has_a_line_of_its_colour_in_every_plot() -> None:
    drawn = plots([Run("a", METRICS), Run("b", METRICS[:2]), Run("c", ())])
    assert [plot.title for plot in drawn] == ["held-back loss", "loss of training", "tokens/s", "memory, MB"]
    for plot in drawn:
        assert len({line.colour for line in plot.lines}) == 3
    assert [line.steps for line in drawn[0].lines] == [(0, 2), (0,), ()]


class CurvesApp(App[None]):
    def __init__(self, theme: str) -> None:
        super().__init__()
        for known in (DARK, LIGHT):
            self.register_theme(known)
        self.theme = theme

    def compose(self) -> ComposeResult:
        yield Curves()


@pytest.mark.parametrize("theme", [DARK.name, LIGHT.name])
async def test_lines_are_drawn_in_the_themes_colours_and_what_is_not_measured_is_said(theme: str) -> None:
    async with CurvesApp(theme).run_test(size=(100, 40)) as pilot:
        await pilot.pause()
        curves = pilot.app.query_one(Curves)
        curves.show([Run("kitchen", METRICS[:1])])
        await pilot.pause()
        assert "learning rate: nothing measured yet" in shown(pilot.app)
        curves.show([Run("kitchen", METRICS)])
        await pilot.pause()
        text = shown(pilot.app)
        assert "nothing measured yet" not in text
        assert any("\u2800" < character <= "\u28ff" for character in text)  # braille: a line
        assert "kitchen" not in text  # one run needs no key
        assert not any(plot.can_focus for plot in pilot.app.query(PlotWidget))


async def test_a_run_whose_name_is_markup_is_written_as_it_stands() -> None:
    async with CurvesApp(DARK.name).run_test(size=(100, 40)) as pilot:
        await pilot.pause()
        pilot.app.query_one(Curves).show([Run("[@click=app.quit]a[/]", METRICS), Run("b\x1b[31m", METRICS)])
        await pilot.pause()
        assert "[@click=app.quit]a[/]" in shown(pilot.app)
        assert "\x1b" not in shown(pilot.app)
