"""The loss of a batch, computed where a label counts and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from finetune.batches import as_row, collate
from finetune.data.render import IGNORED, Example


def reply_loss(model: Any, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, int]:
    """Summed negative log-likelihood (nats) of the trained tokens of a batch, and how many they are.

    The language head, with its 49,152 columns the dearest layer of a small model, is applied only where a label counts.
    """
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    hidden = causal.get_decoder()(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False
    ).last_hidden_state
    labels = batch["labels"][:, 1:]
    counted = labels != IGNORED
    logits = causal.get_output_embeddings()(hidden[:, :-1][counted])
    return cross_entropy(logits, labels[counted], reduction="sum"), int(counted.sum())


@torch.no_grad()
def held_back_loss(model: Any, examples: Sequence[Example], batch_size: int) -> float:
    """Mean negative log-likelihood (nats) per trained token over `examples`, without dropout."""
    was_training = model.training
    model.eval()
    total, count = 0.0, 0
    # Neighbours of like length share a batch, so that little padding is computed.
    ordered = sorted(examples, key=lambda example: len(example.input_ids))
    for begin in range(0, len(ordered), batch_size):
        loss, tokens = reply_loss(model, collate([as_row(e) for e in ordered[begin : begin + batch_size]]))
        total += loss.item()
        count += tokens
    model.train(was_training)
    return total / count
