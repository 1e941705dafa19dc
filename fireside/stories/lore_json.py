"""Lore entries as JSON: Fireside's own form of a lorebook, for a file or a database."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import Any, get_args

from fireside.errors import DocumentError
from fireside.stories.lore import Logic, LoreEntry

FORMAT = "fireside_lorebook"
"""The key that tells such a document; its value is the version of the form."""

_VERSION = 1
_FIELDS = {each.name: each for each in fields(LoreEntry)}
_WORDS = ("keys", "secondary")
_WHOLE = ("scan_depth", "order", "group_weight", "budget")
_FLAGS = ("case", "whole_words", "enabled", "constant", "triggered_by_lore", "triggers_lore")


def to_json(entries: Iterable[LoreEntry]) -> str:
    """The entries as a JSON document. What is at its default is left out."""
    rows = [
        {name: value for name in _FIELDS if (value := getattr(entry, name)) != _FIELDS[name].default}
        for entry in entries
    ]
    return json.dumps({FORMAT: _VERSION, "entries": rows}, ensure_ascii=False, indent=1) + "\n"


def from_json(document: str) -> tuple[LoreEntry, ...]:
    """The entries of `to_json`. Raises DocumentError that names the entry and the field that is wrong."""
    try:
        data = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"the lorebook is no JSON: {error}") from None
    return from_data(data)


def from_data(data: Any) -> tuple[LoreEntry, ...]:
    """As `from_json`, from the parsed document."""
    if not isinstance(data, dict) or data.get(FORMAT) != _VERSION or not isinstance(data.get("entries"), list):
        raise DocumentError("this is no lorebook of Fireside's, or one of a later version")
    return tuple(_entry(row, number) for number, row in enumerate(data["entries"], 1))


def _entry(row: Any, number: int) -> LoreEntry:
    if not isinstance(row, dict):
        raise DocumentError(f"entry {number} of the lorebook is no object")
    known: dict[str, Any] = {}
    for name, value in row.items():
        if name not in _FIELDS:
            raise DocumentError(f"entry {number} of the lorebook has a field Fireside does not know: {name[:40]}")
        if not _fits(name, value):
            raise DocumentError(f"entry {number} of the lorebook has a wrong value in {name}")
        known[name] = tuple(value) if name in _WORDS else value
    missing = [name for name, each in _FIELDS.items() if each.default is MISSING and name not in known]
    if missing:
        raise DocumentError(f"entry {number} of the lorebook lacks {' and '.join(missing)}")
    return LoreEntry(**known)


def _fits(name: str, value: Any) -> bool:
    if name in _WORDS:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if name in _FLAGS:
        return isinstance(value, bool)
    if name in _WHOLE:
        return isinstance(value, int) and not isinstance(value, bool) and (value >= 0 or name == "order")
    return isinstance(value, str) and (name != "logic" or value in get_args(Logic))
