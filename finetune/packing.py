"""Puts short examples together into rows of nearly `max_length` tokens: best-fit decreasing, as TRL's "bfd" does."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from finetune.batches import Row, as_row
from finetune.data.render import Example


def pack(examples: Sequence[Example], max_length: int) -> list[Row]:
    """Rows of one or more whole examples, as `bins` puts them together."""
    return [
        _joined([as_row(examples[number], number) for number in members])
        for members in bins([len(example.input_ids) for example in examples], max_length)
    ]


def bins(lengths: Sequence[int], max_length: int) -> list[list[int]]:
    """Which examples share a row: the indices of those in each, at most `max_length` tokens; a longer one stands alone.

    The longest goes first, each into the fullest row that still has room for it (best-fit decreasing; at most 11/9 of
    the fewest rows possible and 6/9 more, Johnson 1973). The same lengths in the same order give the same rows.
    """
    rooms: list[tuple[int, int]] = []  # (room left, row), sorted
    rows: list[list[int]] = []
    for number, length in sorted(enumerate(lengths), key=lambda numbered: -numbered[1]):
        place = bisect_left(rooms, (length, 0))
        if place == len(rooms):
            rows.append([number])
            room, row = max_length - length, len(rows) - 1
        else:
            room, row = rooms.pop(place)
            rows[row].append(number)
            room -= length
        if room > 0:
            rooms.insert(bisect_left(rooms, (room, row)), (room, row))
    return rows


def _joined(rows: Sequence[Row]) -> Row:
    """One row of all, in their order."""
    joined: Row = {key: [] for key in rows[0]}
    for row in rows:
        for key, values in row.items():
            joined[key] += values
    return joined
