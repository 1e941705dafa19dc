"""Computes the replies under way together: each step is one batch of what they want next."""

from __future__ import annotations

import time
from collections import deque

from fireside.errors import FiresideError, ModelError
from fireside.models.gguf.context import Context, NoRoom
from fireside.models.gguf.generation import Generation
from fireside.models.gguf.lookup import Pace
from fireside.models.gguf.slots import Slot, Slots
from fireside.models.types import Finished, ReplyEvent

_MOST_GUESSED = 16
_GUESS_UP_TO = 2  # replies at once; with more, a batch is full enough without guesses

Outcome = tuple[int, ReplyEvent | FiresideError]


class Batcher:
    """Replies waiting for a place, and those under way in the slots of one context."""

    def __init__(self, context: Context, slots: Slots, pace: Pace, *, most_at_once: int, speculate: bool) -> None:
        self._context, self._slots, self._pace = context, slots, pace
        self._most_at_once, self._speculate = most_at_once, speculate
        self._waiting: deque[Generation] = deque()
        self._active: list[Generation] = []
        self._turn = 0
        self._cancelled = False

    @property
    def busy(self) -> bool:
        """Whether any reply is waiting or under way."""
        return bool(self._active or self._waiting)

    def submit(self, generation: Generation) -> None:
        """Take on a reply; it begins when there is a place for it."""
        self._waiting.append(generation)

    def cancel(self, number: int) -> None:
        """Mark a reply as cancelled; the next step ends it."""
        for generation in (*self._waiting, *self._active):
            if generation.number == number:
                generation.cancelled = self._cancelled = True

    def step(self) -> list[Outcome]:
        """Compute one batch. A reply that fails ends alone, unless the model itself failed."""
        outcomes = self._end_cancelled()
        self._admit()
        group = self._group()
        if not group:
            return outcomes
        try:
            self._context.apply(group[0].task.adapters)
        except FiresideError as error:
            return outcomes + [outcome for each in group for outcome in self._failed(each, error)]
        placed = self._fill(group)
        rows = sum(count for _, _, count in placed)
        began = time.perf_counter()
        try:
            self._compute()
        except ModelError as error:
            return outcomes + [outcome for each, _, _ in placed for outcome in self._failed(each, error)]
        if len(placed) == 1 and not placed[0][0].prefilling:
            self._pace.observe(rows, time.perf_counter() - began)
        for generation, row, count in placed:
            try:
                outcomes += [(generation.number, event) for event in generation.advance(self._context, row, count)]
            except FiresideError as error:
                outcomes += self._failed(generation, error)
                continue
            if generation.finished:
                self._leave(generation)
        return outcomes

    def _end_cancelled(self) -> list[Outcome]:
        outcomes: list[Outcome] = []
        if not self._cancelled:
            return outcomes
        self._cancelled = False
        for generation in [each for each in (*self._waiting, *self._active) if each.cancelled]:
            outcomes += [(generation.number, event) for event in generation.stop()]
            self._leave(generation)
        return outcomes

    def _admit(self) -> None:
        """Give waiting replies slots, in order, as long as every one under way can reach its limit in the KV cache."""
        while self._waiting and len(self._active) < self._most_at_once:
            generation = self._waiting[0]
            needed = sum(_cells(each) for each in (*self._active, generation))
            if self._active and needed > self._context.cells:
                return
            self._waiting.popleft()
            task = generation.task
            generation.begin(self._slots.take(task.tokens, task.adapters, fresh=task.score_prompt))
            self._active.append(generation)

    def _group(self) -> list[Generation]:
        """The replies of the next batch: adapters bear on a whole batch, so replies with others take turns."""
        if len(self._active) < 2:
            return list(self._active)
        sets = list(dict.fromkeys(each.task.adapters for each in self._active))
        self._turn += 1
        chosen = sets[self._turn % len(sets)]
        return [each for each in self._active if each.task.adapters == chosen]

    def _fill(self, group: list[Generation]) -> list[tuple[Generation, int, int]]:
        """Put what each reply wants into the batch, where prompts get what room is left: (reply, first row, rows)."""
        room, outputs = self._context.batch_size, self._context.rows
        guess = self._speculate and len(group) <= _GUESS_UP_TO
        chosen: list[tuple[Slot, Generation, list[int], int]] = []
        for generation in sorted(group, key=lambda each: each.prefilling):
            most = room if generation.prefilling else min(room, _MOST_GUESSED + 1, outputs)
            if generation.scoring:
                most = min(most, outputs)
            if most <= 0 or outputs <= 0:
                continue
            tokens, wanted = generation.wanted(most, guess=guess)
            assert generation.slot is not None
            chosen.append((generation.slot, generation, tokens, wanted))
            room -= len(tokens)
            outputs -= wanted
        # In order of sequences: llama.cpp computes neighbouring streams together.
        chosen.sort(key=lambda each: each[0].sequence)
        return [
            (generation, self._context.add(tokens, len(slot.tokens), slot.sequence, wanted=wanted), len(tokens))
            for slot, generation, tokens, wanted in chosen
        ]

    def _compute(self) -> None:
        """Decode the batch, emptying idle slots where the cache is full. Raises ModelError."""
        while True:
            try:
                self._context.decode()
                return
            except NoRoom:
                if not self._slots.make_room():
                    self._context.drop_batch()
                    raise ModelError(
                        "the model's context is full", "begin a new conversation, or raise model.context_length"
                    ) from None

    def _failed(self, generation: Generation, error: FiresideError) -> list[Outcome]:
        """End a reply in an error, behind what it still has to show."""
        shown = [event for event in generation.stop() if not isinstance(event, Finished)]
        if generation.slot is not None:
            self._slots.empty(generation.slot)
        self._leave(generation)
        return [*((generation.number, event) for event in shown), (generation.number, error)]

    def _leave(self, generation: Generation) -> None:
        if generation.slot is not None:
            self._slots.give_back(generation.slot)
        if generation in self._active:
            self._active.remove(generation)
        else:
            self._waiting.remove(generation)


def _cells(generation: Generation) -> int:
    """KV cells a reply needs at the most."""
    return len(generation.task.tokens) + generation.task.limit
