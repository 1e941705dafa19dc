"""One line of a run's metrics file: what is known after a step or an evaluation."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Metric:
    """A logged step. `steps` is the run's total; losses are nats per trained token; `eta_s` seconds to the last step.

    A line has `loss` (a step), or `eval_loss` (the held-back loss: before the first step, and after each epoch).
    """

    step: int
    steps: int
    loss: float | None = None
    eval_loss: float | None = None
    tokens_per_s: float | None = None
    eta_s: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The line as a JSON object, numbers rounded to what is meaningful."""
        return {key: round(value, 5) if isinstance(value, float) else value for key, value in asdict(self).items()}


def read_metric(line: str) -> Metric | None:
    """The metric of one line of `metrics.jsonl`; None for a line that is not one: damage must not stop a reader."""
    try:
        values = json.loads(line)
        return Metric(
            int(values["step"]),
            int(values["steps"]),
            *(_number(values.get(key)) for key in ("loss", "eval_loss", "tokens_per_s", "eta_s")),
        )
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
