"""Reads the items of a JSON file: a list, one object, or JSON lines, told by content; each with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fireside.errors import ToolError

_HINT = "write a JSON list, or one JSON object a line"


def items_of(path: Path) -> list[tuple[str, Any]]:
    """The items of `path`, each with where it is: `FILE, line 3`, or `FILE, item 3` in a list.

    Raises ToolError: the file cannot be read, or a line of it is no JSON.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ToolError(f"cannot read {path}: {error.strerror}", "check the path and its permissions") from error
    except UnicodeDecodeError as error:
        raise ToolError(f"{path} is no text in UTF-8", _HINT) from error
    try:
        whole = json.loads(text)
    except ValueError as error:
        if text.lstrip().startswith("["):
            raise ToolError(f"{path}, line {getattr(error, 'lineno', 1)}: {error}", _HINT) from error
        return _lines(path, text)
    except RecursionError as error:
        raise ToolError(f"{path} is nested too deeply", _HINT) from error
    if not isinstance(whole, list):
        return [(f"{path}, line 1", whole)]
    return [(f"{path}, item {number}", item) for number, item in enumerate(whole, 1)]


def _lines(path: Path, text: str) -> list[tuple[str, Any]]:
    items = []
    # Not splitlines: a JSON text may hold other line separators.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                items.append((f"{path}, line {number}", json.loads(line)))
            except (ValueError, RecursionError) as error:
                raise ToolError(f"{path}, line {number} is no JSON: {error}", _HINT) from error
    return items
