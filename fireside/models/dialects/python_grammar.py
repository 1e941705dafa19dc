"""Writes the grammar (GBNF) of Python-like calls, `[name(argument=value), ...]`, as the tools' schemas want them.

Types, enum, const, anyOf, properties, required and items are followed; what else a schema says of a value is left to
the check of the arguments. Texts and lists are bounded, so that every call ends.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fireside.models.types import ToolSpec

_LONGEST_TEXT = 400
_MOST_ITEMS = 16
_DEEPEST = 4
_VALUES = rf"""
text ::= "\"" character{{0,{_LONGEST_TEXT}}} "\""
character ::= [^"\\\x00-\x1f\x7f] | "\\" ["\\nt]
integer ::= "-"? ("0" | [1-9] [0-9]{{0,14}})
number ::= integer ("." [0-9]{{1,15}})?
boolean ::= "True" | "False"
null ::= "None"
"""


def call_grammar(tools: Sequence[ToolSpec], most: int = 1) -> str:
    """A grammar of a list of calls of `tools`, at least one and at most `most`."""
    rules: list[str] = []
    calls = []
    for index, tool in enumerate(tools):
        arguments = _members(rules, tool.parameters, f"tool-{index}", "=", 0)
        calls.append(f"{_literal(tool.name + '(')} {arguments} {_literal(')')}")
    more = f' (", " call){{0,{most - 1}}}' if most > 1 else ""
    root = f'root ::= "[" call{more} "]"\ncall ::= {" | ".join(calls)}\n'
    return root + "\n".join(rules) + _VALUES


def _value(rules: list[str], schema: Any, name: str, depth: int) -> str:
    """An expression for the literals that `schema` accepts; `name` begins the names of the rules it needs."""
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return _SCALAR
    if "const" in schema:
        return _literal(python_literal(schema["const"]))
    if schema.get("enum"):
        return "(" + " | ".join(_literal(python_literal(each)) for each in schema["enum"]) + ")"
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        chosen = [_value(rules, each, f"{name}-{index}", depth + 1) for index, each in enumerate(options)]
        return "(" + " | ".join(chosen) + ")"
    kind = schema.get("type")
    if isinstance(kind, list) and kind:
        return "(" + " | ".join(_value(rules, {**schema, "type": each}, f"{name}-{each}", depth) for each in kind) + ")"
    if kind == "object":
        return f'"{{" {_members(rules, schema, name, ": ", depth + 1)} "}}"'
    if kind == "array":
        item = _value(rules, schema.get("items"), f"{name}-item", depth + 1)
        rules.append(f"{name}-item ::= {item}")
        return f'"[" ({name}-item (", " {name}-item){{0,{_MOST_ITEMS - 1}}})? "]"'
    named = {"string": "text", "integer": "integer", "number": "number", "boolean": "boolean", "null": "null"}
    return named.get(str(kind), _SCALAR)


_SCALAR = "(text | number | boolean | null)"


def _members(rules: list[str], schema: Mapping[str, Any], name: str, equals: str, depth: int) -> str:
    """Arguments of a call, or entries of a dict, in the schema's order; those not required may be left out."""
    properties: Mapping[str, Any] = schema.get("properties") or {}
    required = set(schema.get("required") or ())
    following = '""'
    beginnings = [] if required & set(properties) else ['""']
    for index, (key, subschema) in reversed(list(enumerate(properties.items()))):
        pair, after = f"{name}-pair-{index}", f"{name}-after-{index}"
        label = key if equals == "=" else python_literal(key)
        rules.append(f"{pair} ::= {_literal(label + equals)} {_value(rules, subschema, f'{name}-{index}', depth)}")
        joined = f'", " {pair}'
        rules.append(f"{after} ::= {joined if key in required else f'({joined})?'} {following}")
        beginnings = [f"{pair} {following}", *([] if key in required else beginnings)]
        following = after
    return "(" + " | ".join(beginnings) + ")"


def python_call(name: str, arguments: Mapping[str, Any]) -> str:
    """`[name(argument=value, ...)]`."""
    return f"[{name}({', '.join(f'{key}={python_literal(value)}' for key, value in arguments.items())})]"


def python_literal(value: Any) -> str:
    """A JSON value as Python writes it, texts in double quotes."""
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(python_literal, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{python_literal(key)}: {python_literal(each)}" for key, each in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def _literal(text: str) -> str:
    """A GBNF literal of exactly `text`."""
    for plain, written in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(plain, written)
    return f'"{text}"'
