"""Puts rows of examples together to batches of tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from finetune.data.render import IGNORED, Example

# input_ids and labels of one or more examples, one behind the other, the lengths of those examples in tokens, and which
# ones they are ("examples").
Row = dict[str, list[int]]


def as_row(example: Example, number: int = 0) -> Row:
    """One example as a row of a `datasets.Dataset`. number: its index among all."""
    return {
        "input_ids": list(example.input_ids),
        "labels": list(example.labels),
        "lengths": [len(example.input_ids)],
        "examples": [number],
    }


def collate(rows: Sequence[Row]) -> dict[str, torch.Tensor]:
    """A batch, padded on the right to its longest row: input_ids, labels, attention_mask and position_ids.

    Each is (rows, length), int64. Positions count from 0 in each example, which tells where one begins; in the padding
    they count on, as if it belonged to the row's last example, so that no mask is needed. attention_mask is 1 on tokens
    and 0 on padding. An example's first token is never predicted, so its label is IGNORED. A row without "lengths" is
    one example. "examples" are the numbers of the examples in the batch.
    """
    longest = max(len(row["input_ids"]) for row in rows)
    # What stands in padded places does not matter: no token sees it, and its label is IGNORED.
    input_ids = torch.zeros(len(rows), longest, dtype=torch.int64)
    labels = torch.full((len(rows), longest), IGNORED)
    attention_mask = torch.zeros(len(rows), longest, dtype=torch.int64)
    position_ids = torch.zeros(len(rows), longest, dtype=torch.int64)
    for number, row in enumerate(rows):
        length = len(row["input_ids"])
        input_ids[number, :length] = torch.tensor(row["input_ids"])
        labels[number, :length] = torch.tensor(row["labels"])
        attention_mask[number, :length] = 1
        begin = 0
        for each in row.get("lengths", [length]):
            labels[number, begin] = IGNORED
            position_ids[number, begin:] = torch.arange(longest - begin)
            begin += each
    return {
        "input_ids": input_ids,
        "labels": labels,
        "attention_mask": attention_mask,
        "position_ids": position_ids,
        "examples": torch.tensor([number for row in rows for number in row.get("examples", [])], dtype=torch.int64),
    }
