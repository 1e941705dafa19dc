"""The plan of a run on the screen: from the real planning process, started with Enter, refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.screen import Screen
from tiny_base import write_tiny_base

from tui.runs.plan_screen import PlanScreen


def write_config(folder: Path, more: str = "") -> Path:
    base = write_tiny_base(folder / "tiny.gguf")
    rows = [{"prompt": f"q{number}", "completion": f"a{number}"} for number in range(12)]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    file = folder / "kitchen.toml"
    file.write_text(f'name = "k"\ndata = "data.jsonl"\nbase = "{base}"\n{more}', "utf-8")
    return file


class Opened(Screen[None]):
    def __init__(self, run_folder: Path) -> None:
        super().__init__()
        self.run_folder = run_folder


@pytest.mark.engine
async def test_a_plan_is_shown_and_enter_starts_the_run(
    chat_with: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_config(tmp_path)
    monkeypatch.setattr("tui.runs.plan_screen.RunScreen", Opened)
    monkeypatch.setattr("tui.runs.plan_screen.start_run", lambda config: tmp_path / config.name)
    async with chat_with(size=(100, 40)) as chat:
        await chat.write(f"/plan {file}")
        await chat.until(lambda: isinstance(chat.app.screen, PlanScreen))
        await chat.until_seconds(60.0, lambda: "it fits" in chat.text)
        assert "Plan of kitchen.toml" in chat.text
        assert "memory:" in chat.text
        await chat.pilot.press("enter")
        await chat.until(lambda: isinstance(chat.app.screen, Opened))
        assert chat.app.screen.run_folder == tmp_path / "k"


async def test_a_wrong_configuration_is_told_at_once(chat_with: Callable[..., Any], tmp_path: Path) -> None:
    file = write_config(tmp_path, "[lora]\nrang = 8\n")
    async with chat_with() as chat:
        await chat.write(f"/plan {file}")
        await chat.shows("rang")
        await chat.pilot.press("enter", "t")
        await chat.shows("Plan of kitchen.toml")
        await chat.pilot.press("escape")
        await chat.until(lambda: chat.app.screen is chat.screen)
