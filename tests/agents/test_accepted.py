"""The leaderboard's comparison of calls with accepted values, rule by rule, and on values made from schemas."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.accepted import problem_with_calls
from fireside.models.types import ToolCall


def problem(kind: Any, value: Any, accepted: list[Any], **schema: Any) -> str:
    function = {
        "name": "f.g",
        "parameters": {"type": "dict", "properties": {"x": {"type": kind, **schema}}, "required": ["x"]},
    }
    return problem_with_calls([ToolCall("f.g", {"x": value})], [{"f.g": {"x": accepted}}], [function])


NUMBERS = {"items": {"type": "float"}}
DICTS = {"items": {"type": "dict"}}


@pytest.mark.parametrize(
    ("kind", "value", "accepted", "schema"),
    [
        ("string", "New York, N.Y.", ["new york ny"], {}),
        ("string", "it's", ['it"s'], {}),
        ("string", "3x^2 + 2*x", ["3x**2+2x"], {}),
        ("integer", 5, [4, 5], {}),
        ("float", 5, [5.0], {}),
        ("float", 5.0, [5], {}),
        ("number", 5, [5.0], {}),
        (["number", "null"], 5, [5.0], {}),
        ("boolean", True, [True], {}),
        ("integer", "n", ["n"], {}),
        ("any", "n", ["N"], {}),
        ("any", 5, [5], {}),
        ("array", [1.0, 2.0], [[1.0, 2.0]], NUMBERS),
        ("array", [1, 2], [[1, 2]], NUMBERS),
        ("array", ["a b"], [["A,B"]], {"items": {"type": "string"}}),
        ("tuple", [1, 2], [[1, 2]], {"items": {"type": "integer"}}),
        ("array", [[1, 2]], [[[1, 2]]], {"items": {"type": "array"}}),
        ("dict", {"a": "X Y"}, [{"a": ["xy"], "b": ["", 1]}], {}),
        ("dict", {"a": 1, "b": 1}, ["", {"a": [1], "b": ["", 1]}], {}),
        ("array", [{"a": 1}], [[{"a": [1, 2]}]], DICTS),
        (None, {"a": 1}, [{"a": 1}], {}),
    ],
)
def test_right(kind: Any, value: Any, accepted: list[Any], schema: Any) -> None:
    assert problem(kind, value, accepted, **schema) == ""


@pytest.mark.parametrize(
    ("kind", "value", "accepted", "schema"),
    [
        ("string", "Boston", ["New York"], {}),
        ("string", 5, ["5"], {}),
        ("integer", 5.0, [5], {}),
        ("integer", True, [1], {}),
        ("float", "5", [5.0], {}),
        ("boolean", 1, [True], {}),
        ("array", [1, 2], [[1.0, 2.0]], NUMBERS),
        ("array", [2.0, 1.0], [[1.0, 2.0]], NUMBERS),
        ("array", "ab", [["a", "b"]], {"items": {"type": "string"}}),
        ("dict", {"a": 1, "c": 2}, [{"a": [1]}], {}),
        ("dict", {}, [{"a": [1]}], {}),
        ("array", [{"a": 1}], [[{"a": [1]}, {"a": [1]}]], DICTS),
        ("array", [{"a": 3}], [[{"a": [1, 2]}]], DICTS),
    ],
)
def test_wrong(kind: Any, value: Any, accepted: list[Any], schema: Any) -> None:
    assert problem(kind, value, accepted, **schema).startswith("x: ")


FUNCTIONS = [
    {
        "name": name,
        "parameters": {
            "type": "dict",
            "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
            "required": ["a"],
        },
    }
    for name in ("one", "two")
]


def call(name: str, **arguments: Any) -> ToolCall:
    return ToolCall(name, arguments)


def test_optional_arguments_and_names() -> None:
    accepted: list[Any] = [{"one": {"a": [1], "b": ["x", ""]}}]
    assert problem_with_calls([call("one", a=1)], accepted, FUNCTIONS) == ""
    assert problem_with_calls([call("one", a=1, b="x")], accepted, FUNCTIONS) == ""
    assert "is none of" in problem_with_calls([call("one", a=1, b="y")], accepted, FUNCTIONS)
    assert "c is not expected" in problem_with_calls([call("one", a=1, c=1)], accepted, FUNCTIONS)
    assert "a is required" in problem_with_calls([call("one", b="x")], accepted, FUNCTIONS)
    assert "b is missing" in problem_with_calls([call("one", a=1)], [{"one": {"a": [1], "b": ["x"]}}], FUNCTIONS)
    assert "instead of one" in problem_with_calls([call("two", a=1)], accepted, FUNCTIONS)
    assert "0 calls where 1" in problem_with_calls([], accepted, FUNCTIONS)


def test_several_calls_in_any_order_each_once() -> None:
    accepted = [{"one": {"a": [1]}}, {"one": {"a": [2]}}, {"two": {"a": [1]}}]
    calls = [call("two", a=1), call("one", a=2), call("one", a=1)]
    assert problem_with_calls(calls, accepted, FUNCTIONS) == ""
    assert problem_with_calls([calls[0], calls[1], calls[1]], accepted, FUNCTIONS) != ""
    assert "2 calls where 3" in problem_with_calls(calls[:2], accepted, FUNCTIONS)


def test_where_no_tool_applies_nothing_may_be_called() -> None:
    assert problem_with_calls([], [], FUNCTIONS) == ""
    assert "no tool applies" in problem_with_calls([call("one", a=1)], [], FUNCTIONS)


_TEXTS = st.text("abc XYZ,./-_*^'\"1", max_size=8)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": _TEXTS,
    "integer": st.integers(-9, 9),
    "float": st.floats(-9, 9),
    "boolean": st.booleans(),
}


@st.composite
def made(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any], dict[str, list[Any]]]:
    """Parameters, arguments that fit them, and accepted values that hold these."""
    properties: dict[str, Any] = {}
    arguments: dict[str, Any] = {}
    accepted: dict[str, list[Any]] = {}
    for name in draw(st.lists(st.sampled_from("abcdef"), unique=True, min_size=1)):
        kind = draw(st.sampled_from(list(_VALUES)))
        form = draw(st.sampled_from(["plain", "array", "dict"]))
        value = draw(_VALUES[kind])
        other = draw(_VALUES[kind])
        others: list[Any]
        if form == "array":
            properties[name] = {"type": "array", "items": {"type": kind}}
            value, others = draw(st.lists(_VALUES[kind], min_size=1, max_size=3)), [[other]]
        elif form == "dict":
            properties[name] = {"type": "dict"}
            others, value = [{"k": [other]}], {"k": value}
        else:
            properties[name], others = {"type": kind}, [other]
        shown = {"k": [value["k"]]} if form == "dict" else value
        accepted[name] = draw(st.permutations([shown, *others]))
        if draw(st.booleans()):
            arguments[name] = value
        else:
            accepted[name] = [*accepted[name], ""]
    return {"type": "dict", "properties": properties}, arguments, accepted


@given(made())
def test_values_among_the_accepted_are_right_and_others_are_not(
    case: tuple[dict[str, Any], dict[str, Any], dict[str, list[Any]]],
) -> None:
    parameters, arguments, accepted = case
    function = {"name": "f", "parameters": parameters}
    # As the model's reply is read, from JSON.
    read = json.loads(json.dumps(arguments))
    # The leaderboard tells the type by the first accepted value that is not "": a text may be just that.
    if all(value != "" for values in accepted.values() for value in values[:-1]):
        assert problem_with_calls([ToolCall("f", read)], [{"f": accepted}], [function]) == ""
    extra = {"f": {name: values for name, values in accepted.items() if name not in arguments} | {"z": [1]}}
    assert problem_with_calls([ToolCall("f", read)], [extra], [function]) != ""
