"""How long a run will take: some seconds of its own real steps, and what follows from them for the whole."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from transformers import TrainerCallback

from finetune.base import Base
from finetune.choices import Choices
from finetune.config import RunConfig
from finetune.data.render import Example
from finetune.plan.load import Work
from finetune.recipes import full, lora

SECONDS = 20.0
# A forward pass alone is about half of a step: a step computes the gradient of each product's input too.
_FORWARD_SHARE = 0.5
# Proving an adapter computes up to 20 prompts and replies four times and writes 32 tokens for each, in two programs;
# measured, that takes about as long as training on so many tokens.
_PROOF_TOKENS = 2_500


@dataclass(frozen=True)
class Time:
    """Seconds. loading: from the start of the process until the first step. training: all steps. evaluating: all
    held-back losses. proving: writing the result and proving it. tokens_per_s: prompts included. measured_steps: how
    many it was measured over."""

    loading: float
    training: float
    evaluating: float
    proving: float
    tokens_per_s: float
    measured_steps: int

    @property
    def total(self) -> float:
        """Seconds from the command to the adapter."""
        return self.loading + self.training + self.evaluating + self.proving

    def as_json(self) -> dict[str, Any]:
        """All of it, rounded to tenths, and the total."""
        return {key: round(value, 1) for key, value in {"total": self.total, **asdict(self)}.items()}


class _Measured(BaseException):
    """Enough was measured. Not an Exception, so that no library takes it for a failure."""


class _Stopwatch(TrainerCallback):
    """Lets a training run go for `SECONDS`, and remembers what it did; the first step, which warms up, is left out."""

    def __init__(self, tokens_seen: Callable[[], int]) -> None:
        self._tokens_seen = tokens_seen
        self.begun = time.perf_counter()
        self._marks: list[tuple[float, int]] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note the time, and stop once there is enough."""
        self._marks.append((time.perf_counter(), self._tokens_seen()))
        if len(self._marks) > 1 and self._marks[-1][0] - self.begun > SECONDS:
            raise _Measured

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock."""
        self.begun = time.perf_counter()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A run that is over before the time is up was measured whole."""
        raise _Measured

    def rate(self) -> tuple[float, int]:
        """Tokens a second, and over how many steps."""
        first = self._marks[0] if len(self._marks) > 1 else (self.begun, 0)
        last = self._marks[-1]
        return (last[1] - first[1]) / (last[0] - first[0]), max(len(self._marks) - 1, 1)


def calibrate(
    config: RunConfig,
    choices: Choices,
    base: Base,
    examples: Sequence[Example],
    held_back: Sequence[Example],
    work: Work,
    folder: Path,
) -> Time:
    """Train for some seconds as the run would, in `folder`, and tell how long the whole will take.

    Raises what a run raises. Nothing of what was trained is kept.
    """
    watches: list[_Stopwatch] = []
    # A run's process starts, reads and renders as this one did.
    began = time.perf_counter() - (time.time() - psutil.Process().create_time())

    def watch(trainer: Any, _: Callable[[], float]) -> list[TrainerCallback]:
        watches.append(_Stopwatch(lambda: int(trainer.tokens_seen)))
        return [watches[0]]

    recipe = lora.train if config.method == "lora" else full.train
    build = folder / "build"
    build.mkdir()
    with contextlib.suppress(_Measured):
        recipe(config, choices, base, examples, held_back, folder, build, watch)
    return foretold(config, work, watches[0].begun - began, *watches[0].rate())


def foretold(config: RunConfig, work: Work, loading: float, tokens_per_s: float, steps: int) -> Time:
    """The time of the whole run, from its rate over some `steps`."""
    epochs, every = config.training.epochs, config.training.evaluate_every
    # One before the first step, and always one behind the last.
    evaluations = 1 + (-(-work.steps // every) if every else epochs)
    return Time(
        loading=loading,
        training=work.tokens * epochs / tokens_per_s,
        evaluating=evaluations * work.held_back_tokens * _FORWARD_SHARE / tokens_per_s,
        proving=_PROOF_TOKENS / tokens_per_s,
        tokens_per_s=tokens_per_s,
        measured_steps=steps,
    )
