"""The planning process: `python -m finetune.plan.child CONFIG.toml [FOLDER]` writes a plan, and then the time.

Each is one line of JSON on stdout; a failure is a line with "error" and "hint". It is a process of its own because it
imports torch, and loads the model where the time is asked for: then FOLDER, an empty one, is where it trains.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from finetune.base import find_base
from finetune.choices import read_machine
from finetune.config import load_config
from finetune.data.split import read_split
from finetune.examples import examples_of
from finetune.failures import explained
from finetune.methods import check
from finetune.plan.plan import plan
from finetune.shape import shape_of
from finetune.vocabulary import open_vocabulary
from fireside import paths


def main(arguments: list[str]) -> int:
    """Plan, and where that is asked for measure; return the exit status."""
    # Libraries print as they like; what this process tells goes to the standard output it was started with.
    told = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(document: dict[str, Any]) -> None:
        told.write(json.dumps(document) + "\n")
        told.flush()

    try:
        _plan(Path(arguments[0]), tell, Path(arguments[1]) if arguments[1:] else None)
    except Exception as error:
        traceback.print_exc()
        smaller = "lower training.batch_size or training.max_length"
        failure = explained(error, "the plan", smaller, f"see the log in {paths.runs_folder()}")
        tell({"error": failure.message, "hint": failure.hint})
        return 1
    return 0


def _plan(file: Path, tell: Callable[[dict[str, Any]], None], trial: Path | None) -> None:
    config = load_config(file)
    base = find_base(config.base)
    shape = shape_of(base)
    check(config, shape)
    split = read_split(config.data, config.held_back)
    vocabulary = open_vocabulary(base)
    rendered = examples_of(split, config, vocabulary)
    examples, held_back = rendered.train, rendered.held_back
    vocabulary.free()
    paths.ensure_folder(paths.runs_folder())
    disk_free = shutil.disk_usage(paths.runs_folder()).free
    planned = plan(config, shape, read_machine(), disk_free, examples, held_back)
    tell(planned.as_json())
    if trial is not None and planned.fits:
        from finetune.plan.calibration import calibrate

        seconds = calibrate(config, planned.choices, base, examples, held_back, planned.work, trial)
        tell(seconds.as_json())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
