"""Log probabilities of tokens in the two shapes of OpenAI's API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fireside.models.types import TokenScore

# What OpenAI's API gives for a token that cannot come; JSON has no infinity.
_LOWEST = -9999.0


def token_text(data: bytes) -> str:
    """A token as text; one that is only part of a character as OpenAI writes it, `bytes:\\xe2\\x80`."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)


def chat_logprobs(scores: Sequence[TokenScore]) -> dict[str, Any]:
    """`logprobs` of a chat choice."""
    content = []
    for score in scores:
        top = [_entry(data, logprob) for data, logprob in score.top]
        content.append({**_entry(score.data, score.logprob), "top_logprobs": top})
    return {"content": content, "refusal": None}


def completion_logprobs(scores: Sequence[TokenScore], offset: int = 0) -> dict[str, Any]:
    """`logprobs` of a completion: tokens, token_logprobs, top_logprobs, text_offset.

    offset: characters of the text before the first token. A token's own logprob is among its `top_logprobs`, whether
    or not it is one of the best; a prompt's first token has null for both.
    """
    offsets = []
    data = b""
    for score in scores:
        # A token in the middle of a character begins where that character does.
        offsets.append(offset + len(data.decode("utf-8", "ignore")))
        data += score.data
    return {
        "tokens": [token_text(score.data) for score in scores],
        "token_logprobs": [_finite(score.logprob) for score in scores],
        "top_logprobs": [_top(score) for score in scores],
        "text_offset": offsets,
    }


def _top(score: TokenScore) -> dict[str, float] | None:
    if score.logprob is None:
        return None
    top: dict[str, float] = {}
    # Best first: of two tokens with the same text, the likelier stays.
    for data, logprob in (*score.top, (score.data, score.logprob)):
        top.setdefault(token_text(data), max(logprob, _LOWEST))
    return top


def _entry(data: bytes, logprob: float | None) -> dict[str, Any]:
    return {"token": token_text(data), "logprob": _finite(logprob), "bytes": list(data)}


def _finite(logprob: float | None) -> float | None:
    return None if logprob is None else max(logprob, _LOWEST)
