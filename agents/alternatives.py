"""What a model might have written in place of a word: the most likely tokens behind a reply's beginning."""

from __future__ import annotations

import math
from contextlib import aclosing
from dataclasses import replace

from agents.context import fit
from agents.turn import Turn
from fireside.models.sampling import GREEDY
from fireside.models.types import ChatModel, Delta, Message, Request
from fireside.text import for_terminal


async def alternatives(turn: Turn, model: ChatModel, count: int) -> list[tuple[str, float]]:
    """The `count` most likely tokens behind `turn.reply_prefix`, as text, with their probabilities, best first.

    Tokens that are no whole characters are left out. Raises ModelError.
    """
    begun = (Message("assistant", turn.reply_prefix),) if turn.reply_prefix else ()
    fitting, _ = await fit((*turn.messages, *begun), model, turn.max_tokens)
    prompt = fitting[: len(fitting) - len(begun)]
    request = Request(prompt, replace(GREEDY, seed=0), 1, turn.adapters, reply_prefix=turn.reply_prefix, scores=count)
    async with aclosing(model.generate(request)) as events:
        async for event in events:
            if isinstance(event, Delta) and event.scores:
                return [
                    (text, math.exp(logprob))
                    for data, logprob in event.scores[0].top
                    if (text := _text(data)) and for_terminal(text) == text
                ]
    return []


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return ""
