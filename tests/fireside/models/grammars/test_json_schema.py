"""What is written under each keyword; the machine and llguidance agree on every text."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from fireside.models.grammars.json_schema import grammar_of_schema
from fireside.models.grammars.nodes import Node
from fireside.models.schema import standard

Accepts = Callable[[Node, str], bool]

KINDS = {"oneOf": [{"type": "object", "properties": {"kind": {"const": kind}}, "required": ["kind"]} for kind in "ab"]}
NODE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
            "required": ["next"],
        }
    },
    "$ref": "#/$defs/node",
}
OPTIONAL = {"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}, "c": {"type": "null"}}}

CASES: list[tuple[dict[str, Any], list[str], list[str]]] = [
    (
        {"type": "string"},
        ['""', '"é🔥 \\" \\\\ \\n"', '"/"'],
        ['"\n"', '"\\u0041"', '"\\/"', '"a', "a", '"\\x"', '"\x7f"'],
    ),
    ({"type": "string", "minLength": 2, "maxLength": 3}, ['"ab"', '"\\n\\""', '"🔥🔥🔥"'], ['"a"', '"abcd"', '"\\n"']),
    ({"type": "string", "pattern": "b+"}, ['"abc"', '"b"'], ['"a"', '""']),
    ({"type": "string", "pattern": "^\\w{2,}$", "maxLength": 3}, ['"ab"', '"abc"'], ['"a"', '"abcd"', '"a b"']),
    ({"type": "string", "format": "date"}, ['"2024-02-29"'], ['"2024-02-30"', '"today"']),
    ({"type": "string", "format": "regex"}, ['"("'], ["1"]),
    ({"type": "boolean"}, ["true", "false"], ["True", "null", "tru"]),
    ({"type": ["null", "integer"], "minimum": 3}, ["null", "3"], ["2", "None"]),
    ({"type": "integer", "multipleOf": 4, "exclusiveMaximum": 12}, ["8", "0", "-4"], ["12", "6"]),
    ({"enum": [1, "a b", [True], {"x": None}]}, ["1", '"a b"', "[true]", '{"x": null}'], ['"a"', "[true ]", "1.0"]),
    ({"const": 'say "hi"\n'}, ['"say \\"hi\\"\\n"'], ['"say"']),
    ({"type": "string", "enum": ["a", 5, None]}, ['"a"'], ["5", "null"]),
    (
        {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2},
        ["[1]", "[1, 2]"],
        ["[]", "[1,2]", "[1, 2, 3]"],
    ),
    (
        {"type": "array", "prefixItems": [{"const": 1}, {"const": 2}], "items": False},
        ["[]", "[1]", "[1, 2]"],
        ["[2]", "[1, 2, 3]"],
    ),
    (
        {"type": "array", "prefixItems": [{"const": 1}], "items": {"const": 2}, "minItems": 2},
        ["[1, 2]", "[1, 2, 2]"],
        ["[1]", "[1, 1]"],
    ),
    (
        {"type": "array", "items": {"enum": ["a", "b", 1]}, "uniqueItems": True, "minItems": 1},
        ['["b"]', '[1, "a", "b"]'],
        ["[]", '["a", "a"]', '["a", "b", "a"]'],
    ),
    (
        {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True, "maxItems": 1},
        ["[]", "[true]"],
        ["[true, false]"],
    ),
    (
        OPTIONAL,
        ["{}", '{"a": null}', '{"b": null, "c": null}'],
        ['{"c": null, "a": null}', '{"a": null,"b": null}', '{"d": null}'],
    ),
    (
        {**OPTIONAL, "required": ["b"]},
        ['{"b": null}', '{"a": null, "b": null}'],
        ["{}", '{"a": null}', '{"a": null, "c": null}'],
    ),
    (
        {**OPTIONAL, "minProperties": 2, "maxProperties": 2},
        ['{"a": null, "c": null}'],
        ['{"a": null}', '{"a": null, "b": null, "c": null}'],
    ),
    (
        {"type": "object", "required": ["x"], "additionalProperties": {"const": 1}},
        ['{"x": 1}'],
        ["{}", '{"x": 2}', '{"y": 1}'],
    ),
    (
        {"type": "object", "additionalProperties": {"type": "null"}},
        ["{}", '{"any name": null, "b": null}'],
        ['{"a": 1}', '{"": null}'],
    ),
    ({"type": "object", "additionalProperties": False}, ["{}"], ['{"a": 1}']),
    (
        {"type": "object", "propertyNames": {"pattern": "^k"}, "minProperties": 1, "maxProperties": 1},
        ['{"k1": []}'],
        ["{}", '{"x": 1}'],
    ),
    ({"type": "object"}, ["{}", '{"a": [1, {"b": "c"}]}'], ["[]"]),
    ({"anyOf": [{"type": "integer"}, {"type": "string"}], "maximum": 5, "maxLength": 1}, ["5", '"a"'], ["6", '"ab"']),
    (KINDS, ['{"kind": "a"}', '{"kind": "b"}'], ['{"kind": "c"}', "{}"]),
    (
        {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
        ['{"a": 1}', '{"b": 1}'],
        ['{"a": 1, "b": 1}', "{}"],
    ),
    ({"allOf": [{"type": "number", "minimum": 3}, {"type": "integer"}, {"maximum": 4}]}, ["3", "4"], ["2", "3.5", "5"]),
    (NODE, ['{"next": null}', '{"next": {"next": null}}'], ["{}", '{"next": {}}']),
    (
        {"type": "object", "properties": {"deeper": {"$ref": "#"}}},
        ["{}", '{"deeper": {"deeper": {}}}'],
        ['{"deeper": 1}'],
    ),
    ({"definitions": {"a/b~c": {"const": 1}}, "$ref": "#/definitions/a~1b~0c"}, ["1"], ["2"]),
    (
        {
            "type": "dict",
            "properties": {"a": {"type": "float"}, "b": {"type": "tuple", "items": {"type": "any"}}},
            "required": ["a", "b"],
        },
        ['{"a": 1.5, "b": [1, "x"]}'],
        ['{"a": "x", "b": []}'],
    ),
    ({"title": "T", "default": 1, "x-order": 2, "type": "null", "nullable": True, "$schema": "s"}, ["null"], ["1"]),
    ({"minimum": 3}, ["3", "3.5"], ["2", '"a"']),
    ({}, ["1", '"a"', "[{}]", "null"], ["", "nul"]),
]


@pytest.mark.parametrize(("schema", "good", "bad"), CASES, ids=lambda value: json.dumps(value)[:60])
def test_what_is_written(schema: dict[str, Any], good: list[str], bad: list[str], accepts: Accepts) -> None:
    root = grammar_of_schema(schema)
    for text in good:
        assert accepts(root, text)
        jsonschema.validate(json.loads(text), standard(schema), cls=jsonschema.Draft202012Validator)
    for text in bad:
        assert not accepts(root, text), text


def test_a_schema_is_written_once_however_often_it_is_referred_to() -> None:
    """Otherwise this would take two to the power of thirty."""
    definitions: dict[str, Any] = {"d0": {"type": "null"}}
    for number in range(30):
        each = {"$ref": f"#/$defs/d{number}"}
        definitions[f"d{number + 1}"] = {"type": "object", "properties": {"a": each, "b": each}}
    assert grammar_of_schema({"$defs": definitions, "$ref": "#/$defs/d30"})
