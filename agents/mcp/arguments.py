"""Checks a call's arguments against an MCP server's schema, with nothing of the server's that could take forever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fireside.errors import ToolError
from fireside.text import for_terminal_line

_LONGEST_PROBLEM = 500


def valid_arguments(name: str, schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`arguments`, where they fit. Raises ToolError.

    Patterns are the server's to check: one made to take Python's `re` forever would stop everything here.
    """
    from jsonschema import Draft202012Validator, ValidationError
    from referencing import Registry

    from fireside.models.schema import standard

    validator = Draft202012Validator(_without_patterns(standard(schema)), registry=Registry())
    try:
        validator.validate(dict(arguments))
    except ValidationError as error:
        place = ".".join(str(part) for part in error.absolute_path) or "arguments"
        raise ToolError(for_terminal_line(f"{name}: {place}: {error.message}", _LONGEST_PROBLEM)) from error
    except RecursionError as error:
        raise ToolError(f"{name}: the arguments are nested too deeply") from error
    return dict(arguments)


def _without_patterns(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_patterns(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    named = ("properties", "$defs", "definitions")
    return {
        key: {name: _without_patterns(each) for name, each in value.items()}
        if key in named and isinstance(value, dict)
        else _without_patterns(value)
        for key, value in schema.items()
        if key not in ("pattern", "patternProperties")
    }
