"""Finds the rows by which a step's loss or gradient stopped being a number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from finetune.data.render import Example, rows_named
from finetune.loss import held_back_loss
from fireside.errors import TrainingError


def finite_gradients(model: Any) -> bool:
    """Whether every gradient of the model's trained weights is a number. One pass over them."""
    import torch

    sums = [weight.grad.sum() for weight in model.parameters() if weight.grad is not None]
    return not sums or bool(torch.stack([each.float().to(sums[0].device) for each in sums]).isfinite().all())


def explain(model: Any, examples: Sequence[Example], step: int) -> TrainingError:
    """The error that names, of the examples of `step`, those whose loss under `model` is no number; all, where none is.

    `model` must be as it was before the step's update.
    """
    broken = [each for each in examples if not math.isfinite(held_back_loss(model, [each], 1))]
    many = len(broken) == len(examples) > 1
    if broken and not many:
        said = f"because of {_named(broken)}"
        hint = "look at what stands there: fireside data preview; leave it out, or lower training.learning_rate"
    else:
        said = f"with {_named(examples)}, none of which does it alone" if not broken else f"for {_named(examples)}"
        hint = "lower training.learning_rate"
    return TrainingError(f"the loss is no longer a number at step {step}, {said}; nothing was made of it", hint)


def _named(examples: Sequence[Example]) -> str:
    """The rows by source: "row 3 of a.jsonl and rows 1, 2 of b.jsonl"."""
    sources: dict[str, list[int]] = {}
    for example in examples:
        sources.setdefault(example.source, []).append(example.row)
    return " and ".join(
        rows_named(sorted(set(rows))) + (f" of {source}" if source else "") for source, rows in sources.items()
    )
