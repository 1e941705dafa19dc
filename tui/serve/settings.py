"""From a body's fields to an engine's request: sampling, stop strings, limits, one request for each choice."""

from __future__ import annotations

import math
from dataclasses import fields, replace

from fireside.models.sampling import Sampling
from fireside.models.types import Request
from tui.serve.problems import wrong
from tui.serve.service import Service
from tui.serve.shapes import Generating

# OpenAI's documentation: values like -100 should ban a token.
_BAN = -100
_SEEDS = 2**32 - 1  # llama.cpp takes 32 bits, and the last value means "draw one"

_SAME_NAMES = [each.name for each in fields(Sampling) if each.name in Generating.model_fields]


def sampling_of(body: Generating) -> Sampling:
    """The sampling settings of a request. Raises ApiError."""
    given = {name: value for name in _SAME_NAMES if (value := getattr(body, name)) is not None}
    given["logit_bias"] = _biases(body.logit_bias or {})
    if body.repetition_penalty is not None:
        given.setdefault("repeat_penalty", body.repetition_penalty)
    if body.top_k is not None:
        given["top_k"] = max(body.top_k, 0)
    if body.seed is not None:
        given["seed"] = body.seed % _SEEDS
    given["banned_phrases"] = tuple(phrase for phrase in body.banned_phrases or () if phrase.strip())
    return Sampling(**given)


def stops_of(body: Generating) -> tuple[str, ...]:
    """The stop strings; an empty one would end every reply before it begins, and is left out."""
    stops = [body.stop] if isinstance(body.stop, str) else body.stop or []
    return tuple(stop for stop in stops if stop)


def longest(service: Service, asked: int | None, otherwise: int | None = None) -> int:
    """How many tokens a reply may have: what was asked for, or `otherwise`, or the whole context."""
    limit = otherwise if asked is None else asked
    if limit is None:
        limit = service.info.context_length or 4096
    return limit


def choices(request: Request, count: int) -> list[Request]:
    """`count` requests for the same prompt; with a seed, each has another one, and the first has this one."""
    seed = request.sampling.seed
    if seed is None:
        return [request] * count
    return [
        replace(request, sampling=replace(request.sampling, seed=(seed + number) % _SEEDS)) for number in range(count)
    ]


def _biases(given: dict[str, float]) -> dict[int, float]:
    biases = {}
    for key, bias in given.items():
        if not key.isascii() or not key.isdecimal() or len(key) > 9:
            raise wrong("logit_bias", f"{key[:40]!r} is not the id of a token")
        if abs(bias) > -_BAN:
            raise wrong("logit_bias", f"{bias:g} is not between -100 and 100")
        biases[int(key)] = -math.inf if bias == _BAN else bias
    return biases
