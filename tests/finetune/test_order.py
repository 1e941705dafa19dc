"""The order of the examples depends on the seed and the epoch alone."""

from __future__ import annotations

import tiny_training

tiny_training.import_what_trains()

from finetune.order import EpochOrder  # noqa: E402

LENGTHS = [5, 3, 9, 3, 1, 7, 8, 2]


def order(epoch: int, seed: int = 0, *, short_first: bool = False) -> list[int]:
    sampler = EpochOrder(LENGTHS, seed, short_first=short_first)
    sampler.set_epoch(epoch)
    return list(sampler)


def test_each_epoch_has_all_rows_in_an_order_of_its_own_which_nothing_else_changes() -> None:
    import torch

    first = order(0)
    torch.manual_seed(99)
    assert order(0) == first
    assert sorted(first) == list(range(8))
    assert len({tuple(order(epoch, seed)) for epoch in range(3) for seed in range(3)}) == 9


def test_short_rows_come_first_in_the_first_epoch_alone() -> None:
    assert order(0, short_first=True) == [4, 7, 1, 3, 0, 5, 6, 2]
    assert order(1, short_first=True) == order(1)
