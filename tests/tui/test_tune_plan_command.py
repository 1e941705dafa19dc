"""`fireside tune plan`: what a run needs, as a person and as a program reads it, from the real planning process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_base import write_tiny_base

from tui import cli
from tui.tuning_plan import plan_lines, time_lines
from tui.tuning_text import verify_lines


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path / "home"))
    base = write_tiny_base(tmp_path / "tiny.gguf")
    rows = [
        {"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"a{n}"}]}
        for n in range(12)
    ]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    file = tmp_path / "run.toml"
    file.write_text(f'name = "k"\ndata = "data.jsonl"\nbase = "{base}"\n', "utf-8")
    return file


def test_every_setting_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tune", "plan", "--explain", "--json"]) == 0
    fields: list[dict[str, str]] = json.loads(capsys.readouterr().out)
    keys = [field["key"] for field in fields]
    assert {"name", "data", "method", "lora.rank", "training.packing", "training.patience"} <= set(keys)
    assert all(field["meaning"] for field in fields)
    assert cli.main(["tune", "plan", "--explain"]) == 0
    assert "lora.rank = 16" in capsys.readouterr().out


def test_without_a_configuration_it_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tune", "plan"]) == 1
    assert "fireside tune plan CONFIG.toml" in capsys.readouterr().err


@pytest.mark.engine
def test_a_plan_with_its_time_and_nothing_left_behind(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tune", "plan", str(config), "--json"]) == 0
    plan: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert plan["fits"] is True
    assert plan["work"]["examples"] + plan["work"]["held_back"] == 12
    assert plan["choices"]["path"]["value"] == "fast"
    assert plan["time"]["total"] > 0
    runs = config.parent / "home" / "runs"
    assert [item.name for item in runs.iterdir()] == ["plan-log.txt"]
    told = "\n".join([*plan_lines(plan), *time_lines(plan["time"])])
    assert "it fits" in told
    assert "tokens/s measured over" in told


@pytest.mark.engine
def test_what_is_wrong_is_one_line(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "data.jsonl").write_text("", "utf-8")
    assert cli.main(["tune", "plan", str(config), "--no-calibration"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert "Traceback" not in captured.err


def test_drift_is_told_where_it_was_measured() -> None:
    figures = {
        f"{prefix}{name}": 0.5 for prefix in ("", "base_", "drift_") for name in ("agreement", "kl", "logit_error")
    }
    scores = {"verified": True, "prompts": 20, "positions": 240, **figures}
    assert "on the base file" in verify_lines(scores)[-1]
    del scores["drift_agreement"]
    assert "base alone" in verify_lines(scores)[-1]
