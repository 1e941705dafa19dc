"""Holds a reply to a call: the constraint under which a model can only write a call that a tool accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fireside.errors import ToolError, did_you_mean
from fireside.models.constraints import Constraint, Gbnf, Held, JsonSchema, Lazy, Tagged
from fireside.models.dialects.families import TAGS, Dialect
from fireside.models.dialects.python_grammar import call_grammar
from fireside.models.types import ToolSpec

MOST_CALLS = 8
"""Calls in one reply, at most."""


def call_constraint(dialect: Dialect, tools: Sequence[ToolSpec], tool_choice: str) -> tuple[Constraint | None, str]:
    """The constraint for a reply that may call `tools`, and the text that the reply begins with.

    tool_choice: as in `Request`. With "auto" the reply is free until it begins a call, and ends with that call. With
    "required" or a tool's name it is a call from its beginning. Where the dialect writes calls in a list, or each
    between tags that the model's template knows, there may be several, but for a tool's name. The text is the model's
    own markers: it goes behind the prompt as it is, special tokens and all, and into the reply's parser. No constraint:
    the model writes freely, with "none", with Gemma's special tokens between texts, which no grammar can hold, and with
    Qwen3-Coder's elements.
    Raises ToolError where the tool that must be called is not there.
    """
    if not tools or tool_choice == "none":
        return None, ""
    free = tool_choice == "auto"
    most = MOST_CALLS if tool_choice in ("auto", "required") else 1
    if tool_choice not in ("auto", "required"):
        named = [tool for tool in tools if tool.name == tool_choice]
        if not named:
            raise ToolError(
                f"there is no tool {tool_choice!r} to call",
                did_you_mean(tool_choice, (tool.name for tool in tools), "name one of the request's tools"),
            )
        tools = named
    if dialect.notation == "named":
        return _after_name(dialect, tools, free=free)
    if dialect.notation in ("gemma", "elements"):
        before, after = ("call:", "{") if dialect.notation == "gemma" else ("<function=", ">\n")
        opening = dialect.opening + before + (tools[0].name + after if len(tools) == 1 else "")
        return None, "" if free else opening
    held: Held
    opening = dialect.opening
    if dialect.notation == "python":
        held = Gbnf(call_grammar(tools, most))
    elif dialect.notation == "bare":
        held = JsonSchema(_any_of([_call_schema(tool, "parameters") for tool in tools]))
        if not free:
            return held, ""
    else:
        call = _any_of([_call_schema(tool, "arguments") for tool in tools])
        if dialect.notation == "list":
            call = {"type": "array", "items": call, "minItems": 1, "maxItems": most}
        # A model that knows the tags only from our prompt does not know when to stop.
        several = dialect.notation == "tagged" and dialect.knows_tools and most > 1
        held = Tagged(call, *TAGS, most) if several else JsonSchema(call)
    return (Lazy((opening,), held), "") if free else (held, opening)


def _after_name(dialect: Dialect, tools: Sequence[ToolSpec], *, free: bool) -> tuple[Constraint, str]:
    """Mistral's `[TOOL_CALLS]name[ARGS]{...}`: the markers are tokens of their own, so only the JSON can be held."""
    held = JsonSchema(_any_of([_arguments_schema(tool) for tool in tools]))
    if not free and len(tools) == 1:
        return held, f"{dialect.opening}{tools[0].name}[ARGS]"
    return Lazy(("[ARGS]",), held), "" if free else dialect.opening


def _call_schema(tool: ToolSpec, arguments: str) -> dict[str, Any]:
    """A call of this tool as JSON, its arguments under the key `arguments`."""
    return {
        "type": "object",
        "properties": {"name": {"const": tool.name}, arguments: _arguments_schema(tool)},
        "required": ["name", arguments],
        "additionalProperties": False,
    }


def _arguments_schema(tool: ToolSpec) -> Mapping[str, Any]:
    if tool.parameters.get("type") == "object":
        return tool.parameters
    return {**tool.parameters, "type": "object"}


def _any_of(schemas: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return dict(schemas[0]) if len(schemas) == 1 else {"anyOf": [dict(schema) for schema in schemas]}
