"""One line of a run's metrics file: what is known after a step or an evaluation."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from fireside import atomic

# Significant digits of each number. A float32 has about 7.
_DIGITS = {"loss": 8, "eval_loss": 8, "learning_rate": 8}


@dataclass(frozen=True)
class Metric:
    """A logged step. `steps` is the run's total; losses are nats per trained token; `eta_s` seconds to the last step.

    A line has `loss` (a step), or `eval_loss` (the held-back loss: before the first step, and at each evaluation).
    gradient_norm: the length of the gradient before it was clipped. memory_mb: the most memory the process has had,
    in 10^6 bytes.
    """

    step: int
    steps: int
    loss: float | None = None
    eval_loss: float | None = None
    tokens_per_s: float | None = None
    eta_s: float | None = None
    learning_rate: float | None = None
    gradient_norm: float | None = None
    memory_mb: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The line as a JSON object, numbers rounded to what is meaningful."""
        return {
            key: float(f"{value:.{_DIGITS.get(key, 5)}g}") if isinstance(value, float) else value
            for key, value in asdict(self).items()
        }


def read_metric(line: str) -> Metric | None:
    """The metric of one line of `metrics.jsonl`; None for a line that is not one: damage must not stop a reader."""
    try:
        values = json.loads(line)
        return Metric(
            int(values["step"]),
            int(values["steps"]),
            *(_number(values.get(item.name)) for item in fields(Metric)[2:]),
        )
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None


def cut_behind(file: Path, step: int) -> None:
    """Take the lines of later steps out of a file of JSON lines, and those that are damaged: they will be written anew.

    Raises StorageError.
    """
    kept = []
    # Only LF ends a line: a model's answer may hold other Unicode separators.
    for line in file.read_text("utf-8", "replace").split("\n") if file.exists() else []:
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except (ValueError, TypeError, LookupError, RecursionError):
            continue
    atomic.write_text(file, "".join(kept))


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
