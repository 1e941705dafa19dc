"""What a training run ends with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Trained:
    """A trained model and how training went. `model` is a peft model in evaluation mode; losses in nats per token."""

    model: Any
    eval_loss_before: float
    eval_loss_after: float
    train_loss: float
    steps: int
    tokens: int
    seconds: float
    cancelled: bool
