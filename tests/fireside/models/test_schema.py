from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from fireside.errors import ToolError
from fireside.models.schema import check_schema, shortest, standard


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"not": {}}, "keyword 'not'"),
        ({"type": "object", "patternProperties": {}}, "keyword 'patternProperties'"),
        ({"type": "array", "items": {"if": {}, "then": {}}}, "keyword 'if'"),
        ({"type": "object", "properties": {"a": {"anyOf": [{"type": "null", "contains": {}}]}}}, "keyword 'contains'"),
        ({"$defs": {"unused": {"dependentRequired": {}}}, "type": "null"}, "keyword 'dependentRequired'"),
        ({"type": "array", "items": {"type": "string"}, "uniqueItems": True}, "keyword 'uniqueItems'"),
        ({"type": "object", "minProperties": 2}, "keyword 'minProperties'"),
        ({"type": "object", "properties": {"a": {"$id": "x"}}}, "keyword '\\$id below the top'"),
        ({"type": "string", "pattern": "(?=a)"}, "pattern '\\(\\?=a\\)' holds"),
        ({"type": "number", "multipleOf": 0.01}, "multipleOf 0.01"),
        ({"oneOf": [{"type": "number"}, {"type": "integer"}]}, "options 1 and 2 of the schema's oneOf"),
        ({"oneOf": [{"minimum": 3}, {"type": "string"}]}, "oneOf may accept the same value"),
        ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, "oneOf may accept the same value"),
        ({"oneOf": [{"enum": [1, 2]}, {"type": "integer", "maximum": 1}]}, "oneOf may accept the same value"),
        ({"$ref": "https://example.org/schema"}, "leads out of the schema"),
        ({"$ref": "#/$defs/missing"}, "leads nowhere"),
        ({"type": "tuple2"}, "type 'tuple2'"),
        ({"type": "strng"}, "type 'strng'"),
    ],
)
def test_what_is_not_supported_is_named(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolError, match=message):
        check_schema(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "minItems": 3, "maxItems": 2},
        {"type": "string", "minLength": 3, "maxLength": 2},
        {"type": "string", "pattern": "^a{5}$", "maxLength": 3},
        {"type": "string", "format": "date", "minLength": 12},
        {"type": "number", "minimum": 3, "exclusiveMaximum": 3},
        {"type": "integer", "minimum": 0.2, "maximum": 0.8},
        {"type": "integer", "multipleOf": 7, "minimum": 1, "maximum": 6},
        {"allOf": [{"type": "string"}, {"type": "null"}]},
        {"allOf": [{"enum": [1, 2]}, {"enum": [3]}]},
        {"enum": ["a"], "type": "integer"},
        {"type": "object", "required": ["a"], "additionalProperties": False},
        {"type": "object", "properties": {"a": {}}, "minProperties": 2},
        {"type": "object", "properties": {"a": False}, "required": ["a"]},
        {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]},
        {"type": "array", "items": {"enum": [1, 2]}, "uniqueItems": True, "minItems": 3},
        {"type": "array", "items": False, "minItems": 1},
        {"$ref": "#"},
    ],
)
def test_a_schema_that_nothing_can_match_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ToolError):
        check_schema(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": []},
        {"properties": {"a": 3}},
        {"type": 7},
        {"type": []},
        {"enum": "ab"},
        {"enum": []},
        {"anyOf": []},
        {"minLength": -1},
        {"maxItems": 2.5},
        {"minimum": "3"},
        {"maximum": True},
        {"multipleOf": 0},
        {"required": "a"},
        {"required": [1]},
        {"pattern": 3},
        {"$ref": 3},
        {"items": [{"type": "null"}]},
        {"uniqueItems": 1},
        {"const": {1, 2}},
        {"minimum": float("nan")},
        {"exclusiveMinimum": True},
    ],
)
def test_what_is_no_schema_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ToolError):
        check_schema(schema)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"enum": ["long", {"b": 1}, 7]}, 7),
        ({"type": "integer", "minimum": 12}, 12),
        ({"anyOf": [{"$ref": "#"}, {"type": "boolean"}, {"type": "array", "minItems": 2}]}, True),
        ({"type": "object", "properties": {"b": {}, "c": {"const": "x"}}, "required": ["c"]}, {"c": "x"}),
    ],
)
def test_the_shortest_value_leaves_out_what_it_can(schema: dict[str, Any], value: Any) -> None:
    assert shortest({"type": "object", "properties": {"a": schema, "z": {}}, "required": ["a"]}) == {"a": value}


def test_schemas_too_deep_or_too_large_are_refused_not_followed() -> None:
    deep: dict[str, Any] = {"type": "null"}
    for _ in range(500):
        deep = {"type": "array", "items": deep}
    many = {"allOf": [{"anyOf": [{"minLength": number}, {"maxLength": number}]} for number in range(20)]}
    for schema in (deep, many):
        with pytest.raises(ToolError):
            check_schema(schema)


def test_impossible_options_are_left_out_where_others_are_left() -> None:
    check_schema({"anyOf": [{"type": "string"}, {"type": "integer"}], "type": "integer", "minimum": 3})
    check_schema({"type": "object", "properties": {"a": {"type": "null"}, "b": {"anyOf": [False, {"const": 1}]}}})
    check_schema({"type": "array", "items": {"$ref": "#"}})


def test_schemas_of_pydantic_models() -> None:
    class Point(BaseModel):
        x: float = Field(ge=0, lt=10)
        label: Annotated[str, Field(max_length=5, pattern="^[a-z]+$")] = "a"

    class Shape(BaseModel):
        """A shape."""

        kind: Literal["line", "polygon"]
        points: list[Point] = Field(min_length=2)
        centre: Point | None = None
        inner: list[Shape] = []
        tags: dict[str, int] = {}
        pair: tuple[int, str] = (1, "")

    check_schema(Shape.model_json_schema())


def test_the_leaderboards_types_in_standard_names() -> None:
    schema = {
        "type": "dict",
        "properties": {"a": {"type": "float"}, "b": {"type": "any"}, "c": {"type": "tuple"}},
        "title": "T",
    }
    assert standard(schema) == {
        "type": ["object"],
        "properties": {"a": {"type": ["number"]}, "b": {}, "c": {"type": ["array"]}},
    }
