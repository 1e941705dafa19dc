"""The list of runs and runs side by side, on run folders that the tests write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from screen_text import shown
from textual.app import App
from textual.screen import Screen
from textual.widgets import DataTable

from finetune.config import Lora, RunConfig, Training, write_toml
from finetune.metrics import Metric
from finetune.status import CONFIG, METRICS, Status, write_status
from tui.runs.compare import Compared, CompareScreen, differences
from tui.runs.list import RunsScreen
from tui.runs.screen import RunScreen
from tui.theme import DARK


class ListApp(App[None]):
    """Nothing but the list of runs."""

    def __init__(self) -> None:
        super().__init__()
        self.register_theme(DARK)
        self.theme = DARK.name

    def on_mount(self) -> None:
        self.push_screen(RunsScreen())


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path))
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


def write_run(runs: Path, name: str, rank: int, after: float, state: Any = "done") -> Path:
    folder = runs / name
    folder.mkdir()
    config = RunConfig(name=name, data=Path("/data.jsonl"), lora=Lora(rank=rank), training=Training(epochs=2))
    (folder / CONFIG).write_text(write_toml(config), "utf-8")
    figures = {
        "examples": 20, "held_back": 4, "eval_loss_before": 3.5, "eval_loss_after": after, "seconds": 12.5,
        "tokens_per_s": 150.0, "verified": True, "reason": "", "prompts": 20, "positions": 226, "agreement": 0.99,
        "kl": 0.002, "logit_error": 0.15, "base_agreement": 0.98, "base_kl": 0.004, "base_logit_error": 0.13,
    }  # fmt: skip
    write_status(folder, Status(name, state, verified=True, metrics=figures if state == "done" else {}))
    lines = [Metric(1, 2, loss=2.0), Metric(2, 2, loss=1.0), Metric(2, 2, eval_loss=after)]
    (folder / METRICS).write_text("".join(json.dumps(line.as_json()) + "\n" for line in lines), "utf-8")
    return folder


@contextmanager
def screen_of(app: App[Any], kind: type[Screen[Any]]) -> Iterator[Any]:
    assert isinstance(app.screen, kind), app.screen
    yield app.screen


async def test_without_runs_it_says_how_to_start_one(runs: Path) -> None:
    async with ListApp().run_test(size=(60, 20)) as pilot:
        await pilot.pause()
        assert "/train CONFIG.toml" in " ".join(shown(pilot.app).split())
        for key in ("enter", "space", "c", "r"):
            await pilot.press(key)
        await pilot.press("escape")
        assert not isinstance(pilot.app.screen, RunsScreen)


async def test_runs_are_listed_and_opened_and_a_damaged_one_hides_none(runs: Path) -> None:
    write_run(runs, "kitchen", 8, 0.25)
    (write_run(runs, "broken", 8, 0.5) / "status.json").write_text("{", "utf-8")
    async with ListApp().run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        text = shown(pilot.app)
        assert "kitchen" in text
        assert "3.500 → 0.250" in text
        assert "verified" in text
        assert "broken" not in text
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, RunScreen)
        assert "Training run kitchen" in shown(pilot.app)


async def test_marked_runs_stand_side_by_side_with_what_differs(runs: Path) -> None:
    write_run(runs, "small", 4, 0.5)
    write_run(runs, "large", 32, 0.25)
    async with ListApp().run_test(size=(100, 60)) as pilot:
        await pilot.pause()
        await pilot.press("c")
        assert "mark two runs" in shown(pilot.app)
        await pilot.press("space", "down", "space", "c")
        await pilot.pause()
        assert isinstance(pilot.app.screen, CompareScreen)
        await pilot.pause()
        table = pilot.app.screen.query_one(DataTable)
        rows = {str(table.get_row_at(index)[0]): list(table.get_row_at(index)[1:]) for index in range(table.row_count)}
        assert sorted(rows["lora.rank"]) == ["32", "4"]
        assert sorted(rows["held-back loss after"]) == ["0.25", "0.5"]
        assert "training.epochs" not in rows
        text = shown(pilot.app)
        assert "━━ small" in text
        assert "━━ large" in text


async def test_a_mark_can_be_taken_off_and_a_fifth_is_refused(runs: Path) -> None:
    for index in range(5):
        write_run(runs, f"run-{index}", 4, 0.5)
    async with ListApp().run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        for _ in range(5):
            await pilot.press("space", "down")
        assert "at most 4 runs" in shown(pilot.app)
        assert shown(pilot.app).count("•") == 4
        await pilot.press("up", "space")
        assert shown(pilot.app).count("•") == 3


async def test_a_finished_run_cannot_go_on(runs: Path) -> None:
    write_run(runs, "kitchen", 8, 0.25)
    async with ListApp().run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        await pilot.press("r")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        assert "nothing to go on from" in shown(pilot.app)


def test_only_settings_that_differ_are_told_and_figures_that_one_lacks_are_empty() -> None:
    first = Compared("a", "done", {"seed": "0", "lora.rank": "8"}, {"eval_loss_after": 0.123456789})
    second = Compared("b", "training", {"seed": "0", "lora.rank": "16"}, {})
    assert differences([first, second]) == [
        ("state", "done", "training"),
        ("lora.rank", "8", "16"),
        ("held-back loss after", "0.12346", ""),
    ]
