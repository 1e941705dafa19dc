"""The keywords of JSON schemas that are supported, and a check that a schema holds nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fireside.errors import ToolError, did_you_mean

TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
# The function-calling leaderboard's names for types; "any" is no type at all.
LEADERBOARD_TYPES = {"dict": "object", "float": "number", "tuple": "array"}
NOTES = frozenset(
    {
        "$comment", "$id", "$schema", "contentEncoding", "contentMediaType", "default", "deprecated", "description",
        "discriminator", "example", "examples", "externalDocs", "format", "nullable", "readOnly", "strict", "title",
        "writeOnly", "xml",
    }
)  # fmt: skip
FAMILIES: Mapping[str, frozenset[str]] = {
    "object": frozenset(
        {"properties", "required", "additionalProperties", "propertyNames", "minProperties", "maxProperties"}
    ),
    "array": frozenset({"items", "prefixItems", "minItems", "maxItems", "uniqueItems"}),
    "string": frozenset({"minLength", "maxLength", "pattern"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}),
}
_GENERAL = frozenset({"$ref", "$defs", "definitions", "allOf", "anyOf", "oneOf", "type", "enum", "const"})
_KNOWN = _GENERAL.union(*FAMILIES.values())
_COUNTS = {"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"}
_NUMBERS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
_SCHEMAS = {"items", "additionalProperties", "propertyNames"}
_LISTS_OF_SCHEMAS = {"allOf", "anyOf", "oneOf", "prefixItems"}
_MAPS_OF_SCHEMAS = {"properties", "$defs", "definitions"}
_MOST_DEPTH = 100


def read(schema: Any) -> Any:
    """`schema` with the leaderboard's types in JSON Schema's names. Raises ToolError naming what is not supported."""
    return _read(schema, "the schema", 0)


def _read(schema: Any, place: str, depth: int) -> Any:
    if isinstance(schema, bool):
        return schema
    if not isinstance(schema, Mapping):
        raise ToolError(f"{place} is {_shown(schema)}, which is no schema", "write an object, true or false")
    if depth > _MOST_DEPTH:
        raise ToolError(f"the schema is more than {_MOST_DEPTH} levels deep", "use a simpler schema")
    known: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in NOTES or (isinstance(keyword, str) and keyword.startswith("x-")):
            if keyword == "format":
                known[keyword] = value
            elif keyword == "$id" and depth:
                raise _unsupported("$id below the top")
        elif keyword not in _KNOWN:
            raise _unsupported(keyword)
        elif keyword in _SCHEMAS:
            known[keyword] = _read(value, f"{place}'s {keyword}", depth + 1)
        elif keyword in _LISTS_OF_SCHEMAS:
            if not isinstance(value, list | tuple) or not value:
                raise ToolError(f"{place}'s {keyword} is no list of schemas, or empty", "list schemas in it")
            known[keyword] = [_read(each, f"{place}'s {keyword}", depth + 1) for each in value]
        elif keyword in _MAPS_OF_SCHEMAS:
            if not isinstance(value, Mapping):
                raise ToolError(f"{place}'s {keyword} is no object", "name schemas in it")
            known[keyword] = {
                name: _read(each, f"{place}'s {keyword} {name!r}", depth + 1) for name, each in value.items()
            }
        else:
            known[keyword] = _checked(keyword, value, place)
    if known.get("type") == []:
        del known["type"]
    return known


def _checked(keyword: str, value: Any, place: str) -> Any:
    """The value of a keyword that holds no schemas."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if keyword in _COUNTS:
        if not number or value != int(value) or value < 0:
            raise ToolError(f"{place}'s {keyword} is {_shown(value)}, which is no count", "write a whole number")
        return int(value)
    if keyword in _NUMBERS:
        if not number or value != value or value in (float("inf"), float("-inf")):
            raise ToolError(f"{place}'s {keyword} is {_shown(value)}, which is no number", "write a number")
        if keyword == "multipleOf" and value <= 0:
            raise ToolError(f"{place}'s multipleOf is {_shown(value)}", "it must be above 0")
        return value
    if keyword == "type":
        return _types(value, place)
    if keyword == "required":
        if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
            raise ToolError(f"{place}'s required is no list of names", "list the names of properties in it")
        return list(value)
    if keyword == "enum":
        if not isinstance(value, list | tuple) or not value:
            raise ToolError(f"{place}'s enum is no list, or empty, so no value can match it", "list values in it")
        return list(value)
    if keyword in ("pattern", "$ref") and not isinstance(value, str):
        raise ToolError(f"{place}'s {keyword} is {_shown(value)}, which is no text", "write a text")
    if keyword == "uniqueItems" and not isinstance(value, bool):
        raise ToolError(f"{place}'s uniqueItems is {_shown(value)}", "write true or false")
    return value


def _types(value: Any, place: str) -> list[str]:
    """The types meant; empty for any."""
    names = list(value) if isinstance(value, list | tuple) else [value]
    if "any" in names:
        return []
    names = [LEADERBOARD_TYPES.get(name, name) if isinstance(name, str) else name for name in names]
    for name in names:
        if name not in TYPES:
            hint = did_you_mean(str(name), TYPES, f"use one of {', '.join(TYPES)}")
            raise ToolError(f"{place} has the type {_shown(name)}, which is not supported", hint)
    if not names:
        raise ToolError(f"{place}'s type is empty, so no value can match it", f"use one of {', '.join(TYPES)}")
    return list(dict.fromkeys(names))


def _unsupported(keyword: object) -> ToolError:
    return ToolError(
        f"the schema's keyword {str(keyword)!r} is not supported",
        "leave it out, or say the same with the keywords in fireside/models/schema.py",
    )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
