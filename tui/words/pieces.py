"""Where a reply can be cut: its words with the spaces before them, and its line breaks. Pure."""

from __future__ import annotations

import re

# A model's tokens begin with the space before a word; a break between lines is a token of its own.
_PIECE = re.compile(r"[^\S\n]*\n\s*|[^\S\n]*\S+|[^\S\n]+")


def pieces(text: str) -> list[tuple[int, int]]:
    """The start and end of each word with the spaces before it, and of each line break; together they are the text."""
    return [match.span() for match in _PIECE.finditer(text)]


def shown_piece(text: str) -> str:
    """A piece as it can be seen: a line break as a sign, the spaces around a word taken off."""
    return "⏎" * min(2, text.count("\n")) if text.strip() == "" and "\n" in text else text.strip() or "␣"


def shown_token(text: str) -> str:
    """A token as it can be seen, its spaces and breaks as signs."""
    return text.replace("\n", "⏎").replace(" ", "␣").replace("\t", "⇥")
