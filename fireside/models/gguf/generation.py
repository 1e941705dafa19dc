"""One reply under way: which tokens it wants computed next, and what it makes of the results."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from fireside.models.constrained import ConstraintState
from fireside.models.detokenizer import Detokenizer
from fireside.models.dialects import ReplyParser
from fireside.models.gguf.bans import PhraseBans
from fireside.models.gguf.context import AdapterSet, Context
from fireside.models.gguf.draft import DraftModel
from fireside.models.gguf.lookup import DRAFTED, FORCED, Guessing, PromptLookup
from fireside.models.gguf.model import Model
from fireside.models.gguf.samplers import TokenSampler
from fireside.models.gguf.scores import score
from fireside.models.gguf.slots import Slot
from fireside.models.types import (
    Delta,
    Finished,
    FinishReason,
    PromptScored,
    ReplyEvent,
    Timings,
    TokenScore,
    Usage,
)

_MOST_WAYS_BACK = 256  # between two tokens shown; beyond, what is banned cannot be avoided
_MOST_EXCLUDED = 32  # tokens tried in one place before the way back goes further


@dataclass(frozen=True)
class Task:
    """What a reply is made from.

    tokens: the prompt. limit: the most tokens of the reply. scores, score_prompt: as in `Request`.
    """

    tokens: list[int]
    adapters: AdapterSet
    limit: int
    sampler: TokenSampler
    parser: ReplyParser
    stop: tuple[str, ...] = ()
    constraint: ConstraintState | None = None
    bans: PhraseBans = field(default_factory=lambda: PhraseBans(()))
    scores: int | None = None
    score_prompt: bool = False
    keep: bool = False


class Generation:
    """A reply in its slot. `wanted` and `advance` alternate until `finished` is set."""

    def __init__(self, number: int, task: Task, model: Model, guessing: Guessing, draft: DraftModel | None) -> None:
        """guessing: how speculation pays; used where `wanted` allows it. draft: a model that guesses, or None."""
        self.number, self.task = number, task
        self._model, self._guessing, self._draft = model, guessing, draft
        self.slot: Slot | None = None
        self.cancelled = False
        self.finished = False
        self._pending = list(task.tokens)  # to be computed before the next token can be chosen
        self._guesses: list[int] = []
        self._matched = 0
        self._reply: list[int] = []
        self._scores: list[TokenScore] = []
        self._prompt_scores: list[TokenScore] = []
        self._end_score: TokenScore | None = None  # of the token that ended the turn, which has no text
        self._ways_back = 0
        self._shown = 0  # tokens of the reply that went to the detokenizer
        self._excluded: dict[int, set[int]] = {}  # by place in the reply
        self._lookup: PromptLookup | None = None
        self._detokenizer = Detokenizer(task.stop)
        self._cached = self._drafted = self._accepted = 0
        self._began = time.perf_counter()
        self._prefilled = self._first = 0.0

    def begin(self, slot: Slot) -> None:
        """Go on from what `slot` holds of the prompt."""
        self.slot = slot
        slot.keep = self.task.keep
        self._cached = len(slot.tokens)
        self._pending = self.task.tokens[self._cached :]
        if self.task.score_prompt:
            self._prompt_scores.append(TokenScore(self.task.tokens[0], self._model.piece(self.task.tokens[0]), None))

    @property
    def prefilling(self) -> bool:
        """Whether more than the last token is to be computed: the prompt, or all of it again after a way back."""
        return not self._prefilled or len(self._pending) > 1

    @property
    def scoring(self) -> bool:
        """Whether the prompt is being computed and each of its tokens scored."""
        return self.task.score_prompt and not self._prefilled

    def wanted(self, most: int, *, guess: bool) -> tuple[list[int], int]:
        """The tokens to compute next, at most `most`, and for how many of the last logits are needed.

        guess: speculation is welcome (few replies are under way).
        """
        assert self.slot is not None
        if self.prefilling:
            part = self._pending[:most]
            if self.scoring:
                return part, len(part)
            return part, 1 if len(part) == len(self._pending) else 0
        self._guesses = self._guess(most - 1) if guess else []
        return [*self._pending, *self._guesses], 1 + len(self._guesses)

    def advance(self, context: Context, row: int, count: int) -> list[ReplyEvent]:
        """Take in the results of `count` tokens, the first of which is `row` of the batch."""
        assert self.slot is not None
        if self.prefilling:
            part = self._pending[:count]
            events: list[ReplyEvent] = []
            scoring = self.scoring
            if scoring:
                self._score_prompt(context, row, part)
            self.slot.tokens.extend(part)
            del self._pending[:count]
            if self._pending:
                return []
            self._prefilled = self._prefilled or time.perf_counter()
            if scoring:
                events.append(PromptScored(tuple(self._prompt_scores)))
            if self.task.limit == 0:
                return events + self._end("length")
            return events + self._choose(context, row + count - 1)
        self.slot.tokens.extend(self._pending)
        self.slot.tokens.extend(self._guesses)
        return self._choose(context, row)

    def stop(self) -> list[ReplyEvent]:
        """End the reply where it is, because it was cancelled."""
        return self._end("cancelled")

    def _choose(self, context: Context, row: int) -> list[ReplyEvent]:
        """Choose the token behind `row`, and behind each further row as long as the guesses come true."""
        assert self.slot is not None
        guesses, self._guesses = self._guesses, []
        base = len(self.slot.tokens) - len(guesses)
        right = 0
        reason: FinishReason | None = None
        rewound = False
        for index in range(len(guesses) + 1):
            token = self._next(context, row + index)
            if token is None:
                rewound = True
                break
            reason = self._reason(token)
            if reason is not None or index == len(guesses) or token != guesses[index]:
                break
            right += 1
        if guesses:
            self._drafted += len(guesses)
            self._accepted += right
            if not rewound:
                self._guessing.observe(self._matched, len(guesses), right)
        if rewound:
            return self._released()
        if right < len(guesses):
            self._cut(context, base + right)
        if self._lookup is not None:
            self._lookup.extend(self._reply[-1 - right :] if reason is None else [])
        self._pending = [self._reply[-1]] if self._reply else []
        events = self._released()
        if reason is None and self._detokenizer.stopped:
            reason = "stop"
        return events + self._end(reason) if reason is not None else events

    def _next(self, context: Context, row: int) -> int | None:
        """Choose and take in one token; None where the way went back to an earlier one."""
        task, place = self.task, len(self._reply)
        excluded = self._excluded.get(place)
        scored = None
        if task.scores is not None:
            logits = context.logits(row).copy()
        if task.constraint is not None or excluded:
            allowed = context.logits(row)
            if task.constraint is not None:
                task.constraint.restrict(allowed, task.limit - place)
            if excluded:
                allowed[list(excluded)] = float("-inf")
                if len(excluded) >= _MOST_EXCLUDED or allowed.max() == float("-inf"):
                    self._go_back(context, place - 1)
                    return None
        token = task.sampler.sample(context, row)
        if not self._first:
            self._first = time.perf_counter()
        if task.scores is not None:
            scored = score(self._model, logits, token, task.scores)
        if self._model.ends_turn(token):
            self._end_score = scored
            return token
        if task.constraint is not None:
            task.constraint.accept(token)
        self._reply.append(token)
        if scored is not None:
            self._scores.append(scored)
        if task.bans.any:
            held = [self._model.piece(each) for each in self._reply[self._shown :]]
            begin = task.bans.found(held)
            if begin is not None:
                self._go_back(context, self._shown + begin)
                return None
        return token

    def _reason(self, token: int) -> FinishReason | None:
        """Why the reply ends with `token`, if it does."""
        if self._model.ends_turn(token):
            return "stop"
        if self.task.constraint is not None and self.task.constraint.ended:
            return "stop"
        return "length" if len(self._reply) >= self.task.limit else None

    def _go_back(self, context: Context, place: int) -> None:
        """Choose the token at `place` of the reply again, another one; where it was shown already, end before it."""
        place = max(place, self._shown)
        self._ways_back += 1
        if place >= len(self._reply) or self._ways_back > _MOST_WAYS_BACK:
            # Nothing but what is banned can follow what was shown.
            del self._reply[self._shown :], self._scores[self._shown :]
            self.finished = True
            return
        task = self.task
        self._excluded = {at: tokens for at, tokens in self._excluded.items() if at <= place}
        self._excluded.setdefault(place, set()).add(self._reply[place])
        if task.constraint is not None:
            task.constraint.rollback(len(self._reply) - place)
        del self._reply[place:], self._scores[place:]
        task.sampler.rewind(self._reply)
        self._lookup = None
        # The token before that place is computed again, for its logits.
        before = len(task.tokens) + place - 1
        self._cut(context, before)
        self._pending = [*task.tokens, *self._reply][len(self.slot.tokens) if self.slot else 0 :]

    def _cut(self, context: Context, length: int) -> None:
        """Keep the first `length` tokens of the slot; all must be computed again where the model cannot go back."""
        assert self.slot is not None
        if not context.cut(self.slot.sequence, length):
            length = 0
        del self.slot.tokens[length:]

    def _released(self) -> list[ReplyEvent]:
        """Events for the tokens that will not be taken back any more."""
        if self.finished:
            return self._end("stop")
        end = len(self._reply)
        if self.task.bans.any:
            end = self._shown + self.task.bans.safe([self._model.piece(each) for each in self._reply[self._shown :]])
        return self._show(end)

    def _show(self, end: int) -> list[ReplyEvent]:
        if self._shown == end:
            return []
        text = "".join(
            self._detokenizer.push(self._model.piece(token))
            for token in self._reply[self._shown : end]
            if not self._detokenizer.stopped
        )
        scores = tuple(self._scores[self._shown : end]) if self.task.scores is not None else ()
        self._shown = end
        self._ways_back = 0
        events: list[ReplyEvent] = [*self.task.parser.push(text)] if text else []
        if scores:
            # Scores go with the text they were written with; where that is held back, with an empty piece.
            for index, event in enumerate(events):
                if isinstance(event, Delta):
                    events[index] = Delta(event.text, scores)
                    return events
            events.append(Delta("", scores))
        return events

    def _end(self, reason: FinishReason) -> list[ReplyEvent]:
        """The last events of the reply."""
        now = time.perf_counter()
        events = self._show(len(self._reply)) if not self._detokenizer.stopped else []
        if rest := self._detokenizer.close():
            events += self.task.parser.push(rest)
        events += self.task.parser.close()
        if self._end_score is not None:
            events.append(Delta("", (self._end_score,)))
        self.finished = True
        self.task.sampler.free()
        prefilled = self._prefilled or now
        decode_s = now - prefilled
        written = len(self._reply)
        events.append(
            Finished(
                reason,
                Usage(len(self.task.tokens), self._cached, written, self._drafted, self._accepted),
                Timings(
                    prefill_s=prefilled - self._began,
                    first_token_s=self._first - self._began if self._first else 0.0,
                    tokens_per_s=written / decode_s if written and decode_s > 0 else 0.0,
                ),
            )
        )
        return events

    def _guess(self, most: int) -> list[int]:
        """Tokens that may well come next: what a constraint forces, or what followed the same words before."""
        most = min(most, self.task.limit - len(self._reply) - 1)
        if most <= 0 or len(self._pending) != 1 or not self._model.can_rewind:
            return []
        if self.task.constraint is not None:
            forced = self.task.constraint.forced(most)
            if forced:
                self._matched = FORCED
                return forced
        if self._lookup is None:
            self._lookup = PromptLookup([*self.task.tokens, *self._reply])
        guesses, self._matched = self._lookup.guess(most)
        if guesses:
            return guesses[: self._guessing.length(self._matched)]
        if self._draft is not None:
            self._matched = DRAFTED
            if count := min(self._guessing.length(DRAFTED), most):
                return self._draft.guess([*self.task.tokens, *self._reply], count)
        return []

    def _score_prompt(self, context: Context, row: int, part: list[int]) -> None:
        """Score the tokens that follow those of `part`, as far as they belong to the prompt."""
        assert self.slot is not None
        assert self.task.scores is not None
        done = len(self.slot.tokens)
        for index in range(len(part)):
            following = done + index + 1
            if following < len(self.task.tokens):
                token = self.task.tokens[following]
                self._prompt_scores.append(score(self._model, context.logits(row + index), token, self.task.scores))
