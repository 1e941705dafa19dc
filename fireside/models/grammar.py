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
            options = [self.value({**schema, "type": each}, f"{name}-{each}") for each in kind]
            return self._choice(options, "type")
        if kind == "object":
            return self._object(schema, name)
        if kind == "array":
            return self._array(schema, name)
        if kind == "string":
            _refuse_others(schema, {"type", "minLength", "maxLength"})
            least = int(schema.get("minLength", 0))
            most = min(int(schema.get("maxLength", _LONGEST_STRING)), max(_LONGEST_STRING, least))
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
        _refuse_others(schema, {"type", "properties", "required", "additionalProperties"})
        if schema.get("additionalProperties"):
            raise ToolError("the schema's additionalProperties is not supported", "name every property")
        properties: Mapping[str, Any] = schema.get("properties", {})
        required = set(schema.get("required", ()))
        if unknown := required - set(properties):
            raise ToolError(f"the schema requires {sorted(unknown)[0]!r} but does not describe it")
        following = '""'
        beginnings: list[str] = []
        for index, (key, subschema) in reversed(list(enumerate(properties.items()))):
            pair = f"{literal(_json(key) + ': ')} {self.value(subschema, f'{name}-{index}')}"
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
        _refuse_others(schema, {"type", "items", "minItems", "maxItems"})
        least = int(schema.get("minItems", 0))
        most = min(int(schema.get("maxItems", _MOST_ITEMS)), max(_MOST_ITEMS, least))
        if most < least:
            raise ToolError("the schema's maxItems is below its minItems, so no value can match it")
        if most == 0:
            return '"[]"'
        item = self.value(schema.get("items", {"type": "string"}), f"{name}-item")
        items = f'{item} (", " {item}){{{max(least - 1, 0)},{most - 1}}}'
        return f'"[" {items} "]"' if least else f'"[" ({items})? "]"'


def _refuse_others(schema: Mapping[str, Any], known: set[str]) -> None:
    for keyword in schema:
        if keyword not in known and keyword not in _NOTES:
            raise ToolError(
                f"the schema's keyword {keyword!r} is not supported", "see docs/architecture.md for what is"
            )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
