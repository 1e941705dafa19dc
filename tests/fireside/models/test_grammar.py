from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from agents.tools import tool_from_function
from fireside.errors import ToolError
from fireside.models import grammar


@pytest.mark.parametrize(
    ("schema", "keyword"),
    [
        ({"type": "string", "pattern": "a+"}, "pattern"),
        ({"type": "integer", "minimum": 3}, "minimum"),
        ({"type": "object", "patternProperties": {}}, "patternProperties"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "null", "not": {}}}}}, "not"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "additionalProperties"),
        ({"anyOf": [{"type": "null"}], "oneOf": []}, "oneOf"),
    ],
)  # fmt: skip
def test_a_keyword_that_is_not_supported_is_named(schema: dict[str, Any], keyword: str) -> None:
    with pytest.raises(ToolError, match=keyword):
        grammar.from_schema(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/a"},
        {"type": "tuple"},
        {},
        {"enum": []},
        {"anyOf": []},
        {"type": "array", "minItems": 3, "maxItems": 2},
        {"type": "string", "minLength": 3, "maxLength": 2},
        {"type": "object", "required": ["a"]},
    ],
)
def test_a_schema_that_nothing_can_match_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ToolError):
        grammar.from_schema(schema)


def test_notes_and_keywords_of_other_types_change_nothing() -> None:
    plain = grammar.from_schema({"type": "string"})
    assert grammar.from_schema({"type": "string", "title": "T", "description": "d", "format": "date"}) == plain
    assert grammar.from_schema({"type": ["string", "null"], "maxLength": 5})


def test_a_literal_with_quotes_newlines_and_backslashes() -> None:
    assert grammar.literal('a"b\\c\nd\re\tf') == '"a\\"b\\\\c\\nd\\re\\tf"'
    assert grammar.one_of(["a", "b"]) == 'root ::= "a" | "b"'


def test_schemas_of_python_functions_compile() -> None:
    def book(
        title: str,
        count: int = 1,
        kind: Literal["room", "boat"] = "room",
        days: list[str] | None = None,
        late: bool = False,
    ) -> str:
        """Book something."""
        return title

    def limited(text: Annotated[str, Field(max_length=3)]) -> str:
        """Take a short text."""
        return text

    rules = grammar.from_schema(tool_from_function(book).parameters)
    assert '\\"title\\": ' in rules
    assert '\\"room\\"' in rules
    assert "char{0,3}" in grammar.from_schema(tool_from_function(limited).parameters)


def test_every_rule_that_is_used_is_defined_once() -> None:
    inner = {
        "type": "object",
        "properties": {"x": {"type": "integer"}, "y": {"type": "array", "items": {"type": "number"}}},
    }
    rules = grammar.from_schema(
        {
            "type": "object",
            "properties": {"a": inner, "b": {"anyOf": [inner, {"type": "null"}]}, "c": inner},
            "required": ["b"],
        }
    )
    defined = [line.split(" ::= ")[0] for line in rules.splitlines() if " ::= " in line]
    assert len(defined) == len(set(defined))
