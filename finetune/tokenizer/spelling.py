"""How vocabularies write bytes: byte-level BPE as GPT-2's characters, SentencePiece as text with `▁` for a space."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Literal

Spelling = Literal["bytes", "spaces"]
"""bytes: every byte is one of 256 printable characters. spaces: text, where `▁` is a space and <0x0A> a byte."""

SPACE = "\u2581"
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


def spelling_of(document: dict[str, Any]) -> Spelling:
    """The spelling of a tokenizer.json, read as JSON."""
    return "bytes" if "ByteLevel" in str([document.get("pre_tokenizer"), document.get("decoder")]) else "spaces"


def token_bytes(token: str, spelling: Spelling) -> bytes:
    """The bytes that a token stands for."""
    if spelling == "bytes":
        table = _bytes_of_characters()
        return b"".join(bytes([table[c]]) if c in table else c.encode("utf-8") for c in token)
    if match := _BYTE.fullmatch(token):
        return bytes([int(match[1], 16)])
    return token.replace(SPACE, " ").encode("utf-8")


def spelt(data: bytes, spelling: Spelling) -> str:
    """The bytes as a vocabulary of this spelling writes them; those that are no text, as one <0x..> after the other."""
    if spelling == "bytes":
        return "".join(byte_characters()[byte] for byte in data)
    try:
        return data.decode("utf-8").replace(" ", SPACE)
    except UnicodeDecodeError:
        return "".join(f"<0x{byte:02X}>" for byte in data)


@cache
def byte_characters() -> tuple[str, ...]:
    """The character of each byte: itself where Latin-1 prints it, else one from U+0100 on (GPT-2's encoder.py)."""
    printed = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(0x100, 0x200))
    return tuple(chr(byte) if byte in printed else chr(next(spare)) for byte in range(256))


@cache
def _bytes_of_characters() -> dict[str, int]:
    return {character: byte for byte, character in enumerate(byte_characters())}
