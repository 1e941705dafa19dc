"""What can be set, read off the settings' own schema: names, kinds, limits, meanings and defaults."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from fireside.settings import Settings
from tui.action_table import ACTIONS

Kind = Literal["switch", "choice", "whole", "number", "text", "list", "table"]

_LIMITS = {"ge": "at least {}", "gt": "more than {}", "le": "at most {}", "lt": "less than {}"}


@dataclass(frozen=True)
class Field:
    """One setting. path: its keys in the file, from the outermost table. choices: what it can be, for a choice and for
    the items of a list. limits: in words. optional: it may also be unset, which is the default."""

    path: tuple[str, ...]
    kind: Kind
    about: str
    default: object
    choices: tuple[str, ...] = ()
    limits: str = ""
    optional: bool = False

    @property
    def name(self) -> str:
        """As errors and help name it: `model.context_length`."""
        return ".".join(self.path)

    @property
    def group(self) -> str:
        """The table it stands in; empty at the top."""
        return ".".join(self.path[:-1])


def fields(settings: Settings) -> list[Field]:
    """Every setting there is: those at the top first, then the tables; of `remotes`, the servers that are set."""
    found = list(_of_table(Settings, (), settings))
    return sorted(found, key=lambda field: len(field.path) > 1)


def value_of(settings: Settings, field: Field) -> object:
    """What a setting is now."""
    value: Any = settings
    for key in field.path:
        value = value.get(key, field.default) if isinstance(value, Mapping) else getattr(value, key)
    return value


def written(value: object) -> str:
    """A value as it is shown and typed: lists with commas, tables as `KEY=VALUE`, nothing for what is unset."""
    match value:
        case None:
            return ""
        case bool():
            return "on" if value else "off"
        case float():
            return f"{value:g}"
        case tuple() | list():
            return ", ".join(str(each) for each in value)
        case dict():
            return ", ".join(f"{key}={each}" for key, each in value.items())
        case _:
            return str(value)


def typed(field: Field, text: str) -> object:
    """What a person's `text` means for a setting; what is no number stays text, so that the schema can say so.

    None where the setting goes back to its default.
    """
    text = text.strip()
    if field.optional and not text:
        return None
    match field.kind:
        case "switch":
            return {"on": True, "true": True, "off": False, "false": False}.get(text.lower(), text)
        case "whole" | "number":
            return _number(text)
        case "choice":
            return _number(text) if isinstance(field.default, int) or (field.optional and text.isdecimal()) else text
        case "list":
            return [each.strip() for each in text.split(",") if each.strip()]
        case "table":
            pairs = [each.partition("=") for each in text.split(",") if each.strip()]
            return {key.strip(): _number(value.strip()) for key, _, value in pairs}
        case _:
            return text


def _number(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _of_table(table: type[BaseModel], path: tuple[str, ...], values: object) -> Iterator[Field]:
    for key, info in table.model_fields.items():
        annotation, inner = info.annotation, get_args(info.annotation)
        here = (*path, key)
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from _of_table(annotation, here, getattr(values, key))
        elif here == ("keys",):
            for action in ACTIONS:
                yield Field((*here, action.name), "text", action.summary, action.keys, optional=bool(not action.keys))
        elif get_origin(annotation) is dict and isinstance(inner[1], type) and issubclass(inner[1], BaseModel):
            for name, value in getattr(values, key).items():
                yield from _of_table(inner[1], (*here, name), value)
        else:
            yield _of(here, info)


def _of(path: tuple[str, ...], info: FieldInfo) -> Field:
    """The field of one plain setting."""
    kinds = [each for each in _alternatives(info.annotation) if each is not type(None)]
    kind, choices = _kind(kinds[0])
    limits = [
        words.format(written(limit))
        for name, words in _LIMITS.items()
        for limit in [next((getattr(each, name) for each in info.metadata if hasattr(each, name)), None)]
        if limit is not None
    ]
    default = None if info.is_required() else info.default
    return Field(path, kind, info.description or "", default, choices, ", ".join(limits), default is None)


def _alternatives(annotation: object) -> tuple[object, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _kind(annotation: object) -> tuple[Kind, tuple[str, ...]]:
    """The kind of a plain annotation, and what can be chosen."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return "choice", tuple(str(each) for each in inner)
    if origin is tuple:
        return "list", _kind(inner[0])[1]
    if origin is dict:
        return "table", ()
    plain: dict[object, Kind] = {bool: "switch", int: "whole", float: "number", str: "text", Path: "text"}
    return plain[annotation], ()
