"""How the engine's rows measure: replies at the client's event stream, rivals in children, and figures with limits."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fireside.models.client import WorkerModel
from fireside.models.gguf.loading import GgufLoading
from fireside.models.types import Delta, Finished, Request, TokenScore


@dataclass(frozen=True)
class Bench:
    """What every row gets: the model, the threads, and a folder of its own. runs: of short rows; long ones have 3."""

    model: Path
    threads: int
    folder: Path
    runs: int

    def loading(self, **changes: Any) -> GgufLoading:
        """How the model is loaded: 4,096 tokens of context, no speculation unless asked for."""
        return GgufLoading(
            self.model, **{"context_length": 4096, "threads": self.threads, "speculate": False, **changes}
        )


@dataclass(frozen=True)
class Reply:
    """A reply as the client saw it.

    first_s: seconds from asking to the first text. rate: tokens a second from the first text to the end. Text comes at
    most every 50 ms, but the first piece is the first token and the end comes with the last, so all others lie between.
    """

    first_s: float
    rate: float
    text: str
    finished: Finished
    scores: tuple[TokenScore, ...]


async def replied(model: WorkerModel, request: Request) -> Reply:
    """Let `model` reply."""
    texts: list[str] = []
    scores: list[TokenScore] = []
    began = time.perf_counter()
    first = 0.0
    async for event in model.generate(request):
        now = time.perf_counter()
        if isinstance(event, Delta):
            first = first or now
            texts.append(event.text)
            scores += event.scores
        elif isinstance(event, Finished):
            written = event.usage.completion_tokens
            rate = (written - 1) / (now - first) if first and written > 1 else 0.0
            return Reply(first - began, rate, "".join(texts), event, tuple(scores))
    raise SystemExit("a reply ended without its last event")


@asynccontextmanager
async def loaded(loading: GgufLoading) -> AsyncIterator[WorkerModel]:
    """A worker with the model loaded, closed in the end."""
    model = WorkerModel("model", loading)
    try:
        await model.start()
        yield model
    finally:
        await model.close()


class Child(AbstractContextManager["Child"]):
    """A rival in a process of its own (`engine_children.py`), with the environment it would have anywhere."""

    def __init__(self, kind: str, bench: Bench) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  # closed in __exit__
        program = Path(__file__).with_name("engine_children.py")
        self._process = subprocess.Popen(
            [sys.executable, str(program), kind, str(bench.model), str(bench.threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._complaints,
        )  # fmt: skip
        self._answer()

    def ask(self, what: str, **content: Any) -> Any:
        """Ask, and wait for the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **content}).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._complaints.seek(0)
            said = self._complaints.read().decode("utf-8", "replace").strip().splitlines()[-8:]
            raise SystemExit("a rival's process ended:\n" + "\n".join(said))
        return json.loads(line)

    def __exit__(self, *_: object) -> None:
        """Let it end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._complaints.close()


async def alternate(runs: int, subjects: Mapping[str, Callable[[int], Awaitable[float]]]) -> dict[str, list[float]]:
    """Measure each subject once a run, another one first each time. A subject is given the number of the run."""
    found: dict[str, list[float]] = {name: [] for name in subjects}
    for run in range(runs):
        names = list(subjects)
        for name in names[run % len(names) :] + names[: run % len(names)]:
            found[name].append(await subjects[name](run))
    return found


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios within each run: what else the machine does bears on both sides of it."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def figures(found: dict[str, list[float]], unit: str) -> None:
    """Print the median of each subject, and how far its runs lie apart."""
    for name, values in found.items():
        spread = f"{min(values):.1f} to {max(values):.1f}" if len(values) > 1 else "one run"
        print(f"    {name:<34} {statistics.median(values):8.1f} {unit} ({spread})")


def verdict(what: str, value: float, limit: float, *, most: bool = False, unit: str = "") -> bool:
    """Print a figure against its limit, the least that will do, or the most; whether it is met."""
    met = value <= limit if most else value >= limit
    digits = 0 if unit == "MB" else 1 if unit else 3
    bound = f"at {'most' if most else 'least'} {limit:g}{' ' + unit if unit else ''}"
    shown = f"{value:.{digits}f}{' ' + unit if unit else ''}"
    print(f"  {'ok    ' if met else 'MISSED'} {what}: {shown} ({bound})", flush=True)
    return met


def skipped(what: str, why: str) -> bool:
    """Print that a comparison could not be made. It counts as missed."""
    print(f"  SKIPPED {what}: {why}", flush=True)
    return False


def command_environment(bench: Bench, **settings: str) -> dict[str, str]:
    """The environment of a `fireside` command run on this model, with a home of its own."""
    home = bench.folder / "home"
    home.mkdir(exist_ok=True)
    return {
        **os.environ,
        "FIRESIDE_HOME": str(home),
        "FIRESIDE_MODEL__NAME": str(bench.model),
        "FIRESIDE_MODEL__THREADS": str(bench.threads),
        **settings,
    }
