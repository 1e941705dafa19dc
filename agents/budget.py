"""What a turn with tools may use, what it has used, and when its calls go round in circles."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from fireside.models.types import ToolCall

Limit = Literal["steps", "tokens", "seconds", "characters"]

_LONGEST_CYCLE = 4


@dataclass(frozen=True)
class Budget:
    """The most a turn may use.

    steps: calls, refused and failed ones too. tokens: written by the model in the whole turn. seconds: of wall time,
    the person's for an approval not counted. characters: of all results together.
    """

    steps: int = 6
    tokens: int = 8192
    seconds: float = 600.0
    characters: int = 40_000


@dataclass(frozen=True)
class Spent:
    """What a turn has used of its budget."""

    steps: int = 0
    tokens: int = 0
    seconds: float = 0.0
    characters: int = 0

    def plus(self, *, steps: int = 0, tokens: int = 0, seconds: float = 0.0, characters: int = 0) -> Spent:
        """With this much more."""
        return Spent(self.steps + steps, self.tokens + tokens, self.seconds + seconds, self.characters + characters)


def used_up(budget: Budget, spent: Spent) -> Limit | None:
    """A limit that leaves no room for another call, or None; first those that leave none for an answer either."""
    if spent.tokens >= budget.tokens:
        return "tokens"
    if spent.seconds >= budget.seconds:
        return "seconds"
    if spent.steps >= budget.steps:
        return "steps"
    return "characters" if spent.characters >= budget.characters else None


def left(budget: Budget, spent: Spent) -> Budget:
    """What is left of a budget, for a part of the same work."""
    return replace(
        budget,
        steps=max(budget.steps - spent.steps, 0),
        tokens=max(budget.tokens - spent.tokens, 0),
        seconds=max(budget.seconds - spent.seconds, 0.0),
        characters=max(budget.characters - spent.characters, 0),
    )


def goes_round(calls: Sequence[ToolCall], new: ToolCall) -> bool:
    """Whether `new` makes the turn repeat itself: the last call again, or the same up to four calls a second time.

    Advice in a result does not stop a model that loops (it was ignored over a thousand times in a row in one report),
    so the loop ends there.
    """
    made = [_key(call) for call in (*calls[1 - 2 * _LONGEST_CYCLE :], new)]
    return any(
        made[-length:] == made[-2 * length : -length]
        for length in range(1, _LONGEST_CYCLE + 1)
        if len(made) >= 2 * length
    )


def _key(call: ToolCall) -> tuple[str, str]:
    return call.name, json.dumps(call.arguments, sort_keys=True, default=str)
