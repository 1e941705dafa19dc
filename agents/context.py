"""Keeps a conversation inside the model's context: whole old turns go, in big steps, never the system prompt."""

from __future__ import annotations

import itertools
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from fireside.errors import ModelError
from fireside.models.types import ChatModel, Message, ToolSpec

_SHORTENED = 400  # characters of a result that stay: what it was, and how it began


async def fit(messages: Sequence[Message], model: ChatModel, reply_tokens: int) -> tuple[tuple[Message, ...], int]:
    """`messages` without the oldest turns where they do not fit, and how many messages were left out.

    Room for `reply_tokens`, but at most a quarter of the context, is kept free. About a quarter of the context goes at
    a time, at places that stay the same while the conversation grows, so that the model's cache of the prompt goes on
    serving: a cut one turn later at every turn would compute everything anew. Nothing goes where a server does not
    tell how much its model can see. Raises ModelError where the last message alone does not fit.
    """
    room = await room_for(reply_tokens, model)
    if not room:
        return tuple(messages), 0
    if await model.count_tokens(tuple(messages)) <= room:
        return tuple(messages), 0
    system = [message for message in messages[:1] if message.role == "system"]
    turns = list(messages[len(system) :])

    async def fits(start: int) -> bool:
        return await model.count_tokens((*system, *turns[start:])) <= room

    starts = _turn_starts(turns)
    # English has about four characters a token: this many characters are a quarter of the context. Where they are far
    # more (other scripts), no such step may fit, and any turn may be the first.
    context = (await model.start()).context_length
    for candidates in (_steps(turns, starts, context), starts):
        start = await _first(candidates, fits)
        if start is not None:
            return (*system, *turns[start:]), start
    raise ModelError(
        f"the message is too long for the model's context of {context} tokens",
        "shorten it, or raise model.context_length",
    )


async def room_for(reply_tokens: int, model: ChatModel) -> int:
    """Tokens of the model's context that a prompt may take, beside a reply of `reply_tokens` or a quarter of it; 0
    where a server does not tell how much its model can see."""
    length = (await model.start()).context_length
    return length - min(reply_tokens, length // 4)


async def shorten_results(
    messages: Sequence[Message], model: ChatModel, reply_tokens: int, tools: Sequence[ToolSpec]
) -> tuple[tuple[Message, ...], int]:
    """`messages` with the results of tools shortened where they do not fit, and how many were, now.

    The oldest first, the last one last: the model has seen the others already. `tools` stand in the prompt, too.
    """
    room = await room_for(reply_tokens, model)
    kept = list(messages)
    if not room:
        return tuple(kept), 0
    described = json.dumps([[tool.name, tool.description, tool.parameters] for tool in tools], ensure_ascii=False)
    room -= await model.count_tokens(described)
    count = 0
    for place, message in enumerate(messages):
        if message.role != "tool" or len(message.content) <= _SHORTENED:
            continue
        if await model.count_tokens(tuple(kept)) <= room:
            break
        kept[place] = replace(message, content=_shortened(message.content))
        count += 1
    return tuple(kept), count


def _shortened(text: str) -> str:
    """How a result began. Where it lies between two lines that mark it as data (`prompts.as_data`), it still does."""
    lines = text.splitlines()
    closing = f"\n{lines[-1]}" if len(lines) > 2 and lines[1] == lines[-1] else ""
    return f"{text[:_SHORTENED]}\n[shortened: {len(text) - _SHORTENED} more characters]{closing}"


def _turn_starts(messages: Sequence[Message]) -> list[int]:
    """The positions of the person's messages after the first: where a conversation may begin instead."""
    return [index for index, message in enumerate(messages) if message.role == "user" and index > 0]


def _steps(messages: Sequence[Message], starts: Sequence[int], step: int) -> list[int]:
    """Of `starts`, each that is the first behind another `step` characters of the conversation."""
    before = list(itertools.accumulate((len(message.content) for message in messages), initial=0))
    return [
        start
        for previous, start in itertools.pairwise([0, *starts])
        if before[start] // step > before[previous] // step
    ]


async def _first(candidates: Sequence[int], fits: Callable[[int], Awaitable[bool]]) -> int | None:
    """The first candidate that fits, found by halving: every one behind a candidate that fits does, too."""
    low, high = 0, len(candidates)
    while low < high:
        middle = (low + high) // 2
        if await fits(candidates[middle]):
            high = middle
        else:
            low = middle + 1
    return candidates[low] if low < len(candidates) else None
