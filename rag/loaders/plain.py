"""Plain text: paragraphs between empty lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from rag.loaders.assemble import with_lines
from rag.loaders.charset import decoded
from rag.types import Block, Document

_LINE = re.compile(r"[^\r\n]+")
_LINE_AND_BREAK = re.compile(r"([^\r\n]*)(?:\r\n|\n|\r)|([^\r\n]+)\Z")


@dataclass(frozen=True)
class Line:
    """A line: `text == document.text[start:end]`, without its break."""

    start: int
    end: int
    text: str


def load(path: str, data: bytes) -> Document:
    """A `Document` whose text is the file's own, newlines untranslated. Raises DocumentError for a binary file."""
    return of_text(path, decoded(path, data))


def of_text(path: str, text: str) -> Document:
    """A `Document` of this text, its paragraphs as blocks."""
    blocks = (Block(start, end) for start, end in paragraphs(text, 0, len(text)))
    return Document(path, PurePath(path).stem, text, with_lines(text, blocks))


def paragraphs(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans of the stretches between empty lines within `text[start:end]`."""
    begin = last = -1
    for match in _LINE.finditer(text, start, end):
        if match.group().isspace():
            continue
        if begin < 0 or text[last : match.start()] not in ("\n", "\r\n", "\r"):
            if begin >= 0:
                yield begin, last
            begin = match.start()
        last = match.end()
    if begin >= 0:
        yield begin, last


def lines_of(text: str) -> Iterator[Line]:
    """The lines, empty ones included."""
    for match in _LINE_AND_BREAK.finditer(text):
        line = match.group(1) if match.group(1) is not None else match.group(2)
        yield Line(match.start(), match.start() + len(line), line)
