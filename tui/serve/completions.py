"""/v1/completions: a text, or tokens, continued; with `echo` and `logprobs` a prompt is scored."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from fireside.models.types import Delta, Finished, Prompt, PromptScored, ReplyEvent, Request, Tokens, TokenScore
from tui.serve.chat import constraint_of
from tui.serve.limits import MOST_CHOICES
from tui.serve.logprobs import completion_logprobs
from tui.serve.problems import wrong
from tui.serve.replies import side_by_side, usage_of
from tui.serve.service import Service
from tui.serve.settings import choices, longest, sampling_of, stops_of
from tui.serve.shapes import CompletionBody

# OpenAI's documentation of this endpoint.
_DEFAULT_TOKENS = 16
_LARGEST_TOKEN = 2**31 - 1


def prompts(given: Any) -> list[str | Tokens]:
    """The prompts of a body: a text, texts, a list of token ids, or lists of them. Raises ApiError."""
    if isinstance(given, str):
        return [given]
    if isinstance(given, list) and given:
        if all(isinstance(each, str) for each in given):
            return list(given)
        if _are_tokens(given):
            return [Tokens(tuple(given))]
        if all(isinstance(each, list) and each and _are_tokens(each) for each in given):
            return [Tokens(tuple(each)) for each in given]
    raise wrong("prompt", "a text, a list of texts, a list of token ids, or a list of such lists is needed")


def requests_of(service: Service, body: CompletionBody) -> list[Request]:
    """What the engine is asked for, `n` requests for each prompt. Raises ApiError."""
    count = body.n or 1
    if body.suffix:
        raise wrong("suffix", "this model cannot write what comes between two texts")
    if body.best_of is not None and body.best_of != count:
        raise wrong("best_of", "it must be the same as n")
    given = prompts(body.prompt)
    if len(given) * count > MOST_CHOICES:
        raise wrong("prompt", f"{len(given)} prompts times n={count} is more than {MOST_CHOICES} replies")
    sampling, stop = sampling_of(body), stops_of(body)
    limit = longest(service, body.max_tokens, _DEFAULT_TOKENS)
    adapters = service.adapters_for(body.model)
    constraint = constraint_of(None, body.grammar)
    requests = []
    for prompt in given:
        # Tokens are echoed as text, which their scores carry.
        score_prompt = bool(body.echo) and (body.logprobs is not None or isinstance(prompt, Tokens))
        scores = body.logprobs if body.logprobs is not None else 0 if score_prompt else None
        request = Request(prompt, sampling, limit, adapters, constraint, stop, scores=scores, score_prompt=score_prompt)
        requests += choices(request, count)
    return requests


async def whole(service: Service, body: CompletionBody) -> dict[str, Any]:
    """The answer in one document. Raises ApiError."""
    requests = requests_of(service, body)
    written = [_Choice(request.prompt, bool(body.echo)) for request in requests]
    async with aclosing(side_by_side(service, requests)) as events:
        async for index, event in events:
            written[index].take(event)
    answer = _head(service, body)
    answer["choices"] = [
        each.document(index, "".join(each.texts), each.scores, body.logprobs is not None)
        for index, each in enumerate(written)
    ]
    answer["usage"] = usage_of([each.end for each in written if each.end], body.n or 1)
    return answer


async def chunks(service: Service, body: CompletionBody) -> AsyncGenerator[dict[str, Any], None]:
    """The answer as it is written; an echoed prompt comes first, in one piece. Raises ApiError."""
    requests = requests_of(service, body)
    written = [_Choice(request.prompt, bool(body.echo)) for request in requests]
    head = _head(service, body)
    if body.usage_wanted:
        head["usage"] = None
    async with aclosing(side_by_side(service, requests)) as events:
        async for index, event in events:
            choice = written[index]
            text, scores = choice.take(event)
            if text or scores or isinstance(event, Finished):
                before = choice.shown
                choice.shown += len(text)
                piece = choice.document(index, text, scores, body.logprobs is not None, before)
                yield {**head, "choices": [piece]}
    if body.usage_wanted:
        yield {**head, "choices": [], "usage": usage_of([each.end for each in written if each.end], body.n or 1)}


@dataclass
class _Choice:
    """One reply as far as it is written, with what is echoed before it."""

    prompt: Prompt
    echo: bool
    texts: list[str] = field(default_factory=list)
    scores: list[TokenScore] = field(default_factory=list)
    end: Finished | None = None
    shown: int = 0
    begun: bool = False
    scored: int = 0

    def take(self, event: ReplyEvent) -> tuple[str, list[TokenScore]]:
        """Add an event; return the text and the scores that it adds."""
        text, scores = "", []
        if isinstance(event, PromptScored):
            self.begun = True
            scores = list(event.scores)
            self.scored = len(scores)
            text = b"".join(score.data for score in scores).decode("utf-8", "replace")
        else:
            if self.echo and not self.begun and isinstance(self.prompt, str):
                text = self.prompt
            self.begun = True
            if isinstance(event, Delta):
                text += event.text
                scores = list(event.scores)
            elif isinstance(event, Finished):
                self.end = event
                scores = self._end_of_text(event)
        self.texts.append(text)
        self.scores += scores
        return text, scores

    def _end_of_text(self, end: Finished) -> list[TokenScore]:
        """A token of its own for a reply that ended at once, behind a scored prompt.

        Evaluation programs ask for one token behind a prompt and drop the last one of what comes; where the model would
        rather end there, they would drop a token of the prompt.
        """
        if self.scored and end.reason == "stop" and len(self.scores) == self.scored:
            return [TokenScore(-1, b"", None)]
        return []

    def document(
        self, index: int, text: str, scores: list[TokenScore], logprobs: bool, offset: int = 0
    ) -> dict[str, Any]:
        """`text` and `scores` as a choice; its end is told where it has come."""
        return {
            "index": index,
            "text": text,
            "logprobs": completion_logprobs(scores, offset) if logprobs else None,
            "finish_reason": None if self.end is None else "length" if self.end.reason == "length" else "stop",
        }


def _are_tokens(given: list[Any]) -> bool:
    return all(type(each) is int and 0 <= each <= _LARGEST_TOKEN for each in given)


def _head(service: Service, body: CompletionBody) -> dict[str, Any]:
    return {
        "id": f"cmpl-{secrets.token_hex(12)}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": body.model or service.model.name,
        "system_fingerprint": service.fingerprint,
    }
