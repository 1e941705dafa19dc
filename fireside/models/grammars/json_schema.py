"""Turns a JSON schema into the grammar of the JSON that it accepts, written in one fixed way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fireside.errors import ToolError
from fireside.models.grammars import keywords
from fireside.models.grammars.automata import ANY_TEXT
from fireside.models.grammars.exclusive import refuse_overlapping
from fireside.models.grammars.nodes import (
    EMPTY,
    Distinct,
    Impossible,
    Literal,
    Node,
    Repeat,
    Rule,
    Text,
    either,
    optional,
    sequence,
    without_dead,
)
from fireside.models.grammars.numbers import decimals, integers, multiples
from fireside.models.grammars.references import Parts, alternatives
from fireside.models.grammars.shapes import (
    automaton_for,
    bounds_of,
    counts,
    items_of,
    listed,
    patterns_of,
    property_names,
    step_of,
    types_of,
)
from fireside.models.grammars.values import accepts, identity

_MOST_DISTINCT = 64
_MOST_COUNTED = 64  # properties of an object with minProperties or maxProperties
_MOST_RULES = 3000
_MOST_ROUNDS = 10_000  # characters or items that are counted; the budget is far below
_MOST_MATCHED = 1000  # characters of a text with a pattern


def grammar_of_schema(schema: Any) -> Node:
    """The grammar of `schema`. Raises ToolError: a keyword that is not supported, or no value can match."""
    root = keywords.read(schema)
    node = without_dead(_Compiler(root).values([root]))
    if node is None:
        raise ToolError("every value of the schema would have to hold another one of itself, without end")
    return node


def written(value: Any) -> str:
    """`value` as the grammar writes it. Raises ToolError where it is no JSON."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ToolError(f"the schema holds {value!r:.60}, which is no JSON value") from error
    return text if text.isprintable() else json.dumps(value)


class _Compiler:
    """Collects the rules of one schema; the same subschema is compiled once."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._rules: dict[str, Rule | Node] = {}

    def values(self, schemas: Sequence[Any]) -> Node:
        """The values that all of `schemas` accept. Raises Impossible: there are none."""
        key = json.dumps(schemas, default=list)
        if key in self._rules:
            return self._rules[key]
        if len(self._rules) > _MOST_RULES:
            raise ToolError(f"the schema has more than {_MOST_RULES} parts", "use a simpler schema")
        self._rules[key] = rule = Rule("values")
        try:
            rule.body = self._values(schemas)
        except ToolError:
            del self._rules[key]
            raise
        return rule

    def _values(self, schemas: Sequence[Any]) -> Node:
        ways = alternatives(schemas, self._root)
        if not ways:
            raise Impossible("the schema accepts no value")
        for schema in schemas:
            if isinstance(schema, Mapping):
                refuse_overlapping(schema, self._root)
        options: list[Node] = []
        for parts in ways:
            try:
                options += self._alternative(parts)
            except Impossible:
                # Where several schemas meet, some of their alternatives may well exclude each other.
                if len(parts) == 1 or len(ways) == 1:
                    raise
        if not options:
            raise Impossible("the schema's keywords exclude each other, so no value can match it")
        return either(options)

    def _alternative(self, parts: Parts) -> list[Node]:
        values = listed(parts, self._root)
        if values is not None:
            if not values:
                raise Impossible("no value of the schema's enum or const fits its other keywords")
            return [either(written(value) for value in values)]
        options = []
        types = types_of(parts)
        for name in types:
            try:
                options.append(self._of_type(name, parts))
            except Impossible:
                if len(types) == 1:
                    raise
        if not options:
            raise Impossible("the schema's types exclude each other, so no value can match it")
        return options

    def _of_type(self, name: str, parts: Parts) -> Node:
        match name:
            case "object":
                return self._object(parts)
            case "array":
                return self._array(parts)
            case "string":
                return self._string(parts)
            case "number" | "integer":
                return _number(parts, whole=name == "integer")
            case "boolean":
                return either(["true", "false"])
            case _:
                return Literal("null")

    def _string(self, parts: Parts) -> Text:
        least, most = counts(parts, "minLength", "maxLength")
        automaton, patterns = automaton_for(patterns_of(parts))
        limit = _MOST_ROUNDS if automaton.free else _MOST_MATCHED
        if least > limit:
            raise ToolError(f"the schema's minLength is above {limit}, the most that is supported", "ask for less")
        if most is not None:
            most = min(most, limit)
        if automaton.distance(0, least, most) is None:
            raise Impossible("no text has the length and matches the pattern or format that the schema asks for")
        return Text(automaton, least, most, patterns)

    def _object(self, parts: Parts) -> Node:
        """Properties in order; those not required may be left out."""
        least, most = counts(parts, "minProperties", "maxProperties")
        required = {name for part in parts for name in part.get("required", ())}
        named = property_names(parts)
        if not named:
            return self._map(parts, least, most)
        pairs: list[tuple[Node, bool]] = []
        for name, schemas in named.items():
            fits = all(accepts(part.get("propertyNames", True), name, self._root) for part in parts)
            if fits and False not in schemas:
                pairs.append((sequence(f"{written(name)}: ", self.values(schemas)), name in required))
            elif name in required:
                raise Impossible(f"the schema requires {name!r}, which it also excludes")
        needed = sum(must for _, must in pairs)
        if least > len(pairs) or (most is not None and most < needed):
            raise Impossible("the schema's properties cannot be as few, or as many, as it asks for")
        if least > max(needed, 0) or (most is not None and most < len(pairs)):
            return sequence("{", self._counted(pairs, least, most), "}")
        return sequence("{", _listed_pairs(pairs), "}")

    def _map(self, parts: Parts, least: int, most: int | None) -> Node:
        """An object with names that the schema leaves free."""
        schemas = [part["additionalProperties"] for part in parts if "additionalProperties" in part]
        if False in schemas or most == 0:
            if least:
                raise Impossible("the schema asks for properties and allows none")
            return Literal("{}")
        if least > 1:
            raise ToolError(
                "the schema's keyword 'minProperties' is not supported above 1 where names are free",
                "name the properties, or leave it out",
            )
        names = self._names(parts)
        return _separated("{", sequence(names, ": ", self.values(schemas)), least, most, "}")

    def _names(self, parts: Parts) -> Node:
        schemas = [part["propertyNames"] for part in parts if "propertyNames" in part]
        if not schemas:
            return Text(ANY_TEXT, 1, None)
        options: list[Node] = []
        for way in alternatives([{"type": ["string"]}, *schemas], self._root):
            values = listed(way, self._root)
            options += [self._string(way)] if values is None else [Literal(written(value)) for value in values]
        if not options:
            raise Impossible("the schema's propertyNames accepts no name")
        return either(options)

    def _counted(self, pairs: list[tuple[Node, bool]], least: int, most: int | None) -> Node:
        """`pairs` of which `least` to `most` are written: one rule for each place and number written so far."""
        if len(pairs) > _MOST_COUNTED:
            raise ToolError(
                f"the schema's minProperties or maxProperties goes with more than {_MOST_COUNTED} properties",
                "leave it out",
            )
        most = len(pairs) if most is None else most
        after: dict[int, Node] = dict.fromkeys(range(least, most + 1), EMPTY)
        for index in range(len(pairs) - 1, -1, -1):
            pair, must = pairs[index]
            here: dict[int, Node] = {}
            for number in range(min(index, most) + 1):
                options = [after[number]] if not must and number in after else []
                if number + 1 in after:
                    options.append(sequence(*([", "] if number else []), pair, after[number + 1]))
                if options:
                    here[number] = Rule("properties", either(options))
            after = here
        return after[0]

    def _array(self, parts: Parts) -> Node:
        least, most = counts(parts, "minItems", "maxItems")
        first, further = items_of(parts)
        first_nodes: list[Node] = []
        for schemas in first[:most]:
            try:
                first_nodes.append(self.values(schemas))
            except Impossible:
                most = len(first_nodes)
                break
        if False in further:
            most = len(first) if most is None else min(most, len(first))
        if most is not None and least > most:
            raise Impossible(f"the schema asks for {least} items and allows {most}")
        if any(part.get("uniqueItems") for part in parts) and (most is None or most > 1):
            return self._distinct(first, further, least, most)
        if most is not None and len(first_nodes) >= most:
            rest: Node = EMPTY
        else:
            item = self.values(further)
            length = len(first_nodes)
            left = None if most is None else min(most - length, _MOST_ROUNDS)
            if not first_nodes:
                return _separated("[", item, least, left, "]")
            rest = Repeat(sequence(", ", item), max(least - length, 0), left)  # left: above 0, as there is room
        for index in range(len(first_nodes) - 1, -1, -1):
            rest = sequence(*([", "] if index else []), first_nodes[index], rest)
            rest = rest if index < least else optional(rest)
        return sequence("[", rest, "]")

    def _distinct(self, first: list[list[Any]], further: list[Any], least: int, most: int | None) -> Node:
        values = None if first else _finite(alternatives(further, self._root), self._root)
        if values is None or len(values) > _MOST_DISTINCT:
            raise ToolError(
                f"the schema's keyword 'uniqueItems' is supported where items are one of up to {_MOST_DISTINCT} values",
                "list the values of the items in an enum, or leave uniqueItems out",
            )
        most = len(values) if most is None else min(most, len(values))
        if least > most:
            raise Impossible(f"the schema asks for {least} different items and describes {len(values)}")
        return sequence("[", Distinct(tuple(written(value) for value in values), least, most), "]")


def _finite(ways: list[Parts], root: Any) -> list[Any] | None:
    """The values of a schema that has only a few, None where it has others."""
    found: list[Any] = []
    for parts in ways:
        values = listed(parts, root)
        if values is None:
            values = []
            for name in types_of(parts):
                if name not in ("boolean", "null"):
                    return None
                values += [None] if name == "null" else [True, False]
        found += values
    return list({identity(value): value for value in found}.values())


def _number(parts: Parts, *, whole: bool) -> Node:
    bounds, step = bounds_of(parts), step_of(parts)
    if step is not None:
        return multiples(step, bounds, whole=whole)
    return integers(bounds) if whole else decimals(bounds)


def _listed_pairs(pairs: list[tuple[Node, bool]]) -> Node:
    """`pairs` in order with commas between them, those that are not required left out or not."""
    options: list[Node] = []
    for index, (pair, must) in enumerate(pairs):
        rest = [
            sequence(", ", each) if needed else optional(sequence(", ", each)) for each, needed in pairs[index + 1 :]
        ]
        options.append(sequence(pair, *rest))
        if must:
            break
    else:
        options.append(EMPTY)
    return either(options)


def _separated(begin: str, item: Node, least: int, most: int | None, end: str) -> Node:
    """`least` to `most` of `item`, with ", " between them."""
    if most == 0:
        return Literal(begin + end)
    more = EMPTY if most == 1 else Repeat(sequence(", ", item), max(least - 1, 0), None if most is None else most - 1)
    inner: Node = sequence(item, more)
    return sequence(begin, inner if least else optional(inner), end)
