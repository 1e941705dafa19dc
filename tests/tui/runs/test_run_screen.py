"""The screen of a training run, on run folders that the tests write."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from screen_text import shown
from textual.app import App
from textual.pilot import Pilot

from finetune.metrics import Metric
from finetune.status import CONFIG, METRICS, Status, take_lock, write_status
from tui.runs.screen import RunScreen
from tui.theme import DARK


class RunApp(App[None]):
    """Nothing but the training screen."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self.register_theme(DARK)
        self.theme = DARK.name

    def on_mount(self) -> None:
        self.push_screen(RunScreen(self._folder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run = tmp_path / "kitchen-1"
    run.mkdir()
    (run / CONFIG).write_text("", "utf-8")
    return run


@contextmanager
def alive(folder: Path) -> Iterator[None]:
    """As long as this holds, the run has a living process."""
    lock = take_lock(folder)
    try:
        yield
    finally:
        os.close(lock)


def add(folder: Path, *metrics: Metric) -> None:
    with (folder / METRICS).open("a", encoding="utf-8") as stream:
        stream.writelines(json.dumps(metric.as_json()) + "\n" for metric in metrics)


async def look(pilot: Pilot[Any]) -> str:
    """Let the screen read the folder now."""
    screen = pilot.app.screen
    assert isinstance(screen, RunScreen)
    screen._look()
    await pilot.pause()
    return shown(pilot.app)


async def test_a_living_run_shows_its_figures_as_they_come(folder):
    write_status(folder, Status("kitchen", "training"))
    add(folder, Metric(0, 10, eval_loss=3.7))
    with alive(folder):
        async with RunApp(folder).run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            assert "training" in await look(pilot)
            add(folder, Metric(4, 10, loss=2.25, tokens_per_s=151.2, eta_s=75.0), Metric(4, 10, eval_loss=1.5))
            text = await look(pilot)
            assert "4 of 10" in text
            assert "2.250" in text
            assert "3.700 → 1.500" in text
            assert "151 tokens/s" in text


async def test_time_left_is_told_in_minutes(folder):
    write_status(folder, Status("kitchen", "training"))
    add(folder, Metric(4, 10, loss=2.25, tokens_per_s=151.2, eta_s=75.0))
    with alive(folder):
        async with RunApp(folder).run_test(size=(80, 24)) as pilot:
            assert "1 min 15 s" in await look(pilot)


async def test_c_cancels_the_run_and_escape_leaves_it(folder):
    write_status(folder, Status("kitchen", "training"))
    with alive(folder):
        async with RunApp(folder).run_test(size=(80, 24)) as pilot:
            await pilot.press("c")
            assert (folder / "cancel").exists()
            assert "cancelling" in shown(pilot.app)
            write_status(folder, Status("kitchen", "cancelled"))
            assert "no adapter was made" in await look(pilot)
            await pilot.press("escape")
            assert not isinstance(pilot.app.screen, RunScreen)


@pytest.mark.parametrize("size", [(40, 24), (120, 40)])
async def test_how_it_ended_is_told_at_any_width(folder, size):
    scores = {
        "examples": 26, "held_back": 4, "eval_loss_before": 3.7, "eval_loss_after": 0.2, "seconds": 20.0,
        "tokens_per_s": 150.0, "verified": True, "reason": "", "prompts": 20, "positions": 226, "agreement": 0.99,
        "kl": 0.002, "logit_error": 0.15, "base_agreement": 0.98, "base_kl": 0.004, "base_logit_error": 0.13,
    }  # fmt: skip
    write_status(folder, Status("kitchen", "done", verified=True, metrics=scores))
    async with RunApp(folder).run_test(size=size) as pilot:
        text = " ".join((await look(pilot)).split())
        assert "3.700 -> 0.200" in text
        assert "export verified" in text


async def test_a_process_that_died_and_a_folder_that_is_no_run_are_told(folder, tmp_path):
    write_status(folder, Status("kitchen", "training"))
    async with RunApp(folder).run_test(size=(80, 24)) as pilot:
        assert "ended by itself" in await look(pilot)
    async with RunApp(tmp_path).run_test(size=(80, 24)) as pilot:
        assert "is not a training run" in " ".join((await look(pilot)).split())


async def test_a_long_run_keeps_the_loss_it_began_with_in_sight(folder):
    add(folder, *(Metric(step, 9, eval_loss=5.0 - step / 2) for step in range(7)))
    with alive(folder):
        write_status(folder, Status("kitchen", "training"))
        async with RunApp(folder).run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            assert "5.000 → … → 3.000 → 2.500 → 2.000" in await look(pilot)
