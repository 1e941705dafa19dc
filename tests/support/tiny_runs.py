"""Runs of a second or two, without a process of their own: tiny base, few examples, the real recipes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from finetune.base import Base, find_base
from finetune.choices import Machine, choose
from finetune.config import Lora, RunConfig, Training
from finetune.data.render import Example
from finetune.shape import shape_of
from finetune.status import METRICS, SAMPLES

MACHINE = Machine(cores=1, memory=2**33)


def made_examples(count: int, *, length: int = 24, seed: int = 0) -> list[Example]:
    """Examples of random tokens of the tiny base, their second half learnt; each of another length."""
    import random

    draw = random.Random(seed)
    found = []
    for row in range(1, count + 1):
        ids = tuple(draw.randrange(3, 260) for _ in range(length + row % 7))
        labels = tuple(-100 if index < length // 2 else token for index, token in enumerate(ids))
        found.append(Example(ids, labels, row, "made.jsonl"))
    return found


def tiny_config(base: Path, *, lora: dict[str, Any] | None = None, **training: Any) -> RunConfig:
    """A run that uses every source of chance: dropout, noise on embeddings, the order of examples."""
    return RunConfig(
        name="tiny",
        data=base.with_name("made.jsonl"),
        base=str(base),
        threads=1,
        lora=Lora(rank=2, dropout=0.1, **(lora or {})),
        training=Training(**{"epochs": 3, "batch_size": 2, "neftune": 5.0, "learning_rate": 1e-2, **training}),
    )


def train(
    config: RunConfig,
    examples: Sequence[Example],
    held_back: Sequence[Example],
    run: Path,
    *,
    resumed: Path | None = None,
    watching: Any = None,
) -> tuple[Any, Any]:
    """Train in this process, in the run folder `run`; return what the recipe returns, and the Progress of it.

    watching: a TrainerCallback to be added behind Progress.
    """
    from finetune.progress import Progress
    from finetune.recipes import full, lora

    base: Base = find_base(config.base)
    shape = shape_of(base)
    choices = choose(MACHINE, config, shape, [len(example.input_ids) for example in examples])
    progress = Progress(config, run, examples, lambda model: ["said" for _ in config.prompts], resumed)

    def callbacks(trainer: Any, measure: Any) -> list[Any]:
        if watching is not None:
            watching.trainer = trainer
        return [*progress.attached(trainer, measure), *([watching] if watching else [])]

    build = run / "adapter"
    build.mkdir(parents=True, exist_ok=True)
    recipe = lora.train if config.method == "lora" else full.train
    return recipe(config, choices, base, examples, held_back, run, build, callbacks, resumed), progress


def lines(run: Path, name: str = METRICS) -> list[dict[str, Any]]:
    """The run's metrics, or its samples."""
    return [json.loads(line) for line in (run / name).read_text("utf-8").splitlines()]


def samples(run: Path) -> list[dict[str, Any]]:
    return lines(run, SAMPLES)
