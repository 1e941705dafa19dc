"""Turns token bytes into text as it arrives: whole UTF-8 characters only, ending before a stop string."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class Detokenizer:
    """Collects the bytes of tokens and gives out text; each token costs the same however long the reply is.

    A character split over tokens is held back until it is whole; invalid bytes become U+FFFD. Text that may be the
    beginning of a stop string is held back too. `stopped` tells that a stop string came; the text ends before it.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stop = tuple(text for text in stop if text)
        self._held = ""
        self.stopped = False

    def push(self, data: bytes) -> str:
        """The bytes of the next token in; the text that is certain by now out."""
        return self._release(self._decoder.decode(data))

    def close(self) -> str:
        """What is still held, at the end of the reply."""
        if self.stopped:
            return ""
        text = self._release(self._decoder.decode(b"", final=True))
        rest, self._held = self._held, ""
        return text + rest

    def _release(self, text: str) -> str:
        if self.stopped or not self._stop:
            return "" if self.stopped else text
        self._held += text
        found = [position for stop in self._stop if (position := self._held.find(stop)) >= 0]
        if found:
            self.stopped = True
            text, self._held = self._held[: min(found)], ""
            return text
        keep = max(_overlap(self._held, stop) for stop in self._stop)
        text, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return text


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of `text` with which `stop` begins."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if stop.startswith(text[-length:]):
            return length
    return 0
