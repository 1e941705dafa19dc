"""Whether the options of a oneOf exclude each other, so that what one of them accepts is accepted by no other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fireside.errors import ToolError
from fireside.models.grammars.keywords import TYPES
from fireside.models.grammars.nodes import Impossible
from fireside.models.grammars.patterns import intersected
from fireside.models.grammars.references import Parts, alternatives
from fireside.models.grammars.shapes import (
    automaton_for,
    bounds_of,
    counts,
    items_of,
    listed,
    patterns_of,
    property_names,
    types_of,
)
from fireside.models.grammars.values import accepts

_MOST_DEPTH = 4


def refuse_overlapping(schema: Mapping[str, Any], root: Any) -> None:
    """Raises ToolError where `schema` has a oneOf with two options that may accept the same value."""
    options = schema.get("oneOf", ())
    base = {keyword: value for keyword, value in schema.items() if keyword != "oneOf"}
    for index, one in enumerate(options):
        for number, other in enumerate(options[:index]):
            if not _apart([base, one], [base, other], root, 0):
                raise ToolError(
                    f"options {number + 1} and {index + 1} of the schema's oneOf may accept the same value",
                    "use anyOf, or tell the options apart by their types or by a required property with a const",
                )


def _apart(one: list[Any], other: list[Any], root: Any, depth: int) -> bool:
    """Whether no value that is written for `one` is accepted by `other`, nor the other way round."""
    return depth < _MOST_DEPTH and all(
        _parts_apart(left, right, root, depth)
        for left in alternatives(one, root)
        for right in alternatives(other, root)
    )


def _parts_apart(one: Parts, other: Parts, root: Any, depth: int) -> bool:
    for left, right in ((one, other), (other, one)):
        values = listed(left, root)
        if values is not None:
            return not any(all(accepts(part, value, root) for part in right) for value in values)
    types, others = _types(one), _types(other)
    common = types & others
    if ("integer" in types and "number" in others) or ("number" in types and "integer" in others):
        common.add("number")
    try:
        return all(_of_type_apart(name, one, other, root, depth) for name in common)
    except Impossible:
        return True  # one of them accepts nothing at all


def _of_type_apart(name: str, one: Parts, other: Parts, root: Any, depth: int) -> bool:
    match name:
        case "number" | "integer":
            return bounds_of(one).within(bounds_of(other)).empty
        case "string":
            if _counts_apart(one, other, "minLength", "maxLength"):
                return True
            try:
                intersected(automaton_for(patterns_of(one))[0], automaton_for(patterns_of(other))[0])
            except Impossible:
                return True
            return False
        case "array":
            return _counts_apart(one, other, "minItems", "maxItems") or _items_apart(one, other, root, depth)
        case "object":
            return _properties_apart(one, other, root, depth)
        case _:
            return False


def _types(parts: Parts) -> set[str]:
    """The types that are accepted: all, where none is named."""
    return set(types_of(parts)) if any("type" in part for part in parts) else set(TYPES) - {"integer"}


def _counts_apart(one: Parts, other: Parts, lower: str, upper: str) -> bool:
    (a, b), (c, d) = counts(one, lower, upper), counts(other, lower, upper)
    return (b is not None and b < c) or (d is not None and d < a)


def _items_apart(one: Parts, other: Parts, root: Any, depth: int) -> bool:
    """Whether an item that is always there tells the arrays apart."""
    least = max(counts(one, "minItems", "maxItems")[0], counts(other, "minItems", "maxItems")[0])
    (first, further), (others, beyond) = items_of(one), items_of(other)
    for index in range(min(least, max(len(first), len(others), 1))):
        left = first[index] if index < len(first) else further
        right = others[index] if index < len(others) else beyond
        if _apart(left, right, root, depth + 1):
            return True
    return False


def _properties_apart(one: Parts, other: Parts, root: Any, depth: int) -> bool:
    names, others = property_names(one), property_names(other)
    required, required_there = _required(one), _required(other)
    for name in required | required_there:
        if name in names and name in others and _apart(names[name], others[name], root, depth + 1):
            return True
    # Objects with names are written with those alone; a map may be written with any.
    here = any(_excludes(other, name) for name in required) or bool(names and required_there - names.keys())
    there = any(_excludes(one, name) for name in required_there) or bool(others and required - others.keys())
    return here and there


def _required(parts: Parts) -> set[str]:
    return {name for part in parts for name in part.get("required", ())}


def _excludes(parts: Parts, name: str) -> bool:
    return any(name not in part.get("properties", {}) and part.get("additionalProperties") is False for part in parts)
