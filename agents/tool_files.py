"""Reads tools from a file of function schemas, to see what a model would call: these tools cannot be run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from agents.json_items import items_of
from agents.mcp.arguments import valid_arguments
from agents.tools import Tool
from fireside.errors import ToolError

_FORM = 'a function is {"name": ..., "description": ..., "parameters": {...}}, alone or under "function"'
_TYPES = {"dict": "object", "float": "number", "tuple": "array"}
_VALUES = ("const", "default", "enum", "examples")
_NOT_JSON_SCHEMA = ("optional",)


def read_tools(path: Path) -> tuple[Tool, ...]:
    """The tools that `path` describes: a JSON list of OpenAI-style function schemas, or JSON lines of them.

    Raises ToolError with the place of the first one that cannot be used, or where there is none.
    """
    tools: dict[str, Tool] = {}
    for place, item in items_of(path):
        try:
            tool = tool_of_schema(item)
        except ToolError as error:
            raise ToolError(f"{place}: {error.message}", error.hint) from error
        if tool.name in tools:
            raise ToolError(f"{place}: {tool.name!r} is there already", "functions are told apart by their names")
        tools[tool.name] = tool
    if not tools:
        raise ToolError(f"{path} holds no functions", _FORM)
    return tuple(tools.values())


def tool_of_schema(item: Any) -> Tool:
    """The tool of one function schema, its types the leaderboard's or JSON Schema's. Raises ToolError."""
    function = item.get("function", item) if isinstance(item, Mapping) else item
    if not isinstance(function, Mapping):
        raise ToolError(f"{item!r:.60} is no function", _FORM)
    name, description, parameters = function.get("name"), function.get("description"), function.get("parameters")
    if not isinstance(name, str) or not name.strip():
        raise ToolError("a function has no name", _FORM)
    if not isinstance(description, str | None):
        raise ToolError(f"the description of {name!r} is no text", _FORM)
    if not isinstance(parameters, Mapping | None):
        raise ToolError(f"the parameters of {name!r} are no JSON schema", _FORM)
    schema = _in_json_schema({"type": "object", "properties": {}, **(parameters or {})})
    if schema.get("type") != "object":
        raise ToolError(f"the parameters of {name!r} are no object", _FORM)
    return Tool(name, description or "", schema, (), partial(_refused, name), partial(valid_arguments, name, schema))


def _refused(name: str, **_: Any) -> str:
    raise ToolError(f"{name} is described and cannot be run", "say --dry-run to see what would be called")


def _in_json_schema(schema: Any) -> Any:
    """`schema` in JSON Schema's names for types, descriptions kept: the model is shown them."""
    if isinstance(schema, list):
        return [_in_json_schema(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "type":
            named = value if isinstance(value, list) else [value]
            types = [_TYPES.get(each, each) if isinstance(each, str) else each for each in named]
            if "any" not in types:
                kept[key] = types if isinstance(value, list) else types[0]
        elif key in ("properties", "$defs", "definitions") and isinstance(value, Mapping):
            kept[key] = {name: _in_json_schema(each) for name, each in value.items()}
        elif key in _VALUES:
            kept[key] = value
        # The leaderboard has notes of its own, and `required` as a mark on a single parameter.
        elif key not in _NOT_JSON_SCHEMA and not (key == "required" and isinstance(value, bool)):
            kept[key] = _in_json_schema(value)
    return kept
