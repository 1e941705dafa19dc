"""Trains the tiny base in processes that can be killed, forked from one that has imported everything already."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from random import Random

from tiny_runs import made_examples, train

from finetune.checkpoints import CHECKPOINTS, newest, step_of
from finetune.config import RunConfig
from finetune.metrics import cut_behind
from finetune.status import METRICS

EXAMPLES, HELD_BACK = made_examples(9), made_examples(4, seed=1)
_PRELOADED = ["run_process", "finetune.progress", "finetune.trainer", "finetune.recipes.lora", "finetune.recipes.full"]


def context() -> ForkServerContext:
    """Where such processes come from."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(_PRELOADED)
    return found


def begin(config: RunConfig, run: Path) -> ForkServerProcess:
    """Train in a process of its own, from the run's last checkpoint where it has one."""
    process = context().Process(target=_train, args=(config, run))
    process.start()
    return process


def _train(config: RunConfig, run: Path) -> None:
    # What libraries write would stand between the tests' own lines.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.dup2(2, 1)
    resumed = newest(run)
    cut_behind(run / METRICS, step_of(resumed) if resumed else -1)
    train(config, EXAMPLES, HELD_BACK, run, resumed=resumed)


def kill_while_writing(process: ForkServerProcess, run: Path, random: Random) -> bool:
    """Kill the process a moment after it began to write a checkpoint; False where it ended before."""
    unfinished = run / CHECKPOINTS / ".unfinished"
    writes_left = random.randrange(1, 4)
    while process.is_alive():
        if unfinished.exists():
            writes_left -= 1
            if not writes_left:
                return _kill(process, random.uniform(0, 0.03))
            while unfinished.exists() and process.is_alive():
                time.sleep(0.0005)
        time.sleep(0.0005)
    return False


def kill_sometime(process: ForkServerProcess, within_s: float, random: Random) -> bool:
    """Kill the process at a random moment of the next `within_s` seconds; False where it ended before."""
    return _kill(process, random.uniform(0, within_s))


def _kill(process: ForkServerProcess, after_s: float) -> bool:
    process.join(after_s)
    if process.exitcode is not None or process.pid is None:
        return False
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    return process.exitcode == -signal.SIGKILL
