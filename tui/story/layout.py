"""Breaks a manuscript into rows: where each begins in the text, and back. Pure; paragraphs that stand are kept.

A paragraph whose characters are all one cell wide is broken by searching for spaces at C's speed, so that a story of
200,000 words is laid out in a few hundredths of a second.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from unicodedata import category

from rich.cells import get_character_cell_size

TAB = 4
"""Cells of a tab."""

# Latin, Greek, Cyrillic and general punctuation: one cell each, with nothing that combines or has no width.
_NARROW = re.compile(r"[ -~\xa0-\u02ff\u0370-\u0482\u048a-\u052f\u2010-\u2027\u2030-\u205e\u20a0-\u20bf]*")


@dataclass(frozen=True)
class Paragraph:
    """rows: where its rows begin, in its characters. words: how many it has."""

    rows: tuple[int, ...]
    words: int


class Layout:
    """A text in rows of `width` cells. Rows and characters are counted from 0."""

    def __init__(self, text: str, width: int, known: Layout | None = None) -> None:
        """known: an earlier layout, whose paragraphs are taken over where they are the same and as wide."""
        self.text, self.width = text, max(1, width)
        lines = text.split("\n")
        before: Mapping[str, Paragraph] = known._known if known is not None and known.width == self.width else {}
        self._known: dict[str, Paragraph] = {}
        for line in lines:
            if line not in self._known:
                self._known[line] = before.get(line) or Paragraph(broken(line, self.width), len(line.split()))
        paragraphs = [self._known[line] for line in lines]
        self._paragraphs = paragraphs
        self._starts = list(accumulate([len(line) + 1 for line in lines], initial=0))
        self._rows_before = list(accumulate([len(each.rows) for each in paragraphs], initial=0))
        self.rows = self._rows_before[-1]
        self.words = sum([each.words for each in paragraphs])

    def row(self, number: int) -> tuple[int, int]:
        """Where the row begins and ends in the text; the end is behind a space it is broken at, before a line break."""
        place = bisect_right(self._rows_before, number, hi=len(self._paragraphs)) - 1
        start, rows = self._starts[place], self._paragraphs[place].rows
        inside = number - self._rows_before[place]
        end = rows[inside + 1] if inside + 1 < len(rows) else self._starts[place + 1] - 1 - start
        return start + rows[inside], start + end

    def row_of(self, offset: int) -> int:
        """The row that the character at `offset` stands in."""
        place = bisect_right(self._starts, offset, hi=len(self._paragraphs)) - 1
        rows = self._paragraphs[place].rows
        return self._rows_before[place] + bisect_right(rows, offset - self._starts[place]) - 1

    def column_of(self, offset: int) -> int:
        """How many cells stand before `offset` in its row."""
        start, _ = self.row(self.row_of(offset))
        return cells(self.text[start:offset])

    def offset_at(self, number: int, column: int) -> int:
        """The character of a row that stands at `column` cells, or the row's last place to stand at."""
        start, end = self.row(min(max(0, number), self.rows - 1))
        if end < len(self.text) and end > start and self.text[end] != "\n":
            end -= 1  # behind it, one stands in the next row
        taken = 0
        for offset in range(start, end):
            taken += width_of(self.text[offset])
            if taken > column:
                return offset
        return end


def broken(paragraph: str, width: int) -> tuple[int, ...]:
    """Where the rows of a paragraph begin: at words, or within one that is wider than a row; at least one row."""
    if not _NARROW.fullmatch(paragraph):
        return _broken_by_cells(paragraph, width)
    starts, start, length = [0], 0, len(paragraph)
    while length - start > width:
        space = paragraph.rfind(" ", start, start + width + 1)
        start = space + 1 if space > start else start + width
        # The spaces that a row is broken at hang over its end.
        while start < length and paragraph[start] == " ":
            start += 1
        if start < length:
            starts.append(start)
    return tuple(starts)


def _broken_by_cells(paragraph: str, width: int) -> tuple[int, ...]:
    """The same, each character counted with its own width."""
    starts, taken, space = [0], 0, 0
    for offset, character in enumerate(paragraph):
        size = width_of(character)
        while taken + size > width and character != " " and offset > starts[-1]:
            starts.append(space if space > starts[-1] else offset)
            taken = cells(paragraph[starts[-1] : offset])
        taken += size
        # Behind a space a row can begin, and before and behind a sign of a script that is written without spaces;
        # not before a mark that combines with what stands before it.
        if character == " " or (size == 0 and space == offset) or (size > 1 and taken <= width):
            space = offset + 1
        elif size > 1:
            space = offset
    return tuple(starts)


def cells(text: str) -> int:
    """How wide `text` is drawn."""
    return len(text) if _NARROW.fullmatch(text) else sum(map(width_of, text))


def width_of(character: str) -> int:
    """How wide one character is drawn; a control character is drawn as a mark of one cell."""
    if character == "\t":
        return TAB
    return get_character_cell_size(character) if is_drawn(character) else 1


def is_drawn(character: str) -> bool:
    """Whether a character is drawn as itself: it can be seen, or is a space."""
    return character.isprintable() or category(character) == "Zs"
