"""Reads conversations from files of Fireside and of other programs, whose format is told by what they hold.

Known: Fireside's own JSON and JSON lines; ChatGPT's data export, also zipped; Open WebUI; lists of messages as
OpenAI's API takes them, in JSON or JSON lines; an Ollama Modelfile with MESSAGE lines.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from fireside.conversations.chatgpt import from_chatgpt, from_open_webui, is_chatgpt, is_open_webui
from fireside.conversations.export import from_document, is_own
from fireside.conversations.foreign import Found, field
from fireside.conversations.message_lists import (
    from_message_list,
    from_modelfile,
    is_message,
    is_message_list,
    is_modelfile,
)
from fireside.errors import FiresideError
from fireside.text import for_terminal_line

LARGEST_BYTES = 1 << 30
"""The largest file, or text in a zip file, that is read."""

_HINT = "choose an export of Fireside, ChatGPT, Open WebUI or Ollama, or JSON with role and content of each message"
_READERS: tuple[tuple[Callable[[object], bool], Callable[[Any], Found]], ...] = (
    (is_own, from_document),
    (is_chatgpt, from_chatgpt),
    (is_open_webui, from_open_webui),
    (is_message_list, from_message_list),
)


@dataclass(frozen=True)
class NotImported:
    """A conversation that could not be read. place: which one of the file, from 1, with its title."""

    place: str
    reason: str


@dataclass(frozen=True)
class Imports:
    """What a file holds: conversations ready for `ConversationStore.restore`, and those that could not be read."""

    found: tuple[Found, ...]
    refused: tuple[NotImported, ...]


def read_file(file: Path) -> Imports:
    """The conversations of a file. Raises FiresideError: it cannot be read, is too large, or holds none."""
    try:
        if file.stat().st_size > LARGEST_BYTES:
            raise FiresideError(f"{file.name} is larger than {LARGEST_BYTES >> 30} GB", "import it in parts")
        if not zipfile.is_zipfile(file):
            return read_text(file.read_text("utf-8-sig", "replace"))
        texts = list(_zipped(file))
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise FiresideError(f"{file.name} cannot be read: {error}", "check the path and its permissions") from error
    parts = [read_text(text) for text in texts]
    if not parts:
        raise FiresideError(f"{file.name} holds no conversations.json", _HINT)
    return Imports(
        tuple(each for part in parts for each in part.found), tuple(each for part in parts for each in part.refused)
    )


def read_text(text: str) -> Imports:
    """The conversations of a text. Raises FiresideError where it is of no known format."""
    found: list[Found] = []
    refused: list[NotImported] = []
    for place, entry in enumerate(_entries(text), 1):
        reader = next((read for tell, read in _READERS if tell(entry)), None)
        try:
            if isinstance(entry, _Broken):
                raise FiresideError(entry.reason)
            if isinstance(entry, _Modelfile):
                found.append(from_modelfile(entry.text))
            elif reader is None:
                raise FiresideError("it is of no known format")
            else:
                found.append(reader(entry))
        except FiresideError as error:
            title = field(entry, "title") or field(field(entry, "conversation"), "title")
            named = f" “{for_terminal_line(title, 40)}”" if isinstance(title, str) else ""
            refused.append(NotImported(f"conversation {place}{named}", error.message))
    if not found and not refused:
        raise FiresideError("there are no conversations in this file", _HINT)
    return Imports(tuple(found), tuple(refused))


@dataclass(frozen=True)
class _Broken:
    """A line that is no JSON."""

    reason: str


@dataclass(frozen=True)
class _Modelfile:
    text: str


def _entries(text: str) -> list[object]:
    """One value for each conversation. Raises FiresideError for a text that is of no known format as a whole."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        if is_modelfile(text):
            return [_Modelfile(text)]
        lines = _lines(text)
        if all(isinstance(line, _Broken) for line in lines):
            raise FiresideError(f"this is neither JSON nor an Ollama Modelfile ({_short(error)})", _HINT) from error
        # A file of JSON lines is a conversation a line, or all lines together are one.
        return [lines] if all(map(is_message, lines)) else lines
    if isinstance(document, dict) and not any(tell(document) for tell, _ in _READERS):
        document = next((each for each in document.values() if isinstance(each, list) and _known(each)), document)
    if is_message(document):
        return [[document]]
    if isinstance(document, list) and not is_message_list(document):
        return document
    if isinstance(document, dict) and not any(tell(document) for tell, _ in _READERS):
        raise FiresideError("this JSON holds no conversation that Fireside knows", _HINT)
    if not isinstance(document, dict | list):
        raise FiresideError("this JSON holds no conversation", _HINT)
    return [document]


def _known(entries: list[object]) -> bool:
    return any(tell(entry) for entry in entries for tell, _ in _READERS)


def _lines(text: str) -> list[object]:
    lines: list[object] = []
    for number, line in enumerate(text.split("\n") if "\n" in text else (), 1):
        if not line.strip():
            continue
        try:
            lines.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            lines.append(_Broken(f"line {number} is not JSON ({_short(error)})"))
    return lines


def _short(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else for_terminal_line(str(error), 100)


def _zipped(file: Path) -> Iterator[str]:
    """The `conversations*.json` of a zip file. A text larger than it says is cut off, and refused as broken JSON."""
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            name = PurePosixPath(entry.filename).name
            if not (name.startswith("conversations") and name.endswith(".json")):
                continue
            if entry.file_size > LARGEST_BYTES:
                raise FiresideError(f"{for_terminal_line(name)} is larger than {LARGEST_BYTES >> 30} GB", _HINT)
            with archive.open(entry) as opened:
                yield opened.read(LARGEST_BYTES).decode("utf-8-sig", "replace")
