"""One reply under way: which tokens it wants computed next, and what it makes of the logits."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fireside.models.constrained import ConstraintState
from fireside.models.detokenizer import Detokenizer
from fireside.models.dialects import ReplyParser
from fireside.models.hf.caches import AdapterSet, Sequence
from fireside.models.hf.samplers import TokenSampler
from fireside.models.hf.tokenizer import HfTokenizer
from fireside.models.types import Delta, Finished, FinishReason, PromptScored, ReplyEvent, Timings, TokenScore, Usage

if TYPE_CHECKING:
    import torch


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
    scores: int | None = None
    score_prompt: bool = False


class Generation:
    """A reply and its sequence. `wanted` and `advance` alternate until `finished` is set."""

    def __init__(self, number: int, task: Task, tokenizer: HfTokenizer) -> None:
        """number: what the reply is known by."""
        self.number, self.task = number, task
        self.sequence: Sequence | None = None
        self.cancelled = False
        self.finished = False
        self._tokenizer = tokenizer
        self._reply: list[int] = []
        self._prompt_scores: list[TokenScore] = []
        self._detokenizer = Detokenizer(task.stop)
        self._cached = 0
        self._began = time.perf_counter()
        self._prefilled = self._first = 0.0

    def begin(self, sequence: Sequence) -> None:
        """Go on from what `sequence` holds of the prompt."""
        self.sequence = sequence
        self._cached = len(sequence.tokens)
        if self.task.score_prompt:
            first = self.task.tokens[0]
            self._prompt_scores.append(TokenScore(first, self._tokenizer.piece(first), None))

    @property
    def prefilling(self) -> bool:
        """Whether the prompt is not computed yet."""
        return not self._prefilled

    def wanted(self, most: int) -> list[int]:
        """The tokens to compute next, at most `most`: of the prompt, or the last one of the reply."""
        assert self.sequence is not None
        if self.prefilling:
            return self.task.tokens[len(self.sequence.tokens) :][:most]
        return self._reply[-1:]

    def advance(self, logits: torch.Tensor) -> list[ReplyEvent]:
        """Take in the logits, (tokens, vocabulary), of the tokens just computed; the last row alone will do.

        With `score_prompt`, rows for all of the prompt's tokens are needed.
        """
        assert self.sequence is not None
        events: list[ReplyEvent] = []
        if self.prefilling:
            if self.task.score_prompt:
                self._score_prompt(logits)
            if len(self.sequence.tokens) < len(self.task.tokens):
                return []
            self._prefilled = time.perf_counter()
            if self.task.score_prompt:
                events.append(PromptScored(tuple(self._prompt_scores)))
            if self.task.limit == 0:
                return events + self._end("length")
        return events + self._choose(logits[-1])

    def stop(self) -> list[ReplyEvent]:
        """End the reply where it is, because it was cancelled."""
        return self._end("cancelled")

    def _choose(self, logits: torch.Tensor) -> list[ReplyEvent]:
        """Choose the next token and take it in."""
        task = self.task
        allowed = logits
        if task.constraint is not None:
            import torch

            array = logits.cpu().numpy().copy()
            task.constraint.restrict(array, task.limit - len(self._reply))
            allowed = torch.from_numpy(array).to(logits.device)
        token = task.sampler.sample(allowed, self._reply)
        self._first = self._first or time.perf_counter()
        if self._tokenizer.ends_turn(token):
            return self._end("stop")
        if task.constraint is not None:
            task.constraint.accept(token)
        self._reply.append(token)
        text = self._detokenizer.push(self._tokenizer.piece(token))
        events: list[ReplyEvent] = [*task.parser.push(text)] if text else []
        if task.scores is not None:
            events = _with_score(events, score(self._tokenizer, logits, token, task.scores))
        if self._detokenizer.stopped or (task.constraint is not None and task.constraint.ended):
            return events + self._end("stop")
        return events + self._end("length") if len(self._reply) >= task.limit else events

    def _score_prompt(self, logits: torch.Tensor) -> None:
        """Score the tokens that follow those just computed, as far as they belong to the prompt."""
        assert self.sequence is not None
        assert self.task.scores is not None
        following = self.task.tokens[len(self.sequence.tokens) - len(logits) + 1 : len(self.sequence.tokens) + 1]
        for row, token in zip(logits, following, strict=False):
            self._prompt_scores.append(score(self._tokenizer, row, token, self.task.scores))

    def _end(self, reason: FinishReason) -> list[ReplyEvent]:
        """The last events of the reply."""
        now = time.perf_counter()
        rest = self._detokenizer.close()
        events: list[ReplyEvent] = [*self.task.parser.push(rest)] if rest else []
        events += self.task.parser.close()
        self.finished = True
        prefilled = self._prefilled or now
        written, decode_s = len(self._reply), now - prefilled
        timings = Timings(
            prefill_s=prefilled - self._began,
            first_token_s=self._first - self._began if self._first else 0.0,
            tokens_per_s=written / decode_s if written and decode_s > 0 else 0.0,
        )
        return [*events, Finished(reason, Usage(len(self.task.tokens), self._cached, written), timings)]


def score(tokenizer: HfTokenizer, logits: torch.Tensor, token: int, most: int) -> TokenScore:
    """The score of `token` under `logits`, float32 (vocabulary,), with the `most` likeliest tokens."""
    logprobs = logits.log_softmax(dim=-1)
    values, tokens = logprobs.topk(min(most, len(logprobs)))
    top = tuple((tokenizer.piece(each), value) for each, value in zip(tokens.tolist(), values.tolist(), strict=True))
    return TokenScore(token, tokenizer.piece(token), float(logprobs[token]), top)


def _with_score(events: list[ReplyEvent], scored: TokenScore) -> list[ReplyEvent]:
    """The score goes with the text of its token; where that is held back, with an empty piece."""
    for index, event in enumerate(events):
        if isinstance(event, Delta):
            return [*events[:index], Delta(event.text, (scored,)), *events[index + 1 :]]
    return [*events, Delta("", (scored,))]
