"""Probabilities of tokens, from the two shapes in which OpenAI's API tells them."""

from __future__ import annotations

import math
import re
from typing import Any

from fireside.models.types import TokenScore

_BYTES = re.compile(r"bytes:((?:\\x[0-9a-f]{2})+)")


def scores_of(logprobs: Any) -> tuple[TokenScore, ...]:
    """The scores in a choice's `logprobs`: of a chat (`content`), or of a completion (`tokens`, `token_logprobs`).

    A token's number is told by llama-server alone; it is -1 elsewhere. Raises ValueError, TypeError, LookupError or
    AttributeError for another shape.
    """
    if logprobs is None:
        return ()
    if logprobs.get("content") is not None:
        return tuple(
            TokenScore(
                int(entry.get("id", -1)),
                _data(entry),
                _logprob(entry["logprob"]),
                tuple((_data(each), _known(each["logprob"])) for each in entry.get("top_logprobs") or ()),
            )
            for entry in logprobs["content"]
        )
    tokens = logprobs.get("tokens") or ()
    tops = logprobs.get("top_logprobs") or [None] * len(tokens)
    return tuple(
        TokenScore(-1, _bytes(token), _logprob(logprob), _top(top))
        for token, logprob, top in zip(tokens, logprobs["token_logprobs"] if tokens else (), tops, strict=True)
    )


def _top(top: Any) -> tuple[tuple[bytes, float], ...]:
    """The likeliest tokens, best first."""
    pairs = [(_bytes(token), _known(logprob)) for token, logprob in (top or {}).items()]
    return tuple(sorted(pairs, key=lambda pair: -pair[1]))


def _data(entry: Any) -> bytes:
    """A token's bytes: `bytes` where the server tells them, else its text."""
    return bytes(entry["bytes"]) if entry.get("bytes") else _bytes(entry["token"])


def _bytes(token: str) -> bytes:
    """A token's text as bytes; OpenAI writes part of a character as `bytes:\\xe2\\x80`."""
    if found := _BYTES.fullmatch(token):
        return bytes.fromhex(found[1].replace("\\x", ""))
    return token.encode("utf-8", "replace")


def _logprob(value: Any) -> float | None:
    return None if value is None else _known(value)


def _known(value: Any) -> float:
    """Raises ValueError for what is no logarithm of a probability; one a little above 0 is rounding."""
    number = float(value)
    if math.isnan(number) or number > 0.01:
        raise ValueError(f"{value} is no log probability")
    return min(number, 0.0)
