"""Files of other programs with lore in them, made as those programs write them."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Any

PNG = b"\x89PNG\r\n\x1a\n"


def as_json(document: Any) -> bytes:
    """The document as a file."""
    return json.dumps(document).encode()


def chunk(kind: bytes, body: bytes) -> bytes:
    """One chunk of a PNG file."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*chunks: bytes) -> bytes:
    """A picture of one grey dot, with these chunks in front of its own."""
    return (
        PNG
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
        + b"".join(chunks)
        + chunk(b"IDAT", zlib.compress(b"\0\x80"))
        + chunk(b"IEND", b"")
    )


def text_chunk(keyword: str, document: Any) -> bytes:
    """A tEXt chunk with the document in base64, as cards are kept."""
    return chunk(b"tEXt", keyword.encode() + b"\0" + base64.b64encode(as_json(document)))


def world_entry(**fields: Any) -> dict[str, Any]:
    """An entry of SillyTavern's world info with all the fields that the program writes."""
    return {
        "uid": 0, "key": ["harbour"], "keysecondary": [], "comment": "Harbour", "content": "The harbour is old.",
        "constant": False, "vectorized": False, "selective": True, "selectiveLogic": 0, "addMemo": True, "order": 100,
        "position": 0, "disable": False, "excludeRecursion": False, "preventRecursion": False,
        "delayUntilRecursion": False, "probability": 100, "useProbability": True, "depth": 4, "group": "",
        "groupOverride": False, "groupWeight": 100, "scanDepth": None, "caseSensitive": None, "matchWholeWords": None,
        "useGroupScoring": None, "automationId": "", "role": None, "sticky": 0, "cooldown": 0, "delay": 0,
        "displayIndex": 0, "characterFilter": {"isExclude": False, "names": [], "tags": []},
    } | fields  # fmt: skip


def novelai_entry(**fields: Any) -> dict[str, Any]:
    """An entry of a NovelAI lorebook of version 5."""
    placing = {
        "prefix": "", "suffix": "\n", "tokenBudget": 2048, "reservedTokens": 0, "budgetPriority": 400,
        "trimDirection": "trimBottom", "insertionType": "newline", "maximumTrimType": "sentence",
        "insertionPosition": -1,
    }  # fmt: skip
    return {
        "text": "Mara is a smith.", "contextConfig": placing | fields.pop("placing", {}),
        "lastUpdatedAt": 1700000000000, "displayName": "Mara", "id": "1-2-3", "keys": ["mara"],
        "searchRange": 1000, "enabled": True,
        "forceActivation": False, "keyRelative": False, "nonStoryActivatable": False, "category": "",
        "loreBiasGroups": [{"phrases": [], "ensureSequenceFinish": False, "generateOnce": True, "bias": 0,
                            "enabled": True, "whenInactive": False}],
    } | fields  # fmt: skip
