"""Where the cursor goes: steps through a laid-out text by character, word, row, paragraph and page. Pure."""

from __future__ import annotations

import re
from typing import Literal, get_args

from tui.story.layout import Layout, width_of

Move = Literal[
    "left",
    "right",
    "word-left",
    "word-right",
    "up",
    "down",
    "paragraph-up",
    "paragraph-down",
    "page-up",
    "page-down",
    "row-start",
    "row-end",
    "beginning",
    "end",
]
MOVES: tuple[Move, ...] = get_args(Move)
UPRIGHT = ("up", "down", "page-up", "page-down")
"""The moves that keep the column."""

_TO_A_WORDS_END = re.compile(r"\W*[\w'’]*")
_FARTHEST = 400  # characters of a step by a word
_WORD = re.compile(r"[\w'’-]")


def moved(layout: Layout, offset: int, move: Move, column: int, page: int) -> int:
    """Where `move` leads from `offset`. column: cells to keep to up and down. page: rows of a page."""
    text = layout.text
    match move:
        case "left":
            return _with_its_marks(text, max(0, offset - 1), -1)
        case "right":
            return _with_its_marks(text, min(len(text), offset + 1), 1)
        case "word-left":
            behind = text[max(0, offset - _FARTHEST) : offset][::-1]
            return offset - _word_length(behind)
        case "word-right":
            return offset + _word_length(text[offset : offset + _FARTHEST])
        case "up" | "page-up":
            number = layout.row_of(offset) - (1 if move == "up" else page)
            return 0 if number < 0 and move == "up" else layout.offset_at(max(0, number), column)
        case "down" | "page-down":
            number = layout.row_of(offset) + (1 if move == "down" else page)
            return len(text) if number >= layout.rows else layout.offset_at(number, column)
        case "paragraph-up":
            before = text[:offset].rstrip("\n")
            return before.rfind("\n") + 1
        case "paragraph-down":
            end = text.find("\n", offset)
            while 0 <= end < len(text) and text[end] == "\n":
                end += 1
            return end if end >= 0 else len(text)
        case "row-start":
            return layout.row(layout.row_of(offset))[0]
        case "row-end":
            return layout.offset_at(layout.row_of(offset), layout.width + 1)
        case "beginning":
            return 0
        case "end":
            return len(text)


def word_around(text: str, offset: int) -> tuple[int, int]:
    """The word at `offset`, or the one character where there is none."""
    start = end = offset
    while start > 0 and _WORD.match(text[start - 1]):
        start -= 1
    while end < len(text) and _WORD.match(text[end]):
        end += 1
    return (start, end) if start < end else (offset, min(len(text), offset + 1))


def paragraph_around(text: str, offset: int) -> tuple[int, int]:
    """The line of text that `offset` stands in, without its break."""
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    return start, end if end >= 0 else len(text)


def _word_length(text: str) -> int:
    found = _TO_A_WORDS_END.match(text)
    return found.end() if found else 0


def _with_its_marks(text: str, offset: int, step: int) -> int:
    """No place between a sign and the marks that combine with it: they have no width of their own."""
    while 0 < offset < len(text) and text[offset].isprintable() and width_of(text[offset]) == 0:
        offset += step
    return offset
