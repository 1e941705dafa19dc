"""Sets of characters, and finite automata over them: what a text may still become."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Code points, as pairs of the first and the last; in order, without overlaps."""

ANY: Ranges = ((0, 0xD7FF), (0xE000, 0x10FFFF))  # all that UTF-8 can hold: no surrogates
# What a JSON string can hold here: with a short escape or as it is (RFC 8259, section 7).
JSON_CHARACTERS: Ranges = ((0x08, 0x0A), (0x0C, 0x0D), (0x20, 0x7E), (0x80, 0xD7FF), (0xE000, 0x10FFFF))
ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
UNESCAPES = {escape[1]: character for character, escape in ESCAPES.items()}
# Characters to write where many would do, the plainest first.
_PLAIN = "a0 A_-.x1b"


def ranges_of(pairs: Iterable[tuple[int, int]]) -> Ranges:
    """`pairs` in order, joined where they touch."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(pairs):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)


def both(one: Ranges, other: Ranges) -> Ranges:
    """The characters in `one` and in `other`."""
    return ranges_of(
        (max(a, c), min(b, d)) for a, b in one for c, d in other if max(a, c) <= min(b, d)
    )  # fmt: skip


def without(one: Ranges, other: Ranges) -> Ranges:
    """The characters in `one` that are not in `other`."""
    gaps, begin = [], 0
    for first, last in other:
        gaps.append((begin, first - 1))
        begin = last + 1
    gaps.append((begin, 0x10FFFF))
    return both(one, tuple(pair for pair in gaps if pair[0] <= pair[1]))


def holds(ranges: Ranges, code: int) -> bool:
    """Whether `code` is one of `ranges`."""
    index = bisect_right(ranges, (code, 0x10FFFF)) - 1
    return index >= 0 and code <= ranges[index][1]


def plainest(ranges: Ranges) -> str:
    """A character of `ranges`, a plain one where there is one."""
    for character in _PLAIN:
        if holds(ranges, ord(character)):
            return character
    printable = both(ranges, ((0x21, 0x21), (0x23, 0x5B), (0x5D, 0x7E)))
    return chr((printable or ranges)[0][0])


@dataclass(frozen=True, eq=False)
class Automaton:
    """A deterministic automaton over the characters of a text. State 0 is the first.

    steps: for each state, the (first, last, next state) of its characters, in order. accepting: bit n for state n.
    """

    steps: tuple[tuple[tuple[int, int, int], ...], ...]
    accepting: int
    _layers: list[int] = field(default_factory=list, repr=False)

    @property
    def free(self) -> bool:
        """Whether every text of JSON characters is accepted."""
        return len(self.steps) == 1 and self.accepting == 1 and len(self.steps[0]) == len(JSON_CHARACTERS)

    def next(self, state: int, code: int) -> int | None:
        """The state after the character `code`, None where it is not allowed."""
        steps = self.steps[state]
        index = bisect_right(steps, (code, 0x10FFFF, 0)) - 1
        if index >= 0 and code <= steps[index][1]:
            return steps[index][2]
        return None

    def distance(self, state: int, least: int, most: int | None) -> int | None:
        """How many characters the shortest ending from `state` has, of `least` to `most`; None where there is none."""
        if self.free:
            return least if most is None or least <= most else None
        # Whatever state `least` characters lead to, the way on from there passes no state twice.
        end = least + len(self.steps)
        end = end if most is None else min(most, end)
        return next((count for count in range(least, end + 1) if self._layer(count) >> state & 1), None)

    def ending(self, state: int, least: int, most: int | None) -> str | None:
        """The shortest text that ends in an accepting state, of `least` to `most` characters; None where none does."""
        left = self.distance(state, least, most)
        if left is None:
            return None
        written = []
        while left:
            left -= 1
            good = [step for step in self.steps[state] if self._layer(left) >> step[2] & 1]
            character = plainest(ranges_of((first, last) for first, last, _ in good))
            written.append(character)
            state = self.next(state, ord(character)) or 0
        return "".join(written)

    @cached_property
    def _before(self) -> tuple[int, ...]:
        """For each state, the states that lead to it, as bits."""
        before = [0] * len(self.steps)
        for state, steps in enumerate(self.steps):
            for _, _, following in steps:
                before[following] |= 1 << state
        return tuple(before)

    @cached_property
    def width(self) -> int:
        """Bytes that a character of an ending takes at most, in JSON: 1 where one of ASCII always does."""
        ends = [
            ranges_of((first, last) for first, last, to in steps if to == target)
            for steps in self.steps
            for target in {step[2] for step in steps}
        ]
        return 1 if all(plainest(each).isascii() and plainest(each) not in ESCAPES for each in ends) else 4

    def _layer(self, count: int) -> int:
        """The states from which exactly `count` characters lead to acceptance, as bits."""
        if not self._layers:
            self._layers.append(self.accepting)
        while len(self._layers) <= count:
            last, states, number = self._layers[-1], 0, 0
            while last:
                if last & 1:
                    states |= self._before[number]
                last >>= 1
                number += 1
            self._layers.append(states)
        return self._layers[count]


ANY_TEXT = Automaton((tuple((first, last, 0) for first, last in JSON_CHARACTERS),), 1)
