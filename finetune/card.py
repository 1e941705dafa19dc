"""A result's card: what it was made of, by what, on which machine, and how it did."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

import fireside
from finetune.base import Base
from finetune.config import RunConfig
from finetune.inputs import Inputs
from finetune.progress import Counts

_PACKAGES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "gguf", "llama-cpp-python", "numpy")


def figures(counts: Counts, config: RunConfig, examples: int, held_back: int) -> dict[str, Any]:
    """What a run's last line and the card tell of training; losses in nats per trained token."""
    kept = counts.best_loss if config.training.patience else counts.eval_loss
    return {
        "examples": examples,
        "held_back": held_back,
        "eval_loss_before": _rounded(counts.eval_loss_before),
        "eval_loss_after": _rounded(kept),
        "best_step": counts.best_step if config.training.patience else counts.steps,
        "train_loss": _rounded(counts.loss_sum / counts.steps),
        "steps": counts.steps,
        "tokens": counts.tokens,
        "seconds": round(counts.training_s, 2),
        "tokens_per_s": round(counts.tokens / counts.training_s, 1),
    }


def card(config: RunConfig, base: Base, inputs: Inputs, metrics: dict[str, Any]) -> dict[str, Any]:
    """The card as far as it is known before the export is checked. metrics: as `figures` gives them."""
    return {
        "name": config.name,
        "base": {
            "name": base.name,
            "sha256": base.file_sha256,
            "content_sha256": base.sha256,
            "architecture": base.architecture,
            "file": config.base,
        },
        "data_sha256": inputs.data,
        "held_back_sha256": inputs.held_back,
        "config": config.model_dump(mode="json"),
        "seed": config.seed,
        "metrics": metrics,
        "origin": "trained",
        "made": {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "fireside": fireside.__version__,
            "python": platform.python_version(),
            "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
            "machine": {
                "system": platform.platform(),
                "processor": _processor(),
                "cores": os.cpu_count(),
                "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
            },
        },
    }


def _processor() -> str:
    """The processor's name; "" where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    except OSError:
        return platform.processor()


def _rounded(loss: float) -> float:
    """To what a float32 holds."""
    return float(f"{loss:.8g}")
