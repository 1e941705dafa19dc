"""Requests to an engine, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fireside.errors import FiresideError
from fireside.models.engine import Engine
from fireside.models.sampling import GREEDY, Sampling
from fireside.models.types import Delta, Finished, Message, ReplyEvent, Request


def chat(*said: str) -> tuple[Message, ...]:
    """A conversation, the person first."""
    roles: Any = ("user", "assistant")
    return tuple(Message(roles[i % 2], text) for i, text in enumerate(said))


def asked(text: str, most: int = 8, sampling: Sampling = GREEDY, **more: Any) -> Request:
    """A reply of at most `most` tokens to one message."""
    return Request(chat(text), sampling, most, **more)


def replies(engine: Engine, *requests: Request) -> list[list[ReplyEvent | FiresideError]]:
    """All events of each request, computed together."""
    for number, request in enumerate(requests):
        engine.submit(number, request)
    events: list[list[ReplyEvent | FiresideError]] = [[] for _ in requests]
    while engine.busy:
        for number, event in engine.step():
            events[number].append(event)
    return events


def written(engine: Engine, request: Request) -> tuple[str, Finished]:
    """The text of one reply, and its end."""
    ((*events, end),) = replies(engine, request)
    assert isinstance(end, Finished), end
    return text_of(events), end


def text_of(events: Sequence[ReplyEvent | FiresideError]) -> str:
    """The text that these events bring."""
    return "".join(event.text for event in events if isinstance(event, Delta))
