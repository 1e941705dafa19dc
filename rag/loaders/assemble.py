"""Builds a document's text and its blocks side by side, for formats whose text is extracted piece by piece."""

from __future__ import annotations

from pathlib import Path

from rag.types import Block, Document


class Assembly:
    """Text that grows block by block; spans are exact because both grow together."""

    def __init__(self) -> None:
        """An empty document."""
        self._parts: list[str] = []
        self._length = 0
        self._blocks: list[Block] = []
        self._headings = HeadingPath()

    def add(self, text: str, level: int = 0, page: int | None = None) -> None:
        """Append a block; level 1 to 6 makes it a heading. White space around it is dropped, an empty one ignored."""
        text = _storable(text).strip()
        if not text:
            return
        if self._parts:
            self._parts.append("\n\n")
            self._length += 2
        if level:
            self._headings.enter(" ".join(text.split()), level)
        start = self._length
        self._parts.append(text)
        self._length += len(text)
        self._blocks.append(Block(start, self._length, page, self._headings.path, level))

    def document(self, path: str, title: str | None = None) -> Document:
        """What was added so far. Without a title, the one heading of level 1 or the file's name serves."""
        text = "".join(self._parts)
        return Document(path, _storable(title or "").strip() or title_of(path, self._blocks), text, tuple(self._blocks))


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
        self._open.append((level, title[:200]))

    @property
    def path(self) -> tuple[str, ...]:
        """The titles, outermost first."""
        return tuple(title for _, title in self._open)


def title_of(path: str, blocks: list[Block]) -> str:
    """The first heading if it is the only one of level 1, else the file's name without its suffix."""
    headings = [block for block in blocks if block.level]
    tops = [block for block in headings if block.level == 1]
    if len(tops) == 1 and tops[0] is headings[0] and tops[0].heading[-1]:
        return tops[0].heading[-1]
    return Path(path).stem
