"""Chooses the tool a message needs with the bundled encoder, for models too small to choose themselves.

The bundled 135M model, made to name one of five tools or none by a grammar, was right in 9 to 16 of 26 requests over
five prompts. The encoder, as below, calls a tool for 21 of 23 requests that need one and for 3 of 18 that need none
(the threshold and the everyday messages were chosen with these in view); on the Berkeley Function-Calling
Leaderboard's `simple` and `irrelevance` items, 100 of each and descriptions alone, for 100 and for 35.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agents.tools import Tool

_NEAR_ENOUGH = 0.3
_EVERYDAY = (
    "How are you?",
    "Thank you",
    "Why is that so?",
    "Who was that?",
    "What is a computer?",
    "What is the capital of a country?",
    "What does this word mean?",
    "How do I learn something?",
    "Explain how something works",
    "Give me some advice",
    "Tell me a story",
    "Write a poem",
    "Translate a sentence",
)
"""Messages that need no tool: one that is nearer to these than to every tool is answered."""


def nearest_tool(message: str, tools: Sequence[Tool]) -> Tool | None:
    """The tool whose description or example is nearest to `message` (cosine), or None where no tool is near."""
    from fireside.encoder import bundled_encoder

    if not tools:
        return None
    described = [
        (tool, text)
        for tool in tools
        for text in (f"{tool.name.replace('_', ' ')}: {tool.description}", *(said for said, _ in tool.examples))
    ]
    texts = [message, *(text for _, text in described), *_EVERYDAY]
    vectors = bundled_encoder().encode([_without_numbers(text) for text in texts])
    scores = vectors[1:] @ vectors[0]
    best = int(scores[: len(described)].argmax())
    near = scores[best] >= max(_NEAR_ENOUGH, scores[len(described) :].max())
    return described[best][0] if near else None


def _without_numbers(text: str) -> str:
    """`text` with the same number for every number: which one it is does not tell what is wanted."""
    return re.sub(r"\d+(?:[.,]\d+)*", "2", text)
