"""A turn as it stands between two steps, in a form that can be kept and gone on from: JSON with a version."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from agents.budget import Spent
from fireside.errors import FiresideError
from fireside.models.types import Message, ToolCall

VERSION = 1


@dataclass(frozen=True)
class RunState:
    """All that a turn needs to go on, beside what it is made of (`Turn`: model, tools, rules).

    messages: the conversation with the calls and results so far. calls: made so far. pending: asked for by the model
    and not yet run. text: what the person has been told so far. untrusted: where words from elsewhere came from.
    repairs: invalid calls in a row.
    """

    messages: tuple[Message, ...]
    calls: tuple[ToolCall, ...] = ()
    pending: tuple[ToolCall, ...] = ()
    text: str = ""
    spent: Spent = field(default_factory=Spent)
    untrusted: tuple[str, ...] = ()
    repairs: int = 0


def to_json(state: RunState) -> str:
    """One JSON document."""
    return json.dumps({"version": VERSION, **dataclasses.asdict(state)}, ensure_ascii=False)


def from_json(text: str) -> RunState:
    """The inverse of `to_json`. Raises FiresideError for what is no state, or one of a newer Fireside."""
    try:
        document = json.loads(text)
        version = document["version"]
        if version == VERSION:
            return RunState(
                messages=tuple(_message(each) for each in document["messages"]),
                calls=_calls(document["calls"]),
                pending=_calls(document["pending"]),
                text=str(document["text"]),
                spent=Spent(**document["spent"]),
                untrusted=tuple(map(str, document["untrusted"])),
                repairs=int(document["repairs"]),
            )
    except (ValueError, KeyError, TypeError) as error:
        raise FiresideError("this is not the state of a turn, and nothing can be gone on from", None) from error
    raise FiresideError(f"the turn was kept in version {version!r}, and this Fireside knows {VERSION}", "update it")


def _message(packed: dict[str, Any]) -> Message:
    return Message(packed["role"], packed["content"], _calls(packed["calls"]), packed["tool"])


def _calls(packed: list[dict[str, Any]]) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(call["name"], dict(call["arguments"])) for call in packed)
