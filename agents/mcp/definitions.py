"""What an MCP server says it offers, somebody else's words: bounded, made safe, and hashed so that a change shows."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fireside.errors import FiresideError, ToolError
from fireside.text import for_terminal, for_terminal_line

if TYPE_CHECKING:
    from mcp_types import Prompt
    from mcp_types import Tool as SdkTool

_NAME = re.compile(r"[A-Za-z0-9_./-]{1,64}")
_LONGEST_DESCRIPTION = 1000
_LONGEST_NOTE = 200
_LARGEST_SCHEMA = 64 * 1024
_MOST_NODES = 2000
_DEEPEST = 32
_NOTES = ("description", "title", "$comment")


@dataclass(frozen=True)
class Definition:
    """A tool or a prompt as the server defines it, unchanged: nothing in it is safe to show.

    schema: of its arguments. hints: what the server says of what it does (`readOnlyHint`...).
    """

    kind: Literal["tool", "prompt"]
    name: str
    description: str
    schema: Mapping[str, Any]
    hints: Mapping[str, Any]

    @property
    def key(self) -> str:
        """What tells it from the server's others."""
        return self.name if self.kind == "tool" else f"prompt.{self.name}"

    @property
    def lines(self) -> list[str]:
        """It as text, for a hash and a diff."""
        return json.dumps(
            {"description": self.description, "hints": self.hints, "schema": self.schema}, indent=1, sort_keys=True
        ).splitlines()

    @property
    def sha256(self) -> str:
        """The hash of all of it, in hexadecimal."""
        return hashlib.sha256("\n".join([self.key, *self.lines]).encode()).hexdigest()


def of_tool(tool: SdkTool) -> Definition:
    """The definition of a tool in the SDK's words."""
    hints = tool.annotations.model_dump(by_alias=True, exclude_none=True, mode="json") if tool.annotations else {}
    return Definition("tool", tool.name, tool.description or "", tool.input_schema, hints)


def of_prompt(prompt: Prompt) -> Definition:
    """The definition of a prompt: its arguments are texts."""
    given = prompt.arguments or []
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            each.name: {"type": "string"} | ({"description": each.description} if each.description else {})
            for each in given
        },
        "required": [each.name for each in given if each.required],
        "additionalProperties": False,
    }
    return Definition("prompt", prompt.name, prompt.description or "", schema, {})


def safe_description(definition: Definition, server: str) -> str:
    """Its description on one line, bounded, with whose words they are in front."""
    text = for_terminal_line(definition.description, _LONGEST_DESCRIPTION)
    what = "prompt" if definition.kind == "prompt" else "tool"
    return f"(a {what} of the MCP server {server}) {text or for_terminal_line(definition.name)}"


def safe_schema(definition: Definition) -> dict[str, Any]:
    """Its schema, with notes made safe. Raises ToolError saying why no model is to be held to it.

    A name or a value that hides something cannot be made safe, since the server wants it back as it is.
    """
    if not _NAME.fullmatch(definition.name):
        raise ToolError("its name is not 1 to 64 letters, digits, '_', '-', '.' or '/'")
    if len(json.dumps(definition.schema)) > _LARGEST_SCHEMA:
        raise ToolError(f"its schema is larger than {_LARGEST_SCHEMA} bytes")
    nodes = [0]
    schema: dict[str, Any] = _safe(definition.schema, nodes, 0)
    if schema.get("type") != "object":
        raise ToolError("its schema is not of an object")
    return {"properties": {}} | schema


def shortest_arguments(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The shortest that a model held to `schema` can write. Raises ToolError where none can be held to it."""
    from fireside.models.schema import shortest

    try:
        arguments: dict[str, Any] = shortest(schema)
        return arguments
    except FiresideError as error:
        raise ToolError(error.message) from error
    except RecursionError as error:
        raise ToolError("its schema refers to itself without an end") from error


def _safe(value: Any, nodes: list[int], depth: int) -> Any:
    """`value` with the notes in it made safe. Raises ToolError: too deep, too large, or something hidden in it."""
    nodes[0] += 1
    if nodes[0] > _MOST_NODES:
        raise ToolError(f"its schema has more than {_MOST_NODES} parts")
    if depth > _DEEPEST:
        raise ToolError(f"its schema is more than {_DEEPEST} levels deep")
    if isinstance(value, Mapping):
        return {
            _clear(key): for_terminal_line(each, _LONGEST_NOTE)
            if key in _NOTES and isinstance(each, str)
            else _safe(each, nodes, depth + 1)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_safe(each, nodes, depth + 1) for each in value]
    return _clear(value) if isinstance(value, str) else value


def _clear(text: str) -> str:
    if for_terminal(text) != text or "\n" in text:
        raise ToolError(f"its schema has a name or a value that does not show what it is: {for_terminal_line(text)!r}")
    return text
