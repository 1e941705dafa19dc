"""What can be taken back: acts that destroy or change something, newest first, for as long as the app runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_MOST = 100


@dataclass(frozen=True)
class _Undo:
    what: str
    back: Callable[[], object]


class Undos:
    """The acts that can be undone."""

    def __init__(self) -> None:
        self._undos: list[_Undo] = []

    def add(self, what: str, back: Callable[[], object]) -> None:
        """Something was done. what: as in "undone: WHAT". back: takes it back."""
        self._undos.append(_Undo(what, back))
        del self._undos[:-_MOST]

    def undo(self) -> str:
        """Take the last act back; what it was, "" where there is none. What cannot be taken back any more is
        forgotten, and its error raised."""
        if not self._undos:
            return ""
        undo = self._undos.pop()
        undo.back()
        return undo.what
