"""What the data asks of a run: how many tokens there are, and how many the heaviest batch has."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from finetune.config import RunConfig
from finetune.data.render import Example
from finetune.loss import portions
from finetune.packing import bins

# Epochs that are drawn to find the heaviest batch; more change little.
_EPOCHS = 20


@dataclass(frozen=True)
class Batch:
    """The heaviest batch of a run.

    lengths: tokens of its examples. rows: how many rows they fill. longest: tokens of the longest row. trained: tokens
    that count in the loss.
    """

    lengths: tuple[int, ...]
    rows: int
    longest: int
    trained: int

    @property
    def portion(self) -> tuple[int, ...]:
        """The heaviest run of examples that the fast path computes at once, in tokens each."""
        return tuple(max((lengths for lengths, _ in portions(self.lengths)), key=sum))

    @property
    def padded(self) -> int:
        """Tokens with the padding that makes all rows as long as the longest."""
        return self.rows * self.longest


@dataclass(frozen=True)
class Work:
    """A run's work. examples, held_back: numbers of them. tokens, trained: in one epoch. steps: in the whole run.
    held_back_tokens: computed at each evaluation. batch: the heaviest one that is to be expected."""

    examples: int
    tokens: int
    trained: int
    steps: int
    held_back: int
    held_back_tokens: int
    batch: Batch


def work_of(config: RunConfig, examples: Sequence[Example], held_back: Sequence[Example], *, packed: bool) -> Work:
    """The work of training on `examples`. packed: several of them share a row."""
    lengths = [len(example.input_ids) for example in examples]
    trained = [example.trained for example in examples]
    rows = bins(lengths, config.training.max_length) if packed else [[index] for index in range(len(lengths))]
    size = config.training.batch_size
    batches = -(-len(rows) // size)
    return Work(
        examples=len(examples),
        tokens=sum(lengths),
        trained=sum(trained),
        steps=-(-batches // config.training.accumulation) * config.training.epochs,
        held_back=len(held_back),
        held_back_tokens=sum(len(example.input_ids) for example in held_back),
        batch=_heaviest(rows, lengths, trained, size, config.training.epochs),
    )


def _heaviest(
    rows: Sequence[Sequence[int]], lengths: Sequence[int], trained: Sequence[int], size: int, epochs: int
) -> Batch:
    """The heaviest batch, of `size` rows, among those that `epochs` random orders have."""
    generator = random.Random(0)
    order = list(range(len(rows)))
    weights = [sum(lengths[index] for index in row) for row in rows]
    heaviest: list[int] = []
    most = -1
    for _ in range(min(epochs, _EPOCHS)):
        generator.shuffle(order)
        for begin in range(0, len(order), size):
            batch = order[begin : begin + size]
            # Padded, a batch costs by its longest row, and else by its sum: the sum of both finds the heaviest of each.
            weight = max(weights[row] for row in batch) * len(batch) + sum(weights[row] for row in batch)
            if weight > most:
                heaviest, most = batch, weight
    members = [index for row in heaviest for index in rows[row]]
    return Batch(
        lengths=tuple(lengths[index] for index in members),
        rows=len(heaviest),
        longest=max(weights[row] for row in heaviest),
        trained=sum(trained[index] for index in members),
    )
