"""Runs that are killed at any moment, also while they write a checkpoint, end with the weights of one that was not.

`benchmarks/faults.py --row training` calls `check_runs` with its full count.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

from run_process import begin, kill_sometime, kill_while_writing
from tiny_base import write_tiny_base
from tiny_runs import lines, tiny_config

from finetune.checkpoints import CHECKPOINTS, any_checkpoint, is_whole, newest
from finetune.config import RunConfig

_WEIGHTS = "adapter/adapter_model.safetensors"


def check_runs(seed: int, count: int) -> list[str]:
    """Kill `count` runs, each up to three times, and resume them; what is wrong with how they end."""
    found: list[str] = []
    killed = writing = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        config = tiny_config(write_tiny_base(folder / "tiny.gguf"), checkpoint_every=2, evaluate_every=3)
        expected, took_s = _uninterrupted(config, folder / "whole")
        for case in range(count):
            random = Random(f"{seed}:{case}")
            run = folder / f"run-{case}"
            for _ in range(random.randrange(1, 4)):
                process = begin(config, run)
                if case % 2 == 0:
                    hit = kill_while_writing(process, run, random)
                    writing += hit
                else:
                    hit = kill_sometime(process, took_s, random)
                killed += hit
                found += [f"case {case}: {each}" for each in _wrong_while_dead(run)]
            process = begin(config, run)
            process.join()
            if process.exitcode != 0:
                found.append(f"case {case}: resuming failed")
            elif _outcome(run) != expected:
                found.append(f"case {case}: the resumed run ended otherwise than the uninterrupted one")
    print(f"  {killed} kills, {writing} of them while a checkpoint was written")
    if not killed or not writing:
        found.append("no run was killed in time: the check has shown nothing")
    return found


def _uninterrupted(config: RunConfig, run: Path) -> tuple[Any, float]:
    began = time.perf_counter()
    process = begin(config, run)
    process.join()
    assert process.exitcode == 0
    return _outcome(run), time.perf_counter() - began


def _outcome(run: Path) -> tuple[str, list[tuple[Any, ...]]]:
    """The trained weights, and every figure of the run that does not depend on the clock."""
    keys = ("step", "loss", "eval_loss", "learning_rate", "gradient_norm")
    digest = hashlib.sha256((run / _WEIGHTS).read_bytes()).hexdigest()
    return digest, [tuple(line[key] for key in keys) for line in lines(run)]


def _wrong_while_dead(run: Path) -> list[str]:
    """What must not be of a run that was killed just now."""
    folder = run / CHECKPOINTS
    named = [each for each in folder.iterdir() if each.name.startswith("step-")] if folder.is_dir() else []
    wrong = []
    if named and not is_whole(max(named)):
        wrong.append(f"the newest checkpoint {max(named).name} is torn")
    chosen = newest(run)
    if any_checkpoint(run) and (chosen is None or not is_whole(chosen)):
        wrong.append("no whole checkpoint is left")
    return wrong


def test_killed_runs_end_as_if_they_had_not_been():
    assert check_runs(seed=1, count=1) == []
