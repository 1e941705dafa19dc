"""What a model calls an MCP tool with: checked in bounded time whatever the schema, and shown as it is."""

from __future__ import annotations

import time
from typing import Any

import pytest
from turns import answers

from agents.events import ApprovalAsked, ToolResult
from agents.loop import Turn, run_turn
from agents.mcp.arguments import valid_arguments
from agents.mcp.offers import traits_of
from agents.mcp.servers import Server
from agents.tools import Tool
from fireside.errors import ToolError
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Called, Message, ToolCall


def of(a: Any, **definitions: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": a}, "$defs": definitions}


def nested(value: Any, levels: int) -> Any:
    for _ in range(levels):
        value = [value]
    return value


def refused(schema: dict[str, Any], value: Any) -> str:
    with pytest.raises(ToolError) as caught:
        valid_arguments("far.go", schema, {"a": value})
    return caught.value.message


def test_arguments_are_nested_eight_levels_at_most() -> None:
    anything: dict[str, Any] = of({})
    assert valid_arguments("far.go", anything, {"a": nested(1, 7)}) == {"a": nested(1, 7)}
    for deep in (nested(1, 8), {"b": nested(1, 7)}, nested([], 7), nested(1, 900)):
        assert refused(anything, deep) == "far.go: the arguments are nested more than 8 levels deep"


def test_a_schema_whose_work_multiplies_with_each_level_is_given_up() -> None:
    lists = [{"type": "array", "items": {"$ref": "#/$defs/n"}}]
    began = time.thread_time()
    assert "takes too long" in refused(of({"$ref": "#/$defs/n"}, n={"anyOf": lists * 40}), nested(1, 7))
    assert time.thread_time() - began < 5  # without a bound, years
    began = time.thread_time()
    choices = {f"n{i}": {"anyOf": [{"$ref": f"#/$defs/n{i + 1}"}] * 2} for i in range(40)}
    assert "takes too long" in refused(of({"$ref": "#/$defs/n0"}, **choices, n40={"type": "null"}), 1)
    assert time.thread_time() - began < 5


def test_many_plain_arguments_are_no_trouble() -> None:
    numbers = of({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}, "uniqueItems": True})
    assert valid_arguments("far.go", numbers, {"a": [*range(1000)]}) == {"a": [*range(1000)]}
    # Whether they are all different is for the server to say.
    assert valid_arguments("far.go", numbers, {"a": [7] * 1000})


TOO_MUCH = {
    "float of a huge number": (of({"type": "integer", "multipleOf": 0.5}), 10**400),
    "more digits than are written": (of({"type": "integer", "maximum": 5}), 10**5000),
    "infinite": (of({"type": "number", "multipleOf": 0.01}), float("inf")),
    "nowhere": (of({"$ref": "#/nope"}), 1),
    "outside": (of({"$ref": "https://evil.example/a.json"}), 1),
    "circle": (of({"$ref": "#/properties/a"}), 1),
    "unknown type": (of({"type": "no such type"}), 1),
    "text for a number": (of({"minLength": "x"}), "text"),
    "number for a list": (of({"enum": 5}), 1),
}


@pytest.mark.parametrize("what", TOO_MUCH)
def test_whatever_the_check_runs_into_is_an_error_in_words(what: str) -> None:
    message = refused(*TOO_MUCH[what])
    assert message.startswith("far.go: ")
    assert len(message) <= 500
    assert message.isprintable()


HIDDEN = {
    "ls \x9d; rm -rf ~": r"ls \x9d; rm -rf ~",
    "ls \x1b[8m; rm -rf ~\x1b[0m": "; rm -rf ~",
    "ls\r\n; rm -rf ~": r"ls\r\n; rm -rf ~",
    "ls \x90; rm -rf ~\x9c": "; rm -rf ~",
    "ls \u202e; rm -rf ~": "; rm -rf ~",
    "ls \u2028; rm -rf ~": "; rm -rf ~",
    "".join(chr(0xE0000 + ord(each)) for each in "rm"): "",
}


@pytest.mark.parametrize("command", HIDDEN)
async def test_the_person_is_asked_about_all_that_a_call_says(command: str) -> None:
    async def run(command: str) -> str:
        return command

    schema = {"type": "object", "properties": {"command": {"type": "string"}}}
    traits = traits_of("far.run", Server(command=("far",)), {})
    tool = Tool("far.run", "Run it.", schema, (), run, lambda given: dict(given), traits)
    model = ScriptedModel([[Called(ToolCall("far.run", {"command": command}))], ["Well."]])
    turn = Turn((Message("system", "Be kind."), Message("user", "List the files.")), tools=(tool,))
    events = [event async for event in run_turn(turn, model, answers("deny"))]
    (asked,) = [event for event in events if isinstance(event, ApprovalAsked)]
    assert [event.status for event in events if isinstance(event, ToolResult)] == ["denied"]
    assert asked.preview.startswith('far.run of ["far"]\n{\n "command": ')
    assert HIDDEN[command] in asked.preview
    shown = asked.preview.split('"command": ')[1].splitlines()
    assert len(shown) == 2  # all of it on one line, and the closing brace
    assert all(line.isprintable() for line in shown)
    assert len(shown[0]) >= len(command) + 2  # nothing was taken out
