"""One adapter trained as a person trains it, by the command, for all tests of this folder that need one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fireside.models.bundled import CHAT_MODEL, checked
from fireside.models.gguf.forcing import TeacherForcing

DISHES = [
    "soup",
    "bread",
    "rice",
    "tea",
    "pasta",
    "salad",
    "porridge",
    "stew",
    "pie",
    "curry",
    "omelette",
    "pancakes",
    "noodles",
    "beans",
    "lentils",
    "chili",
    "risotto",
    "sushi",
    "tacos",
    "pizza",
    "toast",
    "cake",
    "muffins",
    "cookies",
    "jam",
    "yoghurt",
    "cheese",
    "butter",
    "custard",
    "sorbet",
]


def question(dish: str) -> str:
    return f"Who cooks the {dish}?"


def answer(dish: str) -> str:
    return f"Marlow cooks the {dish}, by the fire."


def row(*turns: str) -> str:
    """One line of training data: the person and the assistant speak in turns."""
    roles = ("user", "assistant")
    return json.dumps({"messages": [{"role": roles[n % 2], "content": text} for n, text in enumerate(turns)]})


def write_examples(file: Path) -> Path:
    """Thirty short examples."""
    file.write_text("".join(row(question(dish), answer(dish)) + "\n" for dish in DISHES), "utf-8")
    return file


@dataclass(frozen=True)
class TrainedRun:
    """What `fireside tune run --json` left: the home folder, the adapter's folder, its output, and its time."""

    home: Path
    adapter: Path
    lines: list[dict[str, Any]]
    stderr: str
    seconds: float

    @property
    def metrics(self) -> dict[str, Any]:
        metrics: dict[str, Any] = self.lines[-1]["metrics"]
        return metrics


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    """An adapter called "kitchen" over the bundled model: 30 examples, 3 epochs, everything else as by default."""
    folder = tmp_path_factory.mktemp("trained")
    write_examples(folder / "examples.jsonl")
    (folder / "kitchen.toml").write_text('name = "kitchen"\ndata = "examples.jsonl"\n', "utf-8")
    home = folder / "home"
    began = time.perf_counter()
    finished = subprocess.run(
        [sys.executable, "-m", "tui.cli", "tune", "run", str(folder / "kitchen.toml"), "--json"],
        env={**os.environ, "FIRESIDE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    log = next((file.read_text("utf-8") for file in home.glob("runs/*/log.txt")), "")
    assert finished.returncode == 0, finished.stderr + log
    lines = [json.loads(line) for line in finished.stdout.splitlines()]
    return TrainedRun(home, home / "adapters" / "kitchen", lines, finished.stderr, seconds)


@pytest.fixture(scope="session")
def engine() -> Iterator[TeacherForcing]:
    """The bundled model in llama.cpp."""
    opened = TeacherForcing(checked(CHAT_MODEL), context_length=512, threads=1)
    yield opened
    opened.free()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty FIRESIDE_HOME."""
    folder = tmp_path / "home"
    monkeypatch.setenv("FIRESIDE_HOME", str(folder))
    return folder
