"""The arguments of a call by a small model: what it is shown, and a schema that holds them to what the message says.

A model of 135 million parameters invents values, but it can tell which of the message's own words belongs to which
parameter. So a number is one of the message's numbers, each used once while there are enough; a text is a piece of the
message; an optional parameter is there where the message speaks of it, and left out otherwise. A parameter with
constraints of its own is held to those alone, and so is one whose value is not copied in one of the tool's examples.
What each of these is worth stands in docs/benchmarks.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

from agents.copying import lists_in, numbers_in, numbers_named, pieces_of
from agents.tools import Tool
from agents.words import same_word, telling_words

_MOST_CHARACTERS = 4000
_MOST_ORDERED, _MOST_NUMBERS = 4, 6  # at most 360 orders
_PLAIN = frozenset({"type", "description", "default", "title", "examples"})
_NOT = re.compile(r"\b(?:not|no|without|excluding|don't|exclude|never)\b", re.IGNORECASE)

_SHOTS: tuple[tuple[str, tuple[tuple[str, str, str], ...], str, dict[str, Any]], ...] = (
    (
        "get_weather",
        (("city", "string", "Name of the city"), ("days", "integer", "Number of days to forecast")),
        "What will the weather be in Oslo over the next 3 days?",
        {"city": "Oslo", "days": 3},
    ),
    (
        "geometry.rectangle_area",
        (("width", "number", "Width of the rectangle"), ("height", "number", "Height of the rectangle")),
        "Find the area of a rectangle that is 2.5 m wide and 4 m high.",
        {"width": 2.5, "height": 4},
    ),
    (
        "send_message",
        (
            ("recipient", "string", "Who gets it"),
            ("text", "string", "What it says"),
            ("urgent", "boolean", "Whether it is urgent"),
        ),
        "Tell Maria 'dinner is ready', it's urgent!",
        {"recipient": "Maria", "text": "dinner is ready", "urgent": True},
    ),
    (
        "statistics.mean",
        (("numbers", "array", "The numbers"),),
        "What's the average of 3, 8 and 15?",
        {"numbers": [3, 8, 15]},
    ),
)
"""Made-up calls that show the form; a small model reads lines about the parameters better than a schema."""


def prompt_and_schema(message: str, tool: Tool) -> tuple[str, dict[str, Any]]:
    """The text that the model continues with the arguments of a call of `tool`, and the schema that they are held to.

    Of a long message, the last 4000 characters count: what is asked stands behind what is given.
    """
    message = message[-_MOST_CHARACTERS:]
    schema = held_schema(message, tool)
    properties: dict[str, Any] = tool.parameters.get("properties", {})
    shown = {name: each for name, each in properties.items() if name in schema.get("properties", {})}
    return prompt_of(message, tool, shown), schema


def prompt_of(message: str, tool: Tool, shown: Mapping[str, Any]) -> str:
    """The text that the model continues with the arguments. shown: the schemas of the parameters to fill in."""
    lines = [(name, _type(each), _about(each)) for name, each in shown.items()]
    shots = [*_SHOTS, *((tool.name, lines, said, given) for said, given in tool.examples)]
    parts = [
        f"{_head(name, about)}\nRequest: {said}\nArguments:\n{json.dumps(given, ensure_ascii=False)}\n\n"
        for name, about, said, given in shots
    ]
    # The line ends before the arguments: `{"` behind a space would be other tokens than those in the examples.
    return "".join([*parts, f"{_head(tool.name, lines)}\nRequest: {message}\nArguments:\n"])


def held_schema(message: str, tool: Tool) -> dict[str, Any]:
    """The tool's schema, its values held to what `message` says. What it accepts, the tool's own schema accepts too."""
    schema: dict[str, Any] = dict(tool.parameters)
    properties: dict[str, Any] = schema.get("properties", {})
    if not properties or set(schema) - {"type", "properties", "required", "description", "additionalProperties"}:
        return schema
    required = [name for name in properties if name in schema.get("required", ())]
    spare = len(numbers_in(message)) - sum(_is_number(properties[name]) for name in required)
    wanted = []
    for name, each in properties.items():
        if name in required:
            wanted.append(name)
        elif _spoken_of(message, name, each) and (spare > 0 or not _is_number(each)):
            spare -= _is_number(each)
            wanted.append(name)
    free = _not_copied(tool)
    kept = {
        name: properties[name] if name in free else _held(message, properties[name], name in required)
        for name in wanted
    }
    elsewhere = [name for name in schema.get("required", ()) if name not in properties]
    held = schema | {"properties": kept, "required": [*wanted, *elsewhere]}
    copied = {name: kept[name]["enum"] for name in wanted if _is_number(kept[name]) and kept[name] != properties[name]}
    for name, number in numbers_named(message, list(copied)).items():
        if number in copied[name]:
            copied[name] = [number]
            kept[name] = kept[name] | {"enum": [number]}
    orders = _orders(copied, numbers_in(message))
    return held | {"anyOf": orders} if orders else held


def _held(message: str, schema: Any, required: bool) -> Any:
    """The schema of one parameter, or of the items of one."""
    if not isinstance(schema, Mapping):
        return schema
    kept, plain = dict(schema), set(schema) <= _PLAIN
    if said := [each for each in schema.get("enum", ()) if isinstance(each, str) and _says(message, each)]:
        return kept | {"enum": said}
    match schema.get("type"):
        case "integer" if plain:
            return kept | _enum([each for each in numbers_in(message) if isinstance(each, int)])
        case "number" if plain:
            return kept | _enum(numbers_in(message))
        case "string" if plain:
            return kept | _enum(pieces_of(message))
        case "boolean" if plain and not required:
            return kept | {"enum": [not _NOT.search(message)]}
        case "array" if set(schema) <= _PLAIN | {"items"} and isinstance(schema.get("items"), Mapping):
            return kept | _held_items(message, schema["items"])
        case "object" if isinstance(schema.get("properties"), Mapping):
            held = {key: _held(message, each, True) for key, each in schema["properties"].items()}
            return kept | {"properties": held}
    return kept


def _held_items(message: str, items: Mapping[str, Any]) -> dict[str, Any]:
    """What an array is held to: one of the message's lists of numbers, or items from the message."""
    kind, lists = items.get("type"), lists_in(message)
    if set(items) <= _PLAIN and kind in ("number", "integer") and lists:
        if kind == "number":
            return {"enum": [[float(number) for number in each] for each in lists]}
        if whole := [each for each in lists if all(isinstance(number, int) for number in each)]:
            return {"enum": whole}
    return {"items": _held(message, items, True)}


def _orders(copied: Mapping[str, Sequence[Any]], numbers: Sequence[Any]) -> list[dict[str, Any]]:
    """The ways to give each parameter another of `numbers`, as alternatives; none where there are too few or many."""
    if not 2 <= len(copied) <= min(len(numbers), _MOST_ORDERED) or len(numbers) > _MOST_NUMBERS:
        return []
    return [
        {"properties": {name: {"const": number} for name, number in zip(copied, way, strict=True)}}
        for way in dict.fromkeys(permutations(numbers, len(copied)))
        if all(number in values for number, values in zip(way, copied.values(), strict=True))
    ]


def _spoken_of(message: str, name: str, schema: Any) -> bool:
    """Whether the message speaks of an optional parameter: by a word of its name, or one of the values it may have."""
    said = telling_words(message)
    if any(same_word(word, other) for word in telling_words(name) if len(word) > 2 for other in said):
        return True
    if not isinstance(schema, Mapping):
        return False
    named = [str(each) for each in schema.get("enum", ()) if isinstance(each, str)]
    about = str(schema.get("description", "")).split("efault")[0]
    named += re.findall(r"'([^']+)'", about)
    if examples := re.search(r"e\.g\.,? (.*)", about):
        named += re.split(r",| or |[.)]", examples[1])
    return any(_says(message, each) for each in named if len(each.strip()) > 2)


def _says(message: str, value: str) -> bool:
    """Whether the message holds this value as whole words."""
    return bool(value.strip()) and bool(re.search(rf"(?<!\w){re.escape(value.strip())}(?!\w)", message, re.IGNORECASE))


def _not_copied(tool: Tool) -> set[str]:
    """The parameters whose values in the tool's examples are not among what their messages say."""
    free = set()
    for said, arguments in tool.examples:
        words = " ".join(said.lower().split())
        for name, value in arguments.items():
            copied = value in numbers_in(said) if isinstance(value, int | float) else str(value).lower() in words
            if not copied:
                free.add(name)
    return free


def _enum(values: Sequence[Any]) -> dict[str, Any]:
    return {"enum": list(dict.fromkeys(values))} if values else {}


def _is_number(schema: Any) -> bool:
    return isinstance(schema, Mapping) and schema.get("type") in ("integer", "number")


def _type(schema: Any) -> str:
    kind = schema.get("type", "any") if isinstance(schema, Mapping) else "any"
    return kind if isinstance(kind, str) else " or ".join(map(str, kind))


def _about(schema: Any) -> str:
    if not isinstance(schema, Mapping):
        return ""
    about = str(schema.get("description", ""))
    values = schema.get("enum")
    return f"{about} One of: {', '.join(map(str, values))}" if values else about


def _head(name: str, lines: Sequence[tuple[str, str, str]]) -> str:
    return "\n".join([f"Function: {name}", *(f"- {parameter} ({kind}): {about}" for parameter, kind, about in lines)])
