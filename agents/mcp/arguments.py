"""Checks a call's arguments against an MCP server's schema, with nothing of the server's that could take forever."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from fireside.errors import ToolError
from fireside.text import for_terminal_line

_LONGEST_PROBLEM = 500
_DEEPEST = 8
_CHECK_S = 0.5
# The server's to check: a pattern can be made to take Python's `re` forever, and uniqueness is looked for pair by pair.
_NOT_CHECKED = ("pattern", "patternProperties", "uniqueItems")


def valid_arguments(name: str, schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`arguments`, where they fit.

    Raises ToolError where they do not, where they are nested more than 8 levels deep, and where the check fails or
    takes more than half a second of computing: a schema can be made so that the work doubles with each level.
    """
    from jsonschema import Draft202012Validator, ValidationError, validators
    from referencing import Registry

    from fireside.models.schema import standard

    if _is_deeper(arguments, _DEEPEST):
        raise ToolError(f"{name}: the arguments are nested more than {_DEEPEST} levels deep")
    until = time.thread_time() + _CHECK_S

    def within_time(check: Callable[..., Any]) -> Callable[..., Any]:
        def checked(*given: Any) -> Any:
            if time.thread_time() > until:
                raise ToolError("the server's schema takes too long to check these arguments against")
            return check(*given)

        return checked

    try:
        keywords = {keyword: within_time(check) for keyword, check in Draft202012Validator.VALIDATORS.items()}
        validator = validators.extend(Draft202012Validator, keywords)
        validator(_checkable(standard(schema)), registry=Registry()).validate(dict(arguments))
    except ToolError as error:
        raise ToolError(for_terminal_line(f"{name}: {error.message}", _LONGEST_PROBLEM)) from error
    except ValidationError as error:
        place = ".".join(str(part) for part in error.absolute_path) or "arguments"
        raise ToolError(for_terminal_line(f"{name}: {place}: {error.message}", _LONGEST_PROBLEM)) from error
    except Exception as error:  # numbers beyond all measure, references that lead nowhere: the schema is anybody's
        raise ToolError(
            f"{name}: the arguments cannot be checked against the server's schema ({type(error).__name__})"
        ) from error
    return dict(arguments)


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects lie within each other more than `levels` deep."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if not isinstance(value, list | tuple):
        return False
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in value)


def _checkable(schema: Any) -> Any:
    """`schema` without the keywords that are the server's to check."""
    if isinstance(schema, list):
        return [_checkable(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    named = ("properties", "$defs", "definitions")
    return {
        key: {name: _checkable(each) for name, each in value.items()}
        if key in named and isinstance(value, dict)
        else _checkable(value)
        for key, value in schema.items()
        if key not in _NOT_CHECKED
    }
