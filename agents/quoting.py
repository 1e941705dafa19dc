"""Tells the words a model copies from the passages before it answers from the answer itself, as they stream."""

from __future__ import annotations

import re

ANSWER = "Answer:"
"""The line that ends the copied words and begins the answer; the prompt asks for it."""

_ANSWER = re.compile(r"(?:\A|\n)[ \t>#*_]*answer[ \t*_]*:(?:[*_]{1,2}(?=\s|\Z))?", re.IGNORECASE)
# So many characters behind the colon tell whether asterisks close its own emphasis or open that of the answer.
_BEHIND = 3
# A reply that begins with any of these may be quoting: a marker, a quotation mark, a list, or the words themselves.
_MAY_QUOTE = re.compile(r"\s*(?:[\[\"“«>*•\-#_\d]|quot|answer\s*:|\Z)", re.IGNORECASE)
# So many characters tell how a reply begins.
_BEGINNING = 8
# The last characters may be the beginning of the line that ends the copying.
_HELD = 24


class QuotedReply:
    """A reply that copies first and answers then. Feed pieces to `push`, and call `close` at the end; each returns what
    came of the copied words and of the answer.

    A reply that does not keep to the form is an answer from its first word on, or, where it seemed to quote and never
    said "Answer:", as a whole at its end.
    """

    def __init__(self) -> None:
        self._held = ""
        self._copied = ""
        self._answering = self._begun = False

    @property
    def copied(self) -> str:
        """What was copied before the answer."""
        return self._copied

    def push(self, piece: str) -> tuple[str, str]:
        """Take a piece; return the copied words and the words of the answer that are certain by now."""
        if self._answering:
            return "", self._answer(piece)
        self._held += piece
        if not self._copied and len(self._held) >= _BEGINNING and not _MAY_QUOTE.match(self._held):
            return "", self._answer(self._held)
        found = _ANSWER.search(self._held)
        if found and len(self._held) >= found.end() + _BEHIND:
            copied, answer = self._held[: found.start()], self._held[found.end() :]
            self._copied += copied
            return copied, self._answer(answer)
        if found or len(self._held) < 2 * _HELD:
            return "", ""
        copied, self._held = self._held[:-_HELD], self._held[-_HELD:]
        self._copied += copied
        return copied, ""

    def close(self) -> tuple[str, str]:
        """The rest, once no more pieces come."""
        if self._answering:
            return "", ""
        found = _ANSWER.search(self._held)
        if found:
            copied, answer = self._held[: found.start()], self._held[found.end() :]
            self._copied += copied
            return copied, self._answer(answer)
        whole = self._copied + self._held
        if not whole.strip():
            return "", ""
        # It never came to an answer of its own: what it wrote is all there is to show.
        self._copied = ""
        return "", self._answer(whole)

    def _answer(self, text: str) -> str:
        """The text without the white space before the answer's first word."""
        self._answering, self._held = True, ""
        if not self._begun:
            text = text.lstrip()
            self._begun = bool(text)
        return text
