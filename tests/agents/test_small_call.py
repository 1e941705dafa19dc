"""What a small model's arguments are held to: the message's numbers, lists, pieces, and the parameters it speaks of."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from agents.copying import lists_in, names_in, numbers_in, pieces_of
from agents.small_call import held_schema, prompt_and_schema
from agents.tool_files import tool_of_schema
from agents.tools import Tool, tool_from_function
from fireside.models.schema import standard


@pytest.mark.parametrize(
    ("message", "numbers"),
    [
        ("a base of 10 units and 5.5", [10, 5.5]),
        ("$2,500.75 and 1e-9", [2500.75, 1e-9]),
        ("213 million people, 8.5 thousand", [213_000_000, 8500]),
        ("-3 and twelve", [-3, 12]),
        ("DNA123 weighs 70kg", [70]),
        ("none", []),
    ],
)
def test_numbers(message: str, numbers: list[float]) -> None:
    assert numbers_in(message) == numbers


def test_lists() -> None:
    assert lists_in("the mean of 3, 8 and 15 against [1, 2]") == [[3, 8, 15], [1, 2]]
    assert lists_in("base 4 and height 5") == []


def test_pieces_are_what_is_quoted_and_runs_of_words() -> None:
    pieces = pieces_of("Find the song 'Let it be' in New York.")
    assert pieces[0] == "Let it be"
    assert {"New York", "song", "Find"} <= set(pieces)
    assert not {"the song", "in", "New York."} & set(pieces)


def test_names() -> None:
    assert names_in("Ask Maria about 'the fire' in todo.txt") == 3
    assert names_in("What is this?") == 0


def tool(**properties: Any) -> Tool:
    required = [name for name, each in properties.items() if not each.pop("optional", False)]
    return tool_of_schema(
        {"name": "f", "description": "", "parameters": {"type": "dict", "properties": properties, "required": required}}
    )


def held(message: str, **properties: Any) -> dict[str, Any]:
    schema = held_schema(message, tool(**properties))
    return {name: each.get("enum") for name, each in schema["properties"].items()}


def test_each_number_is_used_once_where_there_are_enough() -> None:
    two = {"base": {"type": "integer"}, "height": {"type": "float"}}
    schema = held_schema("base 4 and height 5.5", tool(**two))
    (order,) = schema["anyOf"]
    assert order["properties"] == {"base": {"const": 4}, "height": {"const": 5.5}}
    assert "anyOf" not in held_schema("a square of 4", tool(**two))
    assert held("no number here", **two) == {"base": None, "height": None}


def test_optional_parameters_are_there_where_the_message_speaks_of_them() -> None:
    days = {"type": "integer", "optional": True}
    unit = {"type": "string", "enum": ["celsius", "fahrenheit"], "optional": True}
    city = {"type": "string"}
    assert list(held("weather in Oslo", city=city, days=days, unit=unit)) == ["city"]
    assert list(held("weather in Oslo, 3 days", city=dict(city), days=days | {"optional": True})) == ["city", "days"]
    assert list(held("Oslo in celsius", city=dict(city), unit=unit | {"optional": True})) == ["city", "unit"]


def test_a_switch_is_on_where_it_is_spoken_of() -> None:
    tolls = {"type": "boolean", "optional": True}
    assert held("with tolls", tolls=dict(tolls)) == {"tolls": [True]}
    assert held("without tolls", tolls=dict(tolls)) == {"tolls": [False]}


def test_lists_of_numbers_are_the_messages() -> None:
    schema = held_schema("mean of 3, 8", tool(numbers={"type": "array", "items": {"type": "float"}}))
    assert schema["properties"]["numbers"]["enum"] == [[3.0, 8.0]]


def test_own_constraints_are_kept() -> None:
    assert held("at 5", n={"type": "integer", "minimum": 9}, d={"type": "string", "pattern": "x"}) == {
        "n": None,
        "d": None,
    }


def test_what_is_not_copied_in_an_example_is_not_held() -> None:
    def calculate(expression: str, of: str) -> str:
        """Calculate.

        Examples:
            half of ten -> {"expression": "10 / 2", "of": "ten"}
        """
        return ""

    properties = held_schema("twice nine", tool_from_function(calculate))["properties"]
    assert "enum" not in properties["expression"]
    assert "nine" in properties["of"]["enum"]


def test_the_prompt_shows_the_parameters_to_fill_in_and_ends_with_the_message() -> None:
    prompt, schema = prompt_and_schema(
        "Oslo?" + " " * 5000 + "Bergen?", tool(city={"type": "string", "description": "The city"}, n={"optional": True})
    )
    *_, last = prompt.split("Function: ")
    assert last.startswith("f\n- city (string): The city\nRequest: ")
    assert last.endswith(" Bergen?\nArguments:\n")
    assert len(last) < 4200
    assert list(schema["properties"]) == ["city"]


_PARTS = st.sampled_from(
    ["4", "5.5", "3, 8 and 9", "Oslo", "'a b'", "city", "days", "without", "2x^2", "and", "50%", "."]
)
_SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"type": "integer"},
        {"type": "float", "optional": True},
        {"type": "string"},
        {"type": "boolean", "optional": True},
        {"type": "array", "items": {"type": "float"}},
        {"type": "array", "items": {"type": "string"}},
        {"type": "dict", "properties": {"city": {"type": "string"}, "n": {"type": "integer"}}},
        {"type": "any"},
    ]
)


@given(
    st.lists(_PARTS, max_size=12).map(" ".join),
    st.dictionaries(st.sampled_from(["city", "days", "a", "b", "c"]), _SCHEMAS, max_size=5),
)
def test_what_the_held_schema_names_fits_the_tools_own(message: str, properties: dict[str, Any]) -> None:
    made = tool(**{name: dict(each) for name, each in properties.items()})
    schema = held_schema(message, made)
    assert set(made.parameters["required"]) <= set(schema.get("required", ()))
    for name, each in schema["properties"].items():
        own = Draft202012Validator(standard(made.parameters["properties"][name]))
        assert all(own.is_valid(value) for value in each.get("enum", ()))
        items = each.get("items", {})
        assert all(own.is_valid([value]) for value in items.get("enum", ()))
    for order in schema.get("anyOf", ()):
        given_numbers = Counter(each["const"] for each in order["properties"].values())
        said = Counter(float(number) for number in re.findall(r"\d+(?:\.\d+)?", message))
        assert all(count <= said[float(number)] for number, count in given_numbers.items())
