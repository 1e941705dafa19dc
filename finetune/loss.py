"""The loss of a batch, computed where a label counts and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from finetune.batches import as_row, collate
from finetune.data.render import IGNORED, Example
from finetune.fast.decoder import hidden_states
from finetune.fast.head import summed_loss
from finetune.fast.portions import summed
from finetune.fast.supported import obstacle

Batch = dict[str, torch.Tensor]
# More tokens at once are no faster, but take more memory: 1.3 MB each over the bundled model.
PORTION = 1024


def reply_loss(model: Any, batch: Batch) -> tuple[torch.Tensor, int]:
    """Summed negative log-likelihood (nats) of the trained tokens of a batch, and how many they are.

    batch: of `collate`. The language head, with its 49,152 columns the dearest layer of a small model, is applied only
    where a label counts. Models that `finetune.fast` knows are computed by it, the others by transformers.
    """
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    window = getattr(causal.config, "sliding_window", None)
    if obstacle(model) is None and (window is None or int(batch["position_ids"].max()) < window):
        return _fast(causal, batch)
    return _plain(causal, batch)


def _plain(causal: Any, batch: Batch) -> tuple[torch.Tensor, int]:
    """By transformers: a padded batch. Rows of several examples are told by their positions."""
    hidden = causal.get_decoder()(
        input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False
    ).last_hidden_state
    labels = batch["labels"][:, 1:]
    counted = labels != IGNORED
    logits = causal.get_output_embeddings()(hidden[:, :-1][counted])
    cap = getattr(causal.config.get_text_config(), "final_logit_softcapping", None)
    if cap is not None:
        logits = torch.tanh(logits / cap) * cap
    return cross_entropy(logits, labels[counted], reduction="sum"), int(counted.sum())


def _fast(causal: Any, batch: Batch) -> tuple[torch.Tensor, int]:
    """By `finetune.fast`: the examples one behind the other, without padding."""
    decoder, head = causal.get_decoder(), causal.get_output_embeddings()
    real = batch["attention_mask"].bool()
    input_ids, positions, labels = (batch[key][real] for key in ("input_ids", "position_ids", "labels"))

    def loss_of(lengths: Sequence[int], begin: int) -> torch.Tensor:
        """The summed loss of the examples of these lengths, the first of which begins at `begin`."""
        here = slice(begin, begin + sum(lengths))
        # A token is predicted where the one before it is read.
        trained = torch.nonzero(labels[here] != IGNORED).squeeze(1)
        hidden = hidden_states(decoder, input_ids[here], positions[here], lengths, trained - 1)
        return summed_loss(hidden, head.weight, labels[here][trained])

    begins = [*torch.nonzero(positions == 0).squeeze(1).tolist(), len(positions)]
    lengths = [end - begin for begin, end in pairwise(begins)]
    weights = [weight for weight in decoder.parameters() if weight.requires_grad]
    return summed(loss_of, list(portions(lengths)), weights), int((labels != IGNORED).sum())


def portions(lengths: Sequence[int]) -> Iterator[tuple[list[int], int]]:
    """Runs of whole examples of at most PORTION tokens, or a longer one alone, and where each begins."""
    begin = 0
    portion: list[int] = []
    for length in lengths:
        if portion and sum(portion) + length > PORTION:
            yield portion, begin
            begin, portion = begin + sum(portion), []
        portion.append(length)
    yield portion, begin


@torch.no_grad()
def held_back_loss(model: Any, examples: Sequence[Example], batch_size: int) -> float:
    """Mean negative log-likelihood (nats) per trained token over `examples`, without dropout."""
    was_training = model.training
    model.eval()
    total, count = 0.0, 0
    device = next(model.parameters()).device
    # Neighbours of like length share a batch, so that little padding is computed.
    ordered = sorted(examples, key=lambda example: len(example.input_ids))
    for begin in range(0, len(ordered), batch_size):
        batch = collate([as_row(example) for example in ordered[begin : begin + batch_size]])
        loss, tokens = reply_loss(model, {name: tensor.to(device) for name, tensor in batch.items()})
        total += loss.item()
        count += tokens
    model.train(was_training)
    return total / count
