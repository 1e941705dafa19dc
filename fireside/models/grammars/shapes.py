"""What schemas that hold at once ask of a value of one type: their keywords, brought together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from math import lcm
from typing import Any

from fireside.errors import ToolError
from fireside.models.grammars.automata import ANY_TEXT, Automaton
from fireside.models.grammars.formats import FORMATS
from fireside.models.grammars.keywords import FAMILIES, TYPES
from fireside.models.grammars.nodes import Impossible, Node
from fireside.models.grammars.numbers import Bounds
from fireside.models.grammars.patterns import automaton_of, intersected, parsed
from fireside.models.grammars.references import Parts
from fireside.models.grammars.values import accepts, identity


def types_of(parts: Parts) -> list[str]:
    """The types a value can have, in the order they are named.

    Where no schema names a type, those that its keywords speak of are meant, or all.
    """
    named = [part["type"] for part in parts if "type" in part]
    if not named:
        spoken = [family for family, words in FAMILIES.items() if any(words & part.keys() for part in parts)]
        return spoken or [name for name in TYPES if name != "integer"]
    found = list(named[0])
    for names in named[1:]:
        wide = [name for name in found if name in names or (name == "integer" and "number" in names)]
        found = wide + ["integer"] * ("number" in found and "integer" in names and "integer" not in wide)
    if "number" in found and "integer" in found:
        found.remove("integer")
    return found


def listed(parts: Parts, root: Any) -> list[Any] | None:
    """The values that enum and const leave, of those that all of `parts` accept; None where neither is used."""
    listing = next((part for part in parts if "enum" in part or "const" in part), None)
    if listing is None:
        return None
    try:
        values = {identity(value): value for value in listing.get("enum", [listing.get("const")])}
    except (TypeError, ValueError) as error:
        raise ToolError("the schema's enum or const holds what is no JSON value") from error
    others = [part for part in parts if part is not listing]
    others.append({keyword: value for keyword, value in listing.items() if keyword != "enum" or "const" in listing})
    return [value for value in values.values() if all(accepts(part, value, root) for part in others)]


def counts(parts: Parts, lower: str, upper: str) -> tuple[int, int | None]:
    """The highest of the `lower` bounds and the lowest of the `upper` ones. Raises Impossible."""
    least = max((part[lower] for part in parts if lower in part), default=0)
    most = min((part[upper] for part in parts if upper in part), default=None)
    if most is not None and most < least:
        raise Impossible(f"the schema's {upper} {most} is below its {lower} {least}, so no value can match it")
    return least, most


def bounds_of(parts: Parts) -> Bounds:
    """Where a number lies. Raises Impossible."""
    bounds = Bounds()
    for part in parts:
        for keyword in ("minimum", "exclusiveMinimum"):
            if keyword in part:
                low = Fraction(str(part[keyword]))
                bounds = bounds.within(Bounds(low=low, above=keyword != "minimum"))
        for keyword in ("maximum", "exclusiveMaximum"):
            if keyword in part:
                high = Fraction(str(part[keyword]))
                bounds = bounds.within(Bounds(high=high, below=keyword != "maximum"))
    if bounds.empty:
        raise Impossible("the schema's maximum is below its minimum, so no value can match it")
    return bounds


def step_of(parts: Parts) -> Fraction | None:
    """What a number must be a multiple of: the least common multiple of all multipleOf."""
    step: Fraction | None = None
    for part in parts:
        if "multipleOf" in part:
            other = Fraction(str(part["multipleOf"]))
            if step is None:
                step = other
            else:
                scale = step.denominator * other.denominator
                step = Fraction(lcm(int(step * scale), int(other * scale)), scale)
    return step


def patterns_of(parts: Parts) -> list[str]:
    """The regular expressions a string must match, those of its formats among them."""
    found = [part["pattern"] for part in parts if "pattern" in part]
    found += [FORMATS[part["format"]] for part in parts if part.get("format") in FORMATS]
    return list(dict.fromkeys(found))


def automaton_for(patterns: Iterable[str]) -> tuple[Automaton, tuple[Node, ...]]:
    """The automaton of the texts that all of `patterns` match, and each pattern as nodes. Raises ToolError."""
    automaton, nodes = ANY_TEXT, []
    for pattern in patterns:
        node, one = _compiled(pattern)
        automaton = intersected(automaton, one)
        nodes.append(node)
    return automaton, tuple(nodes)


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> tuple[Node, Automaton]:
    node = parsed(pattern)
    return node, automaton_of(node)


def property_names(parts: Parts) -> dict[str, list[Any]]:
    """The properties that are named, in order, with the schemas each must match."""
    names = [name for part in parts for name in part.get("properties", ())]
    names += [name for part in parts for name in part.get("required", ())]
    return {name: _schemas_of(name, parts) for name in dict.fromkeys(names)}


def _schemas_of(name: str, parts: Parts) -> list[Any]:
    found = []
    for part in parts:
        named: Mapping[str, Any] = part.get("properties", {})
        if name in named:
            found.append(named[name])
        elif "additionalProperties" in part:
            found.append(part["additionalProperties"])
    return found


def items_of(parts: Parts) -> tuple[list[list[Any]], list[Any]]:
    """The schemas of each of the first items, and those of every further one."""
    length = max((len(part.get("prefixItems", ())) for part in parts), default=0)
    first = []
    for index in range(length):
        schemas = []
        for part in parts:
            own = part.get("prefixItems", ())
            if index < len(own):
                schemas.append(own[index])
            elif "items" in part:
                schemas.append(part["items"])
        first.append(schemas)
    return first, [part["items"] for part in parts if "items" in part]
