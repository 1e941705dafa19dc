"""Plain text: paragraphs between empty lines, in whatever encoding the file was saved."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from fireside.errors import DocumentError
from rag.types import Block, Document

_PARAGRAPH = re.compile(r"[^\r\n]*\S[^\r\n]*(?:(?:\r\n|\n|\r)[^\r\n]*\S[^\r\n]*)*")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Control characters that text files do hold: tab, line feed, vertical tab, form feed, carriage return, escape.
_TEXT_CONTROLS = frozenset(b"\t\n\x0b\x0c\r\x1b")


def load(path: str, data: bytes) -> Document:
    """A `Document` whose text is the file's own, newlines untranslated. Raises DocumentError for a binary file."""
    text = decoded(path, data)
    blocks = tuple(Block(match.start(), match.end()) for match in _PARAGRAPH.finditer(text))
    return Document(path, Path(path).stem, text, blocks)


def decoded(path: str, data: bytes) -> str:
    """The text in `data`: by its byte order mark, else UTF-8, else Windows-1252, else Latin-1.

    Raises DocumentError where the bytes are not text.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError as error:
                raise DocumentError(
                    f"{path} begins as {encoding} but does not go on so: it is damaged", "save it again as UTF-8"
                ) from error
    # A NUL anywhere: no text file has one, and SQLite would end the text there.
    head = data[:65536]
    controls = sum(head.count(byte) for byte in range(32) if byte not in _TEXT_CONTROLS)
    if b"\x00" in data or controls > len(head) // 50:
        raise DocumentError(f"{path} is not a text file: its content is binary", "save it as UTF-8 text")
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")
