"""Keeps a conversation inside the model's context: whole old turns go, in one big step, never the system prompt."""

from __future__ import annotations

from collections.abc import Sequence

from fireside.errors import ModelError
from fireside.models.types import ChatModel, Message

# A big step, so that the prompt stays the same for many turns and the model's cache of it stays useful.
_KEPT_SHARE = 0.5


async def fit(messages: Sequence[Message], model: ChatModel, reply_tokens: int) -> tuple[tuple[Message, ...], int]:
    """`messages` without the oldest turns where they do not fit, and how many messages were left out.

    Room for `reply_tokens`, but at most a quarter of the context, is kept free. When turns must go, they go until the
    rest takes half the context. Raises ModelError where the last message alone does not fit.
    """
    info = await model.start()
    room = info.context_length - min(reply_tokens, info.context_length // 4)
    if await model.count_tokens(tuple(messages)) <= room:
        return tuple(messages), 0
    system = [message for message in messages[:1] if message.role == "system"]
    turns = list(messages[len(system) :])
    kept = len(turns)
    for index in _turn_starts(turns):
        kept = index
        if await model.count_tokens((*system, *turns[index:])) <= info.context_length * _KEPT_SHARE:
            break
    rest = (*system, *turns[kept:])
    if not turns[kept:] or await model.count_tokens(rest) > room:
        raise ModelError(
            f"the message is too long for the model's context of {info.context_length} tokens",
            "shorten it, or raise model.context_length",
        )
    return rest, kept


def _turn_starts(messages: Sequence[Message]) -> list[int]:
    """The positions of the person's messages after the first: where a conversation may begin instead."""
    return [index for index, message in enumerate(messages) if message.role == "user" and index > 0]
