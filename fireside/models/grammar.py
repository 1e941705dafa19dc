"""Compiles a JSON schema to a GBNF grammar, so that a model can only write JSON that the schema accepts.

Supported keywords: type (object, array, string, integer, number, boolean, null), properties, required,
additionalProperties (false), items, minItems, maxItems, enum, const, anyOf, minLength, maxLength; title, description,
default, examples and format are notes that change nothing. Everything else is refused by name. Strings, arrays
and numbers are bounded, so that every output ends.

The JSON is written in one fixed way: properties in the schema's order, one space after `:` and `,`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fireside.errors import ToolError

_KEYWORDS: Mapping[str, frozenset[str]] = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "string": frozenset({"minLength", "maxLength"}),
}
_NOTES = {"title", "description", "default", "examples", "format", "$schema", "strict"}
_LONGEST_STRING = 400
_MOST_ITEMS = 16
# Characters of a JSON string (RFC 8259, section 7); an escaped lone surrogate would not be a character.
_BASE_RULES = r"""
char ::= [^"\\\x00-\x1f\x7f] | "\\" (["\\/bfnrt] | "u" ([0-9a-cA-CefEF] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2}))
integer ::= "-"? ("0" | [1-9] [0-9]{0,14})
number ::= integer ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?
boolean ::= "true" | "false"
null ::= "null"
"""


def literal(text: str) -> str:
    """A GBNF literal that matches exactly `text`."""
    escaped = (
        text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    )
    return f'"{escaped}"'


def one_of(texts: Sequence[str]) -> str:
    """A grammar that matches exactly one of `texts`."""
    return "root ::= " + " | ".join(literal(text) for text in texts)


def from_schema(schema: Mapping[str, Any]) -> str:
    """The grammar of JSON values that `schema` accepts. Raises ToolError naming a keyword that is not supported."""
    rules: list[str] = []
    root = _Compiler(rules).value(schema, "root-value")
    return f"root ::= {root}\n" + "\n".join(rules) + _BASE_RULES


class _Compiler:
    """Collects the rules of one schema; each method returns an expression that matches the values asked for."""

    def __init__(self, rules: list[str]) -> None:
        self._rules = rules

    def value(self, schema: Mapping[str, Any], name: str) -> str:
        """Any value; `name` is the prefix of the rules it needs."""
        if "const" in schema:
            return literal(_json(schema["const"]))
        if "enum" in schema:
            return self._choice([literal(_json(value)) for value in schema["enum"]], "enum")
        if "anyOf" in schema:
            _refuse_others(schema, {"anyOf"})
            return self._choice(
                [self.value(option, f"{name}-{index}") for index, option in enumerate(schema["anyOf"])], "anyOf"
            )
        kind = schema.get("type")
        if isinstance(kind, list):
            # A keyword bears on values of its own type alone.
            options = [self.value({**_without_others(schema, each), "type": each}, f"{name}-{each}") for each in kind]
            return self._choice(options, "type")
        if kind == "object":
            return self._object(schema, name)
        if kind == "array":
            return self._array(schema, name)
        if kind == "string":
            _refuse_others(schema, {"type", *_KEYWORDS["string"]})
            least, most = _bounds(schema, "minLength", "maxLength", _LONGEST_STRING)
            return f'"\\"" char{{{least},{most}}} "\\""'
        if kind in ("integer", "number", "boolean", "null"):
            _refuse_others(schema, {"type"})
            return str(kind)
        raise ToolError(f"the schema has the type {kind!r}, which is not supported", "use a JSON schema type")

    def _choice(self, options: list[str], keyword: str) -> str:
        if not options:
            raise ToolError(f"the schema's {keyword} is empty, so no value can match it")
        return "(" + " | ".join(options) + ")"

    def _object(self, schema: Mapping[str, Any], name: str) -> str:
        """Properties in order; those not required may be left out. One rule a property keeps commas right."""
        _refuse_others(schema, {"type", *_KEYWORDS["object"]})
        if schema.get("additionalProperties"):
            raise ToolError("the schema's additionalProperties is not supported", "name every property")
        properties: Mapping[str, Any] = schema.get("properties", {})
        required = set(schema.get("required", ()))
        if unknown := required - set(properties):
            raise ToolError(f"the schema requires {sorted(unknown)[0]!r} but does not describe it")
        following = '""'
        beginnings: list[str] = []
        for index, (key, subschema) in reversed(list(enumerate(properties.items()))):
            pair = f"{name}-pair-{index}"
            self._rules.append(f"{pair} ::= {literal(_json(key) + ': ')} {self.value(subschema, f'{name}-{index}')}")
            next_rule = f"{name}-next-{index}"
            with_comma = f'", " {pair}'
            self._rules.append(f"{next_rule} ::= {with_comma if key in required else f'({with_comma})?'} {following}")
            if key in required:
                beginnings = [f"{pair} {following}"]
            else:
                beginnings.insert(0, f"{pair} {following}")
            following = next_rule
        if not any(key in required for key in properties):
            beginnings.append('""')
        return '"{" (' + " | ".join(beginnings) + ') "}"'

    def _array(self, schema: Mapping[str, Any], name: str) -> str:
        _refuse_others(schema, {"type", *_KEYWORDS["array"]})
        least, most = _bounds(schema, "minItems", "maxItems", _MOST_ITEMS)
        if most == 0:
            return '"[]"'
        item = self.value(schema.get("items", {"type": "string"}), f"{name}-item")
        items = f'{item} (", " {item}){{{max(least - 1, 0)},{most - 1}}}'
        return f'"[" {items} "]"' if least else f'"[" ({items})? "]"'


def _bounds(schema: Mapping[str, Any], lower: str, upper: str, limit: int) -> tuple[int, int]:
    """The least and the most, the latter at most `limit` where the former allows it."""
    least = int(schema.get(lower, 0))
    most = min(int(schema.get(upper, limit)), max(limit, least))
    if most < least:
        raise ToolError(f"the schema's {upper} is below its {lower}, so no value can match it")
    return least, most


def _without_others(schema: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """The schema without the keywords that belong to other types than `kind`."""
    other = frozenset().union(*(words for each, words in _KEYWORDS.items() if each != kind))
    return {keyword: value for keyword, value in schema.items() if keyword not in other}


def _refuse_others(schema: Mapping[str, Any], known: set[str]) -> None:
    for keyword in schema:
        if keyword not in known and keyword not in _NOTES:
            raise ToolError(
                f"the schema's keyword {keyword!r} is not supported", "see docs/architecture.md for what is"
            )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
