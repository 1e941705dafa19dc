"""An event of a turn as JSON and back, for what is kept of a run: by its dataclass, without a word about each kind."""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

from agents.events import Event
from fireside.errors import FiresideError

VERSION = 1
"""Of the form below. A field with a default may be added to an event without a new one."""

_KINDS: dict[str, Any] = {kind.__name__: kind for kind in get_args(Event)}


def pack(event: Event) -> dict[str, Any]:
    """`{"kind": the event's class, ...its fields}`, of what JSON knows."""
    packed: dict[str, Any] = _packed(event)
    return packed


def unpack(document: Mapping[str, Any]) -> Event:
    """The inverse of `pack`. Raises FiresideError for what is no event, or of a kind this Fireside does not know."""
    try:
        event: Event = _unpacked(Event, document)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        kind = document.get("kind") if isinstance(document, Mapping) else None
        raise FiresideError(f"this is no event of a turn, or of a newer Fireside: {kind!r}", "update it") from error
    return event


def _packed(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        fields = {field.name: _packed(getattr(value, field.name)) for field in dataclasses.fields(value)}
        kind = type(value).__name__
        return {"kind": kind, **fields} if kind in _KINDS else fields
    return [_packed(each) for each in value] if isinstance(value, tuple) else value


def _unpacked(hint: Any, value: Any) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        kinds = get_args(hint)
        if value is None and types.NoneType in kinds:
            return None
        if kinds[0] in _KINDS.values():
            return _unpacked(_KINDS[value["kind"]], value)
        return _unpacked(kinds[0], value)  # `X | None`, or Literals, which are not looked into
    if origin is tuple:
        return tuple(_unpacked(get_args(hint)[0], each) for each in value)
    if dataclasses.is_dataclass(hint):
        kind: Any = hint
        hints = _hints(kind)
        return kind(**{name: _unpacked(hints[name], each) for name, each in value.items() if name in hints})
    if isinstance(hint, type) and hint is not Any and origin is None and not isinstance(value, _accepted(hint)):
        raise TypeError(f"{value!r} is no {hint.__name__}")
    return value


def _accepted(hint: type) -> tuple[type, ...]:
    """What JSON makes of a value of this type: a whole float may come back as an int."""
    return (float, int) if hint is float else (hint,)


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    """The types of a dataclass's fields."""
    return get_type_hints(kind)
