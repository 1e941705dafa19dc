from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from agents.tools import Tool, run_tool, tool_from_function
from fireside.errors import DocumentError, ToolError


def weather(city: str, days: int = 1, unit: Literal["C", "F"] = "C", title: str | None = None) -> str:
    """Tell the weather.
    In a few words.

    More that the model is not told.

    Args:
        city: where it is, e.g. Oslo
        days: how many

    Examples:
        weather in Oslo -> {"city": "Oslo"}
        from here -> there for two days -> {"city": "there", "days": 2}
    """
    return f"{city} {days} {unit} {title}"


def test_the_signature_becomes_the_schema_and_the_docstring_the_words() -> None:
    tool = tool_from_function(weather)
    assert (tool.name, tool.description) == ("weather", "Tell the weather. In a few words.")
    assert tool.parameters == {
        "type": "object",
        "additionalProperties": False,
        "required": ["city"],
        "properties": {
            "city": {"type": "string", "description": "where it is, e.g. Oslo"},
            "days": {"type": "integer", "default": 1, "description": "how many"},
            "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
            "title": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        },
    }
    assert tool.examples == (
        ("weather in Oslo", {"city": "Oslo"}),
        ("from here -> there for two days", {"city": "there", "days": 2}),
    )


def test_awkward_parameter_names_are_fine() -> None:
    def odd(copy: str, schema: str, model_config: str, _hidden: int = 1) -> str:
        """Take odd names."""
        return f"{copy} {schema} {model_config} {_hidden}"

    tool = tool_from_function(odd)
    assert list(tool.parameters["properties"]) == ["copy", "schema", "model_config", "_hidden"]
    arguments = {"copy": "a", "schema": "b", "model_config": "c"}
    assert tool.run(**tool.validate(arguments)) == "a b c 1"


def no_docstring(x: int) -> str:
    return ""


def no_hint(x) -> str:  # type: ignore[no-untyped-def]
    """Do something."""
    return ""


def unknown_hint(x: Nowhere) -> str:  # type: ignore[name-defined]  # noqa: F821
    """Do something."""
    return ""


def many(*words: str) -> str:
    """Do something."""
    return ""


def bad_example() -> str:
    """Do something.

    Examples:
        do it -> {not json}
    """
    return ""


@pytest.mark.parametrize("function", [no_docstring, no_hint, unknown_hint, many, bad_example])
def test_a_function_that_cannot_be_a_tool_is_refused_by_name(function: Any) -> None:
    with pytest.raises(ToolError, match=function.__name__):
        tool_from_function(function)


def test_a_schema_that_no_model_could_be_held_to_is_refused_at_once() -> None:
    good = tool_from_function(weather)
    parameters = {**good.parameters, "patternProperties": {"^x": {"type": "string"}}, "not": {"required": ["x"]}}
    with pytest.raises(ToolError, match="the tool weather cannot be used: "):
        Tool("weather", "Tell.", parameters, (), good.run, good.validate)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "weather: city: Field required"),
        ({"city": 3}, "weather: city: "),
        ({"city": "Oslo", "days": "many"}, "weather: days: "),
        ({"city": "Oslo", "unit": "K"}, "weather: unit: "),
        ({"city": "Oslo", "town": "x"}, "weather: town: "),
        ({"city": "Oslo", "\x1b[31m" + "x" * 999: "x"}, "weather: x"),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ToolError) as caught:
        tool_from_function(weather).validate(arguments)
    assert caught.value.message.startswith(said)
    assert len(caught.value.message) <= 500


async def test_a_tool_runs_with_validated_arguments() -> None:
    assert await run_tool(tool_from_function(weather), {"city": "Oslo", "days": "2"}) == "Oslo 2 C None"


def tool_that(act: Any) -> Tool:
    def acting() -> str:
        """Act."""
        return act()  # type: ignore[no-any-return]

    return tool_from_function(acting)


def raising(error: BaseException) -> Any:
    def act() -> str:
        raise error

    return act


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("bad\x1b[31m\nthing"), "acting failed: ValueError: bad thing"),
        (StopIteration(), "acting failed: StopIteration:"),
        (OSError(2, "gone"), "acting failed: FileNotFoundError: [Errno 2] gone"),
        (ToolError("no such city"), "no such city"),
        (DocumentError("no library"), "no library"),
    ],
)
async def test_what_a_tool_raises_becomes_text_for_the_model(error: Exception, said: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        await run_tool(tool_that(raising(error)), {})
    assert isinstance(caught.value, ToolError | DocumentError)
    assert caught.value.message == said


async def test_a_result_is_safe_and_bounded() -> None:
    result = await run_tool(tool_that(lambda: "\x1b]52;c;x\x07" + "x" * 5000), {})
    assert result == "x" * 4000 + "\n[cut: 1009 more characters]"
    assert await run_tool(tool_that(lambda: 42), {}) == "42"


async def test_a_long_error_is_bounded() -> None:
    with pytest.raises(ToolError) as caught:
        await run_tool(tool_that(raising(ValueError("x" * 9999))), {})
    assert len(caught.value.message) == 500


def test_a_limit_reaches_the_schema() -> None:
    def short(text: Annotated[str, Field(max_length=3)]) -> str:
        """Take a short text."""
        return text

    assert tool_from_function(short).parameters["properties"]["text"]["maxLength"] == 3
