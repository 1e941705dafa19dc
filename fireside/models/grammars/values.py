"""Whether a JSON value is one that a schema accepts; for the values that enum and const list."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from fireside.models.grammars.references import target


def identity(value: Any) -> str:
    """Equal for equal JSON values: 1 and 1.0 are, 1 and true are not, and the order of names does not matter."""
    return json.dumps(_plain(value), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def is_type(value: Any, name: str) -> bool:
    """Whether `value` is of the JSON type `name`."""
    match value:
        case bool():
            return name == "boolean"
        case None:
            return name == "null"
        case int():
            return name in ("integer", "number")
        case float():
            return name == "number" or (name == "integer" and value.is_integer())
        case str():
            return name == "string"
        case list() | tuple():
            return name == "array"
        case _:
            return name == "object"


def accepts(schema: Any, value: Any, root: Any) -> bool:
    """Whether `schema`, which `keywords.read` has read, accepts `value`. root: what "#" refers to."""
    if isinstance(schema, bool):
        return schema
    holds = _general(schema, value, root)
    if isinstance(value, Mapping):
        holds = holds and _object(schema, value, root)
    elif isinstance(value, list | tuple):
        holds = holds and _array(schema, value, root)
    elif isinstance(value, str):
        holds = (
            holds
            and schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
            and ("pattern" not in schema or re.search(schema["pattern"], value) is not None)
        )
    elif isinstance(value, int | float) and not isinstance(value, bool):
        holds = holds and _number(schema, value)
    return holds


def _general(schema: Mapping[str, Any], value: Any, root: Any) -> bool:
    return (
        ("type" not in schema or any(is_type(value, name) for name in schema["type"]))
        and ("enum" not in schema or any(identity(each) == identity(value) for each in schema["enum"]))
        and ("const" not in schema or identity(schema["const"]) == identity(value))
        and ("$ref" not in schema or accepts(target(root, schema["$ref"]), value, root))
        and all(accepts(each, value, root) for each in schema.get("allOf", ()))
        and ("anyOf" not in schema or any(accepts(each, value, root) for each in schema["anyOf"]))
        and ("oneOf" not in schema or sum(accepts(each, value, root) for each in schema["oneOf"]) == 1)
    )


def _object(schema: Mapping[str, Any], value: Mapping[str, Any], root: Any) -> bool:
    named = schema.get("properties", {})
    return (
        all(name in value for name in schema.get("required", ()))
        and schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value))
        and all(accepts(schema.get("propertyNames", True), name, root) for name in value)
        and all(
            accepts(named.get(name, schema.get("additionalProperties", True)), each, root)
            for name, each in value.items()
        )
    )


def _array(schema: Mapping[str, Any], value: list[Any] | tuple[Any, ...], root: Any) -> bool:
    first = schema.get("prefixItems", ())
    return (
        schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        and all(accepts(each, item, root) for each, item in zip(first, value, strict=False))
        and all(accepts(schema.get("items", True), item, root) for item in value[len(first) :])
        and not (schema.get("uniqueItems") and len(set(map(identity, value))) < len(value))
    )


def _number(schema: Mapping[str, Any], value: float) -> bool:
    exact = Fraction(str(value))
    return (
        ("minimum" not in schema or value >= schema["minimum"])
        and ("maximum" not in schema or value <= schema["maximum"])
        and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
        and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
        and ("multipleOf" not in schema or (exact / Fraction(str(schema["multipleOf"]))).denominator == 1)
    )
