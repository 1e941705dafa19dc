"""Holds MCP servers to what they offered when the person first used them: a change has to be approved again.

A server can change what a tool is said to do after it was trusted ("rug pull"), and its words reach the model's prompt.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agents.mcp.definitions import Definition
from agents.mcp.servers import server_folder
from fireside.atomic import write_text
from fireside.errors import SettingsError
from fireside.text import for_terminal_line

_VERSION = 1
_LONGEST_LINE = 500


@dataclass(frozen=True)
class Pin:
    """What was approved: the hash that counts, and the definition's text for the diff."""

    sha256: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """A definition that is not as it was approved. diff: lines of a unified diff, safe for a terminal."""

    key: str
    new: bool
    diff: tuple[str, ...]


def read_pins(server: str) -> dict[str, Pin] | None:
    """What was approved of the server, by key; None where it was never used. Raises SettingsError: damaged."""
    file = server_folder(server) / "pins.json"
    try:
        document = json.loads(file.read_text("utf-8"))
        if document["version"] != _VERSION:
            raise ValueError(f"version {document['version']}")
        return {key: Pin(str(pin["sha256"]), tuple(map(str, pin["lines"]))) for key, pin in document["pins"].items()}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"what was approved of the MCP server {server} cannot be read: {for_terminal_line(str(error))}",
            f"remove {file}, and look at the server before you use it: fireside mcp show {server}",
        ) from error


def approve(server: str, definitions: Sequence[Definition]) -> None:
    """Pin these definitions. Those the server no longer offers stay pinned: it may offer them again. Raises
    StorageError."""
    pins = read_pins(server) or {}
    pins |= {each.key: Pin(each.sha256, tuple(each.lines)) for each in definitions}
    document = {
        "version": _VERSION,
        "pins": {key: {"sha256": pin.sha256, "lines": pin.lines} for key, pin in sorted(pins.items())},
    }
    write_text(server_folder(server) / "pins.json", json.dumps(document, indent=1) + "\n")


def changes(pins: Mapping[str, Pin], definitions: Iterable[Definition]) -> tuple[Change, ...]:
    """What is new or no longer as it was pinned."""
    found = []
    for each in definitions:
        pin = pins.get(each.key)
        if pin is None or pin.sha256 != each.sha256:
            old = pin.lines if pin else ()
            diff = difflib.unified_diff(old, each.lines, "approved", "now", lineterm="", n=1)
            shown = tuple(for_terminal_line(line, _LONGEST_LINE) for line in diff)
            found.append(Change(for_terminal_line(each.key), pin is None, shown))
    return tuple(found)
