"""In which order the examples of each epoch come: decided by the seed and the epoch alone, so that a run can go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler


class EpochOrder(Sampler[int]):
    """Indices of the rows in a random order of its own for each epoch; or, in the first one, short rows first.

    The Trainer tells the epoch through `set_epoch`. No generator is shared, so nothing else that draws random numbers
    changes the order, and a resumed run needs no state.
    """

    def __init__(self, lengths: Sequence[int], seed: int, *, short_first: bool) -> None:
        """lengths: tokens of each row. short_first: curriculum learning by length in epoch 0; equal lengths by row."""
        self._lengths, self._seed, self._short_first, self._epoch = lengths, seed, short_first, 0

    def set_epoch(self, epoch: int) -> None:
        """The epoch the next iteration is for, from 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        """The indices of the epoch."""
        if self._short_first and self._epoch == 0:
            return iter(sorted(range(len(self._lengths)), key=self._lengths.__getitem__))
        # A seed and its successor must not share orders of neighbouring epochs.
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self._epoch)
        return iter(torch.randperm(len(self._lengths), generator=generator).tolist())
