"""Phrases a reply must not contain: noticed as soon as they are whole, and traced to the token they began in."""

from __future__ import annotations

from collections.abc import Sequence

HELD_BACK = 8
"""Tokens not shown yet, so that the way back can go beyond the phrase's own beginning."""


class PhraseBans:
    """Finds banned phrases in the newest tokens of a reply.

    Case does not count: ASCII letters match in either case, other scripts as written, in lower case, in upper case and
    capitalised.
    """

    def __init__(self, phrases: Sequence[str]) -> None:
        variants = {form for text in phrases for form in (text, text.lower(), text.upper(), text.capitalize()) if form}
        self._phrases = sorted({form.encode("utf-8", "replace").lower() for form in variants})

    @property
    def any(self) -> bool:
        """Whether anything is banned."""
        return bool(self._phrases)

    def found(self, pieces: Sequence[bytes]) -> int | None:
        """Where `pieces` hold a phrase: the index of the piece that its earliest occurrence begins in."""
        text = b"".join(pieces).lower()
        places = [place for phrase in self._phrases if (place := text.find(phrase)) >= 0]
        return _piece_at(pieces, min(places)) if places else None

    def safe(self, pieces: Sequence[bytes]) -> int:
        """How many of the first `pieces` no phrase can reach any more; the last `HELD_BACK` never count."""
        text = b"".join(pieces).lower()
        start = len(text)
        for phrase in self._phrases:
            for length in range(min(len(phrase) - 1, len(text)), 0, -1):
                if text.endswith(phrase[:length]):
                    start = min(start, len(text) - length)
                    break
        return max(0, min(_piece_at(pieces, start), len(pieces) - HELD_BACK))


def _piece_at(pieces: Sequence[bytes], place: int) -> int:
    """The index of the piece that holds the byte at `place`; their number if it lies behind them all."""
    end = 0
    for index, piece in enumerate(pieces):
        end += len(piece)
        if place < end:
            return index
    return len(pieces)
