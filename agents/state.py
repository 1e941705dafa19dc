"""A turn as it stands between two steps, in a form that can be kept and gone on from: JSON with a version."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any

from agents.budget import Spent
from fireside.errors import FiresideError
from fireside.models.types import Message, ToolCall

VERSION = 1


@dataclass(frozen=True)
class RunState:
    """All that a turn needs to go on, beside what it is made of (`Turn`: model, tools, rules).

    messages: the conversation with the calls and results so far. calls: made so far. pending: asked for by the model,
    and not known to have run. text: what the person has been told so far, of which the first `seen` characters stand in
    messages. untrusted: where words from elsewhere came from. repairs: invalid calls in a row.
    """

    messages: tuple[Message, ...]
    calls: tuple[ToolCall, ...] = ()
    pending: tuple[ToolCall, ...] = ()
    text: str = ""
    seen: int = 0
    spent: Spent = field(default_factory=Spent)
    untrusted: tuple[str, ...] = ()
    repairs: int = 0


def to_json(state: RunState) -> str:
    """One JSON document."""
    return json.dumps(_finite({"version": VERSION, **dataclasses.asdict(state)}), ensure_ascii=False, allow_nan=False)


def from_json(text: str) -> RunState:
    """The inverse of `to_json`. Raises FiresideError for what is no state, or one of a newer Fireside."""
    from pydantic import TypeAdapter

    try:
        document = json.loads(text)
        version = document.pop("version")
        if version == VERSION:
            state = TypeAdapter(RunState).validate_python(document)
            spent = dataclasses.astuple(state.spent)
            if all(0 <= each < math.inf for each in (*spent, state.seen, state.repairs)):
                return state
            raise ValueError("a number is out of its range")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FiresideError("this is not the state of a turn, and nothing can be gone on from", None) from error
    raise FiresideError(f"the turn was kept in version {version!r}, and this Fireside knows {VERSION}", "update it")


def _finite(value: Any) -> Any:
    """`value` with null for the numbers that JSON does not know; no tool takes them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value
