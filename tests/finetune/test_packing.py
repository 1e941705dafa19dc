"""Packing loses no token, keeps to the length, and wastes little."""

from __future__ import annotations

import warnings

from hypothesis import given
from hypothesis import strategies as st

from finetune.data.render import IGNORED, Example

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from finetune.batches import collate
    from finetune.packing import pack


def made(lengths: list[int]) -> list[Example]:
    """Examples whose tokens tell which of them they are from, all trained."""
    ids = [tuple(range(number * 1000, number * 1000 + length)) for number, length in enumerate(lengths)]
    return [Example(each, each, number) for number, each in enumerate(ids)]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_every_example_is_whole_in_one_row_that_is_not_too_long(lengths):
    rows = pack(made(lengths), 40)
    found = []
    for row in rows:
        assert len(row["input_ids"]) == len(row["labels"]) == sum(row["lengths"]) <= 40
        begin = 0
        for length in row["lengths"]:
            found.append(tuple(row["input_ids"][begin : begin + length]))
            begin += length
    assert sorted(found) == [example.input_ids for example in made(lengths)]
    # Best-fit decreasing never needs more (Johnson 1973).
    assert len(rows) <= 11 / 9 * -(-sum(lengths) // 40) + 4 or len(rows) <= sum(length > 20 for length in lengths) + 4
    assert rows == pack(made(lengths), 40)


def test_the_best_fit_is_taken_and_too_long_examples_stay_alone():
    assert [row["lengths"] for row in pack(made([3, 9, 4, 6, 50, 7]), 10)] == [[50], [9], [7, 3], [6, 4]]


def test_a_batch_tells_where_examples_begin_and_trains_no_first_token():
    batch = collate([*pack(made([4, 2]), 8), *pack(made([3]), 8)])
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 0, 1], [0, 1, 2, 3, 4, 5]]
    assert batch["attention_mask"].tolist() == [[1] * 6, [1, 1, 1, 0, 0, 0]]
    assert batch["labels"].tolist() == [[IGNORED, 1, 2, 3, IGNORED, 1001], [IGNORED, 1, 2, *[IGNORED] * 3]]
