"""Puts somebody else's words into an error of ours."""

from __future__ import annotations

from fireside.text import for_terminal_line

LONGEST = 500
"""Characters of somebody else's words in one error."""


def quoted(text: str, limit: int = LONGEST) -> str:
    """`text` on one line, at most `limit` characters of it, in quotation marks that nothing in it can close."""
    return '"' + for_terminal_line(text, limit).replace('"', "'") + '"'
