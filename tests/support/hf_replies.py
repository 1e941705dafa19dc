"""Requests to a transformers engine, and what it answers."""

from __future__ import annotations

from typing import Any

from fireside.errors import FiresideError
from fireside.models.hf.engine import HfEngine
from fireside.models.sampling import GREEDY, Sampling
from fireside.models.types import (
    AdapterUse,
    Delta,
    Finished,
    Message,
    ReplyEvent,
    Request,
)


def chat(*said: str) -> tuple[Message, ...]:
    roles: Any = ("user", "assistant")
    return tuple(Message(roles[i % 2], text) for i, text in enumerate(said))


def asked(text: str, most: int = 8, sampling: Sampling = GREEDY, **more: Any) -> Request:
    return Request(chat(text), sampling, most, **more)


def replies(engine: HfEngine, *requests: Request) -> list[list[ReplyEvent | FiresideError]]:
    """All events of each request, computed together."""
    for number, request in enumerate(requests):
        engine.submit(number, request)
    events: list[list[ReplyEvent | FiresideError]] = [[] for _ in requests]
    while engine.busy:
        for number, event in engine.step():
            events[number].append(event)
    return events


def written(engine: HfEngine, request: Request) -> tuple[str, Finished]:
    ((*events, end),) = replies(engine, request)
    assert isinstance(end, Finished), end
    return "".join(event.text for event in events if isinstance(event, Delta)), end


TEXT = "The capital of France is Paris"


def logits(engine: HfEngine, *uses: AdapterUse) -> Any:
    """Float32 (tokens, vocabulary) of TEXT, with these adapters."""
    import torch

    engine._adapters.apply(engine._adapters.prepare(uses))
    with torch.inference_mode():
        return engine.model(torch.tensor([engine.tokenizer.tokenize(TEXT, add_special=True)])).logits[0].float()
