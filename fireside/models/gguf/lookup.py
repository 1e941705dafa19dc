"""Guesses the next tokens from what was said before (prompt lookup), and decides how many are worth a try.

Where the last tokens already occurred in the prompt or the reply, what followed there is guessed to follow here
(prompt lookup decoding, https://github.com/apoorvumang/prompt-lookup-decoding). The guess is computed together with the
last token in one batch, which costs less than computing its tokens one by one, and only what the sampler would have
chosen anyway is kept: the reply is the same, with or without.
"""

from __future__ import annotations

from collections.abc import Sequence

_SEED = 3  # tokens that must match before a place counts
_LONGEST_MATCH = 16
FORCED, DRAFTED = -1, 0  # in place of a match's length: forced by a constraint, or guessed by a draft model
_LENGTHS = (16, 12, 8, 4, 2)  # how many tokens are guessed at once
_WORTH = 1.05  # a guess must promise at least this speed-up
_MEMORY = 0.15  # weight of the newest observation in the running rates
_BACK_TO_HOPE = 0.005  # a rate that is not tried rises by this each time, so that it is tried again


class PromptLookup:
    """An index of where each run of `_SEED` tokens was last seen. Adding a token costs the same at any length."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self._tokens = list(tokens)
        # The place behind a run, and the one before it: the newest place is the end itself.
        self._last: dict[tuple[int, ...], int] = {}
        self._indexed = _SEED
        self._index()

    def extend(self, tokens: Sequence[int]) -> None:
        """Take in tokens of the reply."""
        self._tokens.extend(tokens)
        self._index()

    def guess(self, most: int) -> tuple[list[int], int]:
        """Up to `most` tokens that may follow, and how many tokens agree before that place; nothing where none do."""
        tokens, size = self._tokens, len(self._tokens)
        if size < _SEED:
            return [], 0
        place = self._last.get(tuple(tokens[-_SEED:]))
        if place is None:
            return [], 0
        matched = _SEED
        while (
            matched < _LONGEST_MATCH and place > matched and tokens[place - matched - 1] == tokens[size - matched - 1]
        ):
            matched += 1
        return tokens[place : place + most], matched

    def _index(self) -> None:
        """Runs that end before the last token: what followed them is known."""
        tokens = self._tokens
        for place in range(self._indexed, len(tokens)):
            self._last[tuple(tokens[place - _SEED : place])] = place
        self._indexed = max(self._indexed, len(tokens))


class Pace:
    """What batches of single replies cost on this machine, measured while running: seconds by number of rows."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}

    def observe(self, rows: int, seconds: float) -> None:
        """A batch of `rows` tokens of one reply took `seconds`."""
        known = self._seconds.get(rows)
        self._seconds[rows] = seconds if known is None else known + _MEMORY * (seconds - known)

    def cost(self, rows: int) -> float:
        """The cost of `rows` tokens in one batch, as a multiple of a single token's.

        Where it was not measured yet: 1 + 0.35 a further token, between what was seen on CPUs (0.5) and GPUs (0).
        """
        single, many = self._seconds.get(1), self._seconds.get(rows)
        if not single or not many:
            return 1 + 0.35 * (rows - 1)
        return many / single


class Guessing:
    """How often guesses come true, by how long a match they stand on, and what that is worth."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._rates = {"short": 0.5, "middle": 0.75, "long": 0.95, "draft": 0.7}

    def length(self, matched: int) -> int:
        """How many tokens to guess behind a match of `matched` tokens; 0 where it does not pay."""
        kind = _kind(matched)
        rate = self._rates[kind]
        gains = {count: _expected(rate, count) / self._pace.cost(count + 1) for count in _LENGTHS}
        best = max(gains, key=lambda count: gains[count])
        if gains[best] < _WORTH:
            self._rates[kind] = min(rate + _BACK_TO_HOPE, 0.95)
            return 0
        return best

    def observe(self, matched: int, guessed: int, right: int) -> None:
        """Of `guessed` tokens, the first `right` came true."""
        if matched == FORCED:
            return
        kind = _kind(matched)
        tried = min(right + 1, guessed)
        for index in range(tried):
            self._rates[kind] += _MEMORY * ((1.0 if index < right else 0.0) - self._rates[kind])


def _kind(matched: int) -> str:
    if matched == DRAFTED:
        return "draft"
    return "short" if matched < 5 else "middle" if matched < 10 else "long"


def _expected(rate: float, count: int) -> float:
    """Tokens a batch with `count` guesses yields, each right with `rate` if those before it were."""
    return sum(rate**index for index in range(count + 1))
