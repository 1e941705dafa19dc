"""Reads a file of another program: what it is is told by its content, never by its name."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import replace
from typing import Any

from fireside.errors import DocumentError
from fireside.stories.imports import cards, kobold, novelai, png, sillytavern
from fireside.stories.imports.record import Findings, Record
from fireside.stories.imports.result import Imported
from fireside.stories.imports.sillytavern import Names
from fireside.stories.lore_json import FORMAT, from_data
from fireside.text import for_terminal, for_terminal_line

LARGEST_FILE = 64 << 20
"""Bytes; pictures of cards have a few MB, and the largest lorebooks less."""

READABLE = (
    "Fireside reads lorebooks of SillyTavern, NovelAI and Kobold, Kobold saves, and character cards, as JSON or PNG"
)

# The newer form first: files often hold both.
_PNG_TEXTS = ("ccv3", "chara", "naidata")
_OTHER_FILES = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"RIFF": "a WebP picture",
    b"GIF8": "a GIF picture",
    b"PK\x03\x04": "a ZIP archive (a .charx card, perhaps)",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a compressed file",
}


def read(data: bytes, *, character: str = "", user: str = "") -> Imported:
    """The parts of a story in the file with the content `data`.

    character, user: who `{{char}}` and `{{user}}` are; a card says its character itself, and what nobody says stays as
    it is written. Raises DocumentError for a file that cannot be read, or holds nothing of a story.
    """
    if len(data) > LARGEST_FILE:
        raise DocumentError(f"the file has {len(data) >> 20} MiB, and {LARGEST_FILE >> 20} are the most", READABLE)
    document = _parsed(_from_png(data) if data.startswith(png.SIGNATURE) else data)
    names = Names(for_terminal_line(character), for_terminal_line(user))
    imported = _imported(document, names)
    if not (imported.entries or imported.memory or imported.opening or imported.note or imported.alternatives):
        raise DocumentError(f"the file looks like a {imported.kind}, but nothing of a story is in it", READABLE)
    return imported


def _from_png(data: bytes) -> bytes:
    texts = png.texts(data)
    for keyword in _PNG_TEXTS:
        if keyword in texts:
            try:
                return base64.b64decode(texts[keyword].strip(), validate=False)
            except binascii.Error:
                raise DocumentError(f"the card in the picture is damaged ({keyword} is no base64)") from None
    raise DocumentError(
        "the picture holds no character card or lorebook", "pictures lose it where they are converted or made smaller"
    )


def _parsed(data: bytes) -> Any:
    for signature, what in _OTHER_FILES.items():
        if data.startswith(signature):
            raise DocumentError(f"this is {what}, which Fireside does not import", READABLE)
    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DocumentError(f"the file is no text in UTF-8 (byte {error.start:,} is none)", READABLE) from None
    except RecursionError:
        raise DocumentError("the file is JSON in too many levels: no program wrote this as a lorebook") from None
    except ValueError as error:
        raise DocumentError(f"the file is no JSON: {for_terminal_line(str(error))}", READABLE) from None


def _imported(document: Any, names: Names) -> Imported:
    findings = Findings()
    if isinstance(document, list):
        return kobold.world_info(document, names, Record({}, findings))
    if not isinstance(document, dict):
        raise DocumentError("the file is JSON, but no lorebook, save or card", READABLE)
    if FORMAT in document:
        return Imported("Fireside lorebook", entries=tuple(map(_safe, from_data(document))))
    record = Record(document, findings)
    spec = document.get("spec")
    data = document.get("data")
    if spec == "lorebook_v3" and isinstance(data, dict):
        return sillytavern.lone_book(record.record("data"), names)
    if isinstance(spec, str) or _is_card(data) or _is_card(document):
        return cards.card(record, names)
    if "scenarioVersion" in document:
        return novelai.scenario(record, names)
    if "lorebookVersion" in document:
        return novelai.lorebook(record, names)
    if any(field in document for field in ("worldinfo", "worldinfo_v2", "gamestarted", "savedsettings")):
        return kobold.save(record, names)
    if "folders" in document and "entries" in document:
        return kobold.united_world_info(record, names)
    return _lorebook_by_its_entries(record, document.get("entries"), names)


def _is_card(values: Any) -> bool:
    return (
        isinstance(values, dict)
        and bool(values.get("name") or values.get("char_name"))
        and any(isinstance(values.get(field), str) for field in cards.V1_FIELDS)
    )


def _lorebook_by_its_entries(record: Record, entries: Any, names: Names) -> Imported:
    """Lorebooks that do not say what they are, by the fields of their first entry."""
    rows = list(entries.values()) if isinstance(entries, dict) else entries
    first = next((row for row in rows if isinstance(row, dict)), None) if isinstance(rows, list) else None
    if first is None:
        raise DocumentError("the file is JSON, but no lorebook, save or card", READABLE)
    if "keys" in first and ("text" in first or "contextConfig" in first):
        return novelai.lorebook(record, names)
    if "keys" in first:
        return sillytavern.lone_book(record, names)
    return sillytavern.world_info(record, names)


def _safe(entry: Any) -> Any:
    """An entry of Fireside's own form: it may come from a stranger all the same."""
    return replace(
        entry,
        name=for_terminal_line(entry.name),
        text=for_terminal(entry.text),
        keys=tuple(for_terminal_line(key, 1000) for key in entry.keys),
        secondary=tuple(for_terminal_line(key, 1000) for key in entry.secondary),
        group=for_terminal_line(entry.group),
        comment=for_terminal_line(entry.comment, 1000),
    )
