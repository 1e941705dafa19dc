"""Builds a document's text and its blocks side by side, for formats whose text is extracted piece by piece."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import PurePath

from rag.loaders.limits import check_length
from rag.types import Block, Document

_DEEPEST = 6
_LONGEST_TITLE = 200


class Assembly:
    """Text that grows block by block; spans are exact because both grow together."""

    def __init__(self, path: str) -> None:
        """An empty document, of the file at `path`."""
        self.path = path
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._headings = HeadingPath()
        self._notes: list[str] = []

    def __len__(self) -> int:
        """Characters so far."""
        return self._length

    def add(self, text: str, level: int = 0, page: int | None = None, gap: str = "\n\n") -> None:
        """Append a block; level 1 and up (6 is the deepest) makes it a heading. White space around it is dropped, an
        empty one ignored.

        gap: white space between it and the block before. Raises TooMuch where the text gets longer than is indexed.
        """
        text = _storable(text).strip()
        if not text:
            return
        level = min(level, _DEEPEST)
        if level:
            self._headings.enter(" ".join(text.split()), level)
        start = self._append(text, gap)
        self._blocks.append(Block(start, self._length, page, self._headings.path, level))

    def include(self, document: Document, name: str) -> None:
        """Append a document that lies in this one, under a heading of level 1, its name; its own go a level down."""
        self._notes += document.notes
        if not document.blocks:
            return
        self.add(name, level=1)
        title = self._headings.path
        start = self._append(document.text, "\n\n")
        for block in document.blocks:
            self._blocks.append(
                Block(
                    start + block.start,
                    start + block.end,
                    block.page,
                    (*title, *block.heading),
                    min(block.level + 1, _DEEPEST) if block.level else 0,
                )
            )

    def note(self, line: str) -> None:
        """Note something that was left out."""
        self._notes.append(line)

    def document(self, title: str | None = None) -> Document:
        """What was added so far. Without a title, the one heading of level 1 or the file's name serves."""
        title = " ".join(_storable(title or "").split())[:_LONGEST_TITLE]
        return Document(
            self.path,
            title or title_of(self.path, self._blocks),
            "".join(self._parts),
            tuple(self._blocks),
            tuple(self._notes),
        )

    def _append(self, text: str, gap: str) -> int:
        """Append the text behind a gap; where it starts."""
        if self._parts:
            self._parts.append(gap)
            self._length += len(gap)
        start = self._length
        self._parts.append(text)
        self._length += len(text)
        check_length(self.path, self._length)
        return start


def _storable(text: str) -> str:
    """Without NUL, which would end the text in SQLite, and lone surrogates, which UTF-8 cannot hold."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode("utf-8")


class HeadingPath:
    """The headings that are open at a point of a document, from the outermost to the nearest."""

    def __init__(self) -> None:
        """Before the first heading."""
        self._open: list[tuple[int, str]] = []

    def enter(self, title: str, level: int) -> None:
        """A heading of this level begins: those of its level and below are closed."""
        self._open = [(depth, name) for depth, name in self._open if depth < level]
        self._open.append((level, title[:_LONGEST_TITLE]))

    @property
    def path(self) -> tuple[str, ...]:
        """The titles, outermost first."""
        return tuple(title for _, title in self._open)


def with_lines(text: str, blocks: Iterable[Block]) -> tuple[Block, ...]:
    """The blocks, in order, of a text that is the file's own, each with the line it begins in."""
    line, at = 1, 0
    numbered = []
    for block in blocks:
        # CRLF, LF and CR each end one line. No block begins between CR and LF.
        line += text.count("\n", at, block.start) + text.count("\r", at, block.start)
        line -= text.count("\r\n", at, block.start)
        at = block.start
        numbered.append(dataclasses.replace(block, line=line))
    return tuple(numbered)


def title_of(path: str, blocks: list[Block]) -> str:
    """The first heading if it is the only one of level 1, else the file's name without its suffix."""
    headings = [block for block in blocks if block.level]
    tops = [block for block in headings if block.level == 1]
    if len(tops) == 1 and tops[0] is headings[0] and tops[0].heading[-1]:
        return tops[0].heading[-1]
    return PurePath(path).stem
