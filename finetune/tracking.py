"""Where metrics go besides the run's own file: trackers by their own packages, offline and inside the run's folder."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from fireside.errors import TrainingError

PROJECT = "fireside"
"""What trackers file runs under."""


def check_trackers(names: Sequence[str]) -> None:
    """Raises TrainingError where the package of a tracker is not installed; nothing is imported for that."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise TrainingError(
            f"report_to names {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed",
            f"pip install {' '.join(missing)}, or leave report_to out: metrics.jsonl is always written",
        )


def tracker_environment(run: Path) -> dict[str, str]:
    """What keeps each tracker on this machine, its files in the run's folder."""
    return {
        "TENSORBOARD_LOGGING_DIR": str(run / "tensorboard"),
        "TRACKIO_DIR": str(run / "trackio"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{run / 'mlflow.db'}",
        "MLFLOW_EXPERIMENT_NAME": PROJECT,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "WANDB_PROJECT": PROJECT,
        "WANDB_MODE": "offline",
        "WANDB_DIR": str(run),
        "WANDB_SILENT": "true",
        "WANDB_DISABLE_GIT": "true",
        "DO_NOT_TRACK": "true",
    }
