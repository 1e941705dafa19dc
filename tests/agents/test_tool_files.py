"""Files of function schemas: told by content, the leaderboard's types, and errors that name the line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agents.tool_files import read_tools
from agents.tools import run_tool
from fireside.errors import ToolError

SUM = {
    "name": "math.sum",
    "description": "Add numbers.",
    "parameters": {
        "type": "dict",
        "properties": {
            "numbers": {"type": "array", "items": {"type": "float"}, "description": "What is added"},
            "type": {"type": "any", "description": "a parameter called type"},
            "pair": {"type": "tuple", "items": {"type": "integer"}, "optional": True, "default": {"type": "dict"}},
        },
        "required": ["numbers"],
    },
}
NOW = {"type": "function", "function": {"name": "now", "description": "The time."}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tools.json"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([SUM, NOW]),
        json.dumps([SUM, NOW], indent=2),
        f"{json.dumps(SUM)}\n\n{json.dumps(NOW)}\n",
        f"\ufeff{json.dumps(SUM)}\r\n{json.dumps(NOW)}",
    ],
    ids=["list", "pretty", "lines", "windows"],
)
def test_a_list_and_lines_are_told_by_content(file: Path, text: str) -> None:
    file.write_text(text, "utf-8", newline="")
    assert [tool.name for tool in read_tools(file)] == ["math.sum", "now"]


def test_one_function_alone_may_fill_the_file(file: Path) -> None:
    file.write_text(json.dumps(SUM, indent=1))
    assert [tool.name for tool in read_tools(file)] == ["math.sum"]


def test_the_leaderboards_types_are_json_schemas(file: Path) -> None:
    file.write_text(json.dumps([SUM]))
    (tool,) = read_tools(file)
    Draft202012Validator.check_schema(tool.parameters)
    numbers, kind, pair = tool.parameters["properties"].values()
    assert tool.parameters["type"] == "object"
    assert numbers == {"type": "array", "items": {"type": "number"}, "description": "What is added"}
    assert "type" not in kind
    assert pair == {"type": "array", "items": {"type": "integer"}, "default": {"type": "dict"}}


@pytest.mark.parametrize(
    "arguments",
    [{}, {"numbers": "1"}, {"numbers": [1, "2"]}, {"numbers": [1], "pair": 2}, {"numbers": [True]}],
)
def test_arguments_are_checked_against_the_schema(file: Path, arguments: dict[str, Any]) -> None:
    file.write_text(json.dumps([SUM]))
    (tool,) = read_tools(file)
    assert tool.validate({"numbers": [1, 2.5], "type": {"any": "thing"}}) == {
        "numbers": [1, 2.5],
        "type": {"any": "thing"},
    }
    with pytest.raises(ToolError, match=r"math\.sum"):
        tool.validate(arguments)


async def test_they_cannot_be_run(file: Path) -> None:
    file.write_text(json.dumps([NOW]))
    (tool,) = read_tools(file)
    with pytest.raises(ToolError, match="cannot be run"):
        await run_tool(tool, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{json.dumps(NOW)}\n{{broken", "line 2"),
        ('[{"name": "a"},\n{"name": }]', "line 2"),
        (f"{json.dumps(NOW)}\n7", "line 2: 7 is no function"),
        (json.dumps([NOW, {"description": "x"}]), "item 2: a function has no name"),
        (json.dumps([NOW, NOW]), "item 2: 'now' is there already"),
        (json.dumps([{"name": "a", "parameters": []}]), "item 1: the parameters of 'a'"),
        (json.dumps([{"name": "a", "parameters": {"type": "string"}}]), "are no object"),
        (json.dumps([{"name": "a", "description": 1}]), "description"),
        (json.dumps([{"name": "a", "parameters": {"properties": {"x": {"not": {}}}}}]), "'not' is not supported"),
        (json.dumps([{"name": "a", "parameters": {"properties": {"x": {"type": ["dict", {}]}}}}]), "type"),
        ("[]", "holds no functions"),
        ("", "holds no functions"),
        ("[" * 100_000, "nested too deeply|line 1"),
    ],
)
def test_what_cannot_be_used_is_named_by_its_place(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(ToolError, match=message) as caught:
        read_tools(file)
    assert "tools.json" in caught.value.message


def test_a_file_that_is_not_there_or_no_text(file: Path) -> None:
    with pytest.raises(ToolError, match="cannot read"):
        read_tools(file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ToolError, match="UTF-8"):
        read_tools(file)
