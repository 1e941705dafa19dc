"""Computes the replies under way together: each step is a part of the waiting prompts, and one token for each reply."""

from __future__ import annotations

from collections import deque
from typing import Any

from fireside.errors import FiresideError, ModelError
from fireside.models.hf.adapters import Adapters
from fireside.models.hf.batch import Computer
from fireside.models.hf.caches import Caches
from fireside.models.hf.generation import Generation
from fireside.models.hf.weights import out_of_memory
from fireside.models.types import ReplyEvent

# Prompt tokens computed in one step: a cancel takes effect within that, and other replies wait no longer.
_PREFILL_STEP = 512

Outcome = tuple[int, ReplyEvent | FiresideError]


class Batcher:
    """Replies waiting, and those under way, at most `most_at_once`."""

    def __init__(self, model: Any, caches: Caches, adapters: Adapters, *, most_at_once: int) -> None:
        self._computer = Computer(model, caches)
        self._caches, self._adapters, self._most_at_once = caches, adapters, most_at_once
        self._waiting: deque[Generation] = deque()
        self._active: list[Generation] = []
        self._turn = 0

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
                generation.cancelled = True

    def drop_all(self) -> None:
        """Let go of every reply, without a word."""
        for generation in (*self._waiting, *self._active):
            self._leave(generation, keep=False)

    def step(self) -> list[Outcome]:
        """Compute one batch. A reply that fails ends alone, unless what was computed together failed."""
        outcomes = self._end_cancelled()
        while self._waiting and len(self._active) < self._most_at_once:
            generation = self._waiting.popleft()
            task = generation.task
            generation.begin(self._caches.take(task.tokens, task.adapters, fresh=task.score_prompt))
            self._active.append(generation)
        group = self._group()
        if not group:
            return outcomes
        import torch

        with torch.inference_mode():
            writing = [each for each in group if not each.prefilling]
            reading = [each for each in group if each.prefilling]
            try:
                self._adapters.apply(group[0].task.adapters)
            except FiresideError as error:
                return outcomes + [outcome for each in group for outcome in self._failed(each, error)]
            if writing:
                outcomes += self._write(writing)
            room = _PREFILL_STEP
            for generation in reading:
                if room > 0:
                    part = generation.wanted(room)
                    room -= len(part)
                    outcomes += self._read(generation, part)
        return outcomes

    def _group(self) -> list[Generation]:
        """The replies of the next step: adapters bear on the whole model, so replies with others take turns."""
        sets = list(dict.fromkeys(each.task.adapters for each in self._active))
        if not sets:
            return []
        self._turn += 1
        chosen = sets[self._turn % len(sets)]
        return [each for each in self._active if each.task.adapters == chosen]

    def _read(self, generation: Generation, part: list[int]) -> list[Outcome]:
        """Compute a part of a reply's prompt."""
        assert generation.sequence is not None
        try:
            logits = self._computer.prompt(generation.sequence, part, every=generation.task.score_prompt)
        except Exception as error:  # torch fails in many ways; the next reply may still work
            return self._failed(generation, _computing_failed(error))
        return self._advance(generation, logits)

    def _write(self, group: list[Generation]) -> list[Outcome]:
        """Compute the next token of each reply."""
        sequences = [each.sequence for each in group if each.sequence is not None]
        try:
            logits = self._computer.next(sequences, [each.wanted(1)[0] for each in group])
        except Exception as error:  # torch fails in many ways; the next reply may still work
            self._computer.forget()
            return [outcome for each in group for outcome in self._failed(each, _computing_failed(error))]
        return [outcome for row, each in enumerate(group) for outcome in self._advance(each, logits[row : row + 1])]

    def _advance(self, generation: Generation, logits: Any) -> list[Outcome]:
        try:
            outcomes: list[Outcome] = [(generation.number, event) for event in generation.advance(logits)]
        except FiresideError as error:
            return self._failed(generation, error)
        if generation.finished:
            self._leave(generation, keep=True)
        return outcomes

    def _end_cancelled(self) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for generation in [each for each in (*self._waiting, *self._active) if each.cancelled]:
            outcomes += [(generation.number, event) for event in generation.stop()]
            self._leave(generation, keep=True)
        return outcomes

    def _failed(self, generation: Generation, error: FiresideError) -> list[Outcome]:
        self._leave(generation, keep=False)
        return [(generation.number, error)]

    def _leave(self, generation: Generation, *, keep: bool) -> None:
        """Let a reply go. keep: what was computed for it is whole, and may serve another prompt."""
        if generation in self._active:
            self._active.remove(generation)
        else:
            self._waiting.remove(generation)
        if generation.sequence is not None:
            if generation.sequence.cache is None:
                self._computer.split()
            if keep:
                self._caches.give_back(generation.sequence)


def _computing_failed(error: Exception) -> ModelError:
    """What a failure while tokens were computed means to the person."""
    if out_of_memory(error):
        return ModelError(
            "there is not enough memory for this reply",
            'shorten the conversation, lower model.context_length, or load the model as "nf4"',
        )
    said = " ".join(str(error).split())[:300]
    return ModelError(f"the model failed: {type(error).__name__}: {said}", "try again, or use another model")
