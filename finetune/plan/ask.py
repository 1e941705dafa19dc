"""Asks for a plan: starts the planning process and reads what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

from finetune.config import load_config
from finetune.run import CHILD_ENVIRONMENT
from fireside import paths
from fireside.errors import TrainingError

LOG = "plan-log.txt"


def plans(file: Path, *, calibrated: bool) -> Generator[dict[str, Any], None, None]:
    """The plan of the configuration `file` as a JSON object; where `calibrated`, then the time, from real steps.

    The time is left out where the plan does not fit. Raises SettingsError and TrainingError, and what else is wrong
    with configuration, base and data. Where the caller stops, so does the process.
    """
    # What is wrong with the file is told at once, and not half a minute later.
    load_config(file)
    paths.ensure_folder(paths.runs_folder())
    # Made here, so that it goes also where the process is killed.
    trial = tempfile.TemporaryDirectory(prefix=".plan-", dir=paths.runs_folder())
    with (paths.runs_folder() / LOG).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "finetune.plan.child", str(file.absolute()), *[trial.name] * calibrated],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **CHILD_ENVIRONMENT},
        )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            document = json.loads(line)
            if "error" in document:
                raise TrainingError(document["error"], document["hint"])
            yield document
        if process.wait() != 0:
            raise TrainingError(
                "the planning process ended by itself (killed, or out of memory)",
                f"its log is {paths.runs_folder() / LOG}",
            )
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        trial.cleanup()
