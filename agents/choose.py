"""Chooses the tool a message needs, or none, for models too small to choose themselves.

Five signs decide, from the bundled encoder and from words, weighed by a logistic model (`benchmarks/tool_choice.py
--fit`). How often it is right stands in docs/benchmarks.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

from agents.copying import names_in, numbers_in
from agents.tools import Tool
from agents.words import same_word, telling_words, words_of

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

_MOST_NAMES = 3
_MOST_PARTS = 8
_SENTENCE_END = re.compile(r"(?<=[.?!;])\s+(?=[A-Z])|,? and (?:also|then) |[.?!;,] (?:[Aa]lso|[Tt]hen),? ")


@dataclass(frozen=True)
class Signs:
    """What tells whether a message asks for a tool.

    meaning: cosine of the message and the nearest of the tool's description and examples. name: of the message and the
    name's words, or an example. named: the share of the name's words that the message holds, or that of an example's.
    lacking: numbers that the required parameters ask for and the message does not hold. names: names and quoted texts
    in the message, up to 3.
    """

    meaning: float
    name: float
    named: float
    lacking: float
    names: float


# From benchmarks/tool_choice.py --fit; the bias is 0.4 above the fitted one: a call that is meant and not made costs
# the person more than one that they deny.
_WEIGHTS = Signs(meaning=6.57, name=5.65, named=3.28, lacking=-2.72, names=0.63)
_BIAS = -6.8


def chosen_tools(message: str, tools: Sequence[Tool]) -> list[tuple[str, Tool]]:
    """The tools that `message` asks for, each with the part of it that does; none where it asks for none of them.

    A message of several sentences asks for several where two of them or more do so, each by itself.
    """
    if not tools:
        return []
    parts = [part for part in _SENTENCE_END.split(message) if part.strip()]
    if 1 < len(parts) <= _MOST_PARTS:
        chosen = [(part, tool) for part in parts if (tool := _nearest_tool(part, tools))]
        if len(chosen) > 1:
            return chosen
    tool = _nearest_tool(message, tools)
    return [] if tool is None else [(message, tool)]


def _nearest_tool(message: str, tools: Sequence[Tool]) -> Tool | None:
    signs, everyday = signs_of(message, tools)
    best = max(range(len(tools)), key=lambda place: log_odds(signs[place]))
    return tools[best] if log_odds(signs[best]) >= 0 and signs[best].meaning >= everyday else None


def nearest_tools(message: str, tools: Sequence[Tool], most: int) -> list[Tool]:
    """The `most` tools nearest to `message`, in the order in which they were given."""
    signs, _ = signs_of(message, tools)
    best = sorted(range(len(tools)), key=lambda place: -log_odds(signs[place]))[:most]
    return [tools[place] for place in sorted(best)]


def log_odds(signs: Signs) -> float:
    """How likely the message asks for the tool: above 0 where it rather does."""
    weighed: float = sum(weight * sign for weight, sign in zip(astuple(_WEIGHTS), astuple(signs), strict=True))
    return _BIAS + weighed


def signs_of(message: str, tools: Sequence[Tool]) -> tuple[list[Signs], float]:
    """The signs for each tool, and the cosine of the message and the nearest everyday one."""
    from fireside.encoder import bundled_encoder

    texts = [message, *_EVERYDAY]
    for tool in tools:
        name = " ".join(words_of(tool.name))
        texts += [f"{name}: {tool.description}", name, *(said for said, _ in tool.examples)]
    vectors = bundled_encoder().encode([_without_numbers(text) for text in texts])
    cosines = [float(each) for each in vectors[1:] @ vectors[0]]
    everyday, cosines = max(cosines[: len(_EVERYDAY)]), cosines[len(_EVERYDAY) :]
    said = telling_words(message)
    numbers, names = len(numbers_in(message)), min(names_in(message), _MOST_NAMES)
    signs = []
    for tool in tools:
        described, named, *examples = cosines[: 2 + len(tool.examples)]
        del cosines[: 2 + len(tool.examples)]
        shares = [_share(telling_words(text), said) for text in (tool.name, *(said for said, _ in tool.examples))]
        lacking = max(_numbers_asked_for(tool) - numbers, 0)
        signs.append(Signs(max(described, *examples, -1.0), max(named, *examples, -1.0), max(shares), lacking, names))
    return signs, everyday


def _share(words: Sequence[str], said: Sequence[str]) -> float:
    """The share of `words` that are among `said` in some form; a half where there are none."""
    return sum(any(same_word(word, other) for other in said) for word in words) / len(words) if words else 0.5


def _numbers_asked_for(tool: Tool) -> int:
    properties: Any = tool.parameters.get("properties", {})
    required = [properties.get(name) for name in tool.parameters.get("required", ())]
    return sum(isinstance(each, dict) and each.get("type") in _NUMERIC for each in required)


_NUMERIC = ("integer", "number", "float")


def _without_numbers(text: str) -> str:
    """`text` with the same number for every number: which one it is does not tell what is wanted."""
    return re.sub(r"\d+(?:[.,]\d+)*", "2", text)
