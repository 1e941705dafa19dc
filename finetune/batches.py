"""Puts examples together to batches of tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from finetune.data.render import IGNORED, Example


def as_row(example: Example) -> dict[str, list[int]]:
    """The example as a row of a `datasets.Dataset`."""
    return {"input_ids": list(example.input_ids), "labels": list(example.labels)}


def collate(examples: Sequence[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    """A batch, padded on the right to its longest: input_ids, labels and attention_mask, each (batch, length)."""
    length = max(len(example["input_ids"]) for example in examples)

    def padded(key: str, fill: int) -> torch.Tensor:
        return torch.tensor([[*example[key], *[fill] * (length - len(example[key]))] for example in examples])

    mask = torch.tensor([[1] * len(e["input_ids"]) + [0] * (length - len(e["input_ids"])) for e in examples])
    # What stands in padded places does not matter: attention never reaches it, and its label is IGNORED.
    return {"input_ids": padded("input_ids", 0), "labels": padded("labels", IGNORED), "attention_mask": mask}
