"""JSON and JSON lines: keys as headings where much lies below them, else `key: value` lines; a record a block."""

from __future__ import annotations

import json
from typing import Any

from rag.loaders import plain
from rag.loaders.assemble import Assembly
from rag.loaders.charset import decoded
from rag.types import Document

# An object of up to so many characters is one block of lines; a larger one gets a heading for each of its keys.
_ONE_BLOCK = 1200
# Keys that, where there is no other, add nothing to the one above.
_SAYS_NOTHING = frozenset(("text", "value", "content"))


def load(path: str, data: bytes) -> Document:
    """A `Document` of the values. What is no JSON (comments, a template) is read as plain text.

    Raises DocumentError for a binary file; RecursionError for one nested too deep.
    """
    text = decoded(path, data)
    assembly = Assembly(path)
    try:
        _add(assembly, json.loads(text), level=1)
    except json.JSONDecodeError:
        try:
            records = [json.loads(line) for line in text.splitlines() if line.strip()]
        except json.JSONDecodeError:
            return plain.of_text(path, text)
        _add(assembly, records, level=1)
    return assembly.document()


def _add(assembly: Assembly, value: Any, level: int) -> None:
    """A value too large for one block: its small parts as blocks, then its large ones under headings."""
    if isinstance(value, dict) and len(value) == 1 and value.keys() <= _SAYS_NOTHING:
        _add(assembly, next(iter(value.values())), level)
    elif isinstance(value, dict):
        large = {str(key): below for key, below in value.items() if not _is_small(below)}
        assembly.add("\n".join(line for key, below in value.items() if key not in large for line in _lines(key, below)))
        for key, below in large.items():
            assembly.add(key, level)
            _add(assembly, below, level + 1)
    elif isinstance(value, list):
        named = not all(_is_small(item) for item in value)
        for number, item in enumerate(value, start=1):
            if named:
                assembly.add(_name(item) or f"item {number}", level)
            if _is_small(item):
                assembly.add("\n".join(_lines("", item)))
            else:
                _add(assembly, item, level + 1)
    else:
        assembly.add(_scalar(value))


def _is_small(value: Any) -> bool:
    """Whether a value makes one block: long only by being one long text, or not long."""
    return not isinstance(value, dict | list) or sum(map(len, _lines("", value))) <= _ONE_BLOCK


def _name(item: Any) -> str:
    """What a record calls itself."""
    if isinstance(item, dict):
        for key in ("title", "name", "id"):
            if isinstance(item.get(key), str | int):
                return str(item[key])
    return ""


def _lines(key: str, value: Any) -> list[str]:
    """`a > b: value` for each value below `key`; a list of plain values is one line."""
    if isinstance(value, dict):
        if len(value) == 1 and value.keys() <= _SAYS_NOTHING:
            return _lines(key, *value.values())
        above = f"{key} > " if key else ""
        return [line for name, below in value.items() for line in _lines(f"{above}{name}", below)]
    if isinstance(value, list):
        if any(isinstance(item, dict | list) for item in value):
            return [line for item in value for line in _lines(key, item)]
        text = ", ".join(_scalar(item) for item in value)
    else:
        text = _scalar(value)
    if not text:
        return []
    return [f"{key}: {text}" if key else text]


def _scalar(value: Any) -> str:
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value)
