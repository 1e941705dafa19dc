"""What a training run ends with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Trained:
    """A trained model, in evaluation mode.

    model: a peft model over the base as the run was given it; or, where `whole` (full fine-tuning, DoRA), a plain
    transformers model.
    """

    model: Any
    whole: bool
