"""Compares tool calls with the accepted ones, by the rules of the Berkeley Function-Calling Leaderboard.

The rules, those of `ast_checker.py` in bfcl_eval (gorilla, commit a6da28e), for Python:

- There are as many calls as accepted ones; in any order where there are several. An accepted call is
  `{NAME: {PARAMETER: [accepted values]}}`. Where none is expected, any call is wrong.
- The name is the same, dots included. All required parameters are there; each parameter given is one of the schema's
  and of the accepted ones; one left out is right where `""` is among its accepted values.
- A value has the type that the schema names: string, integer, float (where a whole number will do), boolean, array,
  tuple (an array), dict; a boolean is no integer. `any` means a string, as the leaderboard has it. The items of an
  array have the type of `items` (here a whole number is not a float). Where the first accepted value (or item) has
  another type than the schema's, as where a variable is named, a value of that type will do and has to be equal.
- Texts are compared without spaces and `, . / - _ * ^`, in lower case, `'` as `"`; in lists and dicts, too, one level
  deep. Lists are equal item by item. A dict has no key that the accepted dict lacks; each key holds accepted values,
  and one is left out only where `""` is among them. A list of dicts is compared dict by dict.

JSON Schema's names (object, number) are taken for the leaderboard's (dict, float); of several types, the first that is
not null counts; a parameter without a type may have any.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fireside.models.types import ToolCall

Accepted = Mapping[str, Mapping[str, Sequence[Any]]]
"""One accepted call: its name, and for each parameter the values it may have."""

_TYPES: dict[str, type[Any]] = {
    "string": str,
    "integer": int,
    "float": float,
    "number": float,
    "boolean": bool,
    "array": list,
    "tuple": list,
    "dict": dict,
    "object": dict,
    "any": str,
}
_IGNORED = re.compile(r"[ ,./\-_*^]")


def problem_with_calls(
    calls: Sequence[ToolCall], accepted: Sequence[Accepted], functions: Sequence[Mapping[str, Any]]
) -> str:
    """What is wrong with `calls`, "" for nothing. functions: the schemas offered, with name and parameters."""
    if not accepted:
        return f"{calls[0].name} was called where no tool applies" if calls else ""
    if len(calls) != len(accepted):
        return f"{len(calls)} calls where {len(accepted)} are expected"
    parameters = {function["name"]: function.get("parameters") or {} for function in functions}
    left = list(calls)
    for each in accepted:
        problems = [problem_with_call(call, each, parameters.get(next(iter(each)), {})) for call in left]
        if "" not in problems:
            return problems[0]
        del left[problems.index("")]
    return ""


def problem_with_call(call: ToolCall, accepted: Accepted, parameters: Mapping[str, Any]) -> str:
    """What is wrong with `call`, "" for nothing. parameters: the schema of its arguments."""
    ((name, values),) = accepted.items()
    if call.name != name:
        return f"{call.name} was called instead of {name}"
    for parameter in parameters.get("required", ()):
        if parameter not in call.arguments:
            return f"{parameter} is required and missing"
    properties = parameters.get("properties", {})
    for parameter, value in call.arguments.items():
        if parameter not in properties or parameter not in values:
            return f"{parameter} is not expected"
        if problem := _problem_with_value(value, values[parameter], properties[parameter]):
            return f"{parameter}: {problem}"
    for parameter, possible in values.items():
        if parameter not in call.arguments and "" not in possible:
            return f"{parameter} is missing"
    return ""


def _problem_with_value(value: Any, possible: Sequence[Any], schema: Mapping[str, Any]) -> str:
    name = _type_name(schema)
    expected = _TYPES.get(name or "")
    if expected is float and type(value) is int:
        value = float(value)
    items = None
    if name in ("array", "tuple") and isinstance(schema.get("items"), Mapping):
        items = _TYPES.get(_type_name(schema["items"]) or "")
    first = _first_type(possible)
    wrong = f"{value!r} is none of {list(possible)!r}"
    kind: type[Any] = type(value)
    if expected is None or kind is not expected:
        if expected is not None and (first is None or kind is not first):
            return f"{value!r} is no {name}"
        return "" if value in possible else wrong
    if items is not None and not _items_fit(value, possible, items):
        return f"{value!r} has items that are no {_type_name(schema['items'])}"
    if first in (None, expected):
        if expected is dict:
            return "" if _dict_matches(value, possible) else wrong
        if expected is list and items is dict:
            return "" if _dicts_match(value, possible) else wrong
        if expected is str:
            return "" if _plain(value) in [_plain(each) for each in possible if isinstance(each, str)] else wrong
        if expected is list:
            # As there, an accepted "" is an empty list.
            lists = [_plain_items(each) for each in possible if each == "" or isinstance(each, list)]
            return "" if _plain_items(value) in lists else wrong
    return "" if value in possible else wrong


def _type_name(schema: Any) -> str | None:
    name = schema.get("type") if isinstance(schema, Mapping) else None
    if isinstance(name, list | tuple):
        name = next((each for each in name if each != "null"), None)
    return name if isinstance(name, str) else None


def _first_type(possible: Sequence[Any]) -> type[Any] | None:
    """The type of the first accepted value; None where there only is `""`."""
    return next((type(each) for each in possible if each != ""), None)


def _items_fit(value: Sequence[Any], possible: Sequence[Any], expected: type[Any]) -> bool:
    """Whether the items have the type expected, or that of an accepted list's first item."""
    return any(
        not isinstance(each, list) or all(type(item) in (expected, _first_type(each)) for item in value)
        for each in possible
    )


def _plain(value: Any) -> Any:
    """A text as it is compared; anything else as it is."""
    return _IGNORED.sub("", value).lower().replace("'", '"') if isinstance(value, str) else value


def _plain_items(values: Any) -> Any:
    return [_plain(each) for each in values]


def _dict_matches(value: Mapping[str, Any], possible: Sequence[Any]) -> bool:
    return any(
        all(key in each and _plain(given) in _plain_items(each[key]) for key, given in value.items())
        and all(key in value or "" in accepted for key, accepted in each.items())
        for each in possible
        if isinstance(each, Mapping)
    )


def _dicts_match(value: Sequence[Any], possible: Sequence[Any]) -> bool:
    return any(
        len(value) == len(each)
        and all(
            isinstance(given, Mapping) and _dict_matches(given, [one]) for given, one in zip(value, each, strict=True)
        )
        for each in possible
        if isinstance(each, list)
    )
