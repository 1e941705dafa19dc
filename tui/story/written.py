"""What is read of a manuscript as one text with its authors' runs, and the edit that typing makes in it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace

from fireside.stories import manuscript as ms
from fireside.stories.manuscript import Author, Manuscript, Piece
from fireside.stories.spans import replace_span


@dataclass(frozen=True)
class Written:
    """A text; `starts` are where its runs begin, `pieces` what each run is of. An empty text has no runs."""

    text: str = ""
    starts: tuple[int, ...] = ()
    pieces: tuple[Piece, ...] = ()

    def piece_at(self, offset: int) -> Piece | None:
        """The piece that the character at `offset` belongs to; behind the end, the last one."""
        if not self.pieces:
            return None
        return self.pieces[max(0, bisect_right(self.starts, offset) - 1)]

    def authors(self, start: int, end: int) -> list[tuple[int, int, Author]]:
        """The stretches from `start` to `end` by who wrote them."""
        found: list[tuple[int, int, Author]] = []
        place = max(0, bisect_right(self.starts, start) - 1)
        while start < end and place < len(self.starts):
            stop = min(end, self.starts[place + 1] if place + 1 < len(self.starts) else end)
            found.append((start, stop, self.pieces[place].author))
            start, place = stop, place + 1
        return found


def written(pieces: Iterable[Piece]) -> Written:
    """The pieces, in order, as one text."""
    starts: list[int] = []
    kept = [piece for piece in pieces if piece.text]
    length = 0
    for piece in kept:
        starts.append(length)
        length += len(piece.text)
    return Written("".join(piece.text for piece in kept), tuple(starts), tuple(kept))


@dataclass(frozen=True)
class Typing:
    """Keys that belong together, as one edit: `words` in place of the characters from `start` to `end` of `base`.

    piece_id: the piece that holds `words`, once they are in a manuscript.
    """

    base: Manuscript
    start: int
    end: int
    words: str = ""
    piece_id: int | None = None

    def takes(self, start: int, end: int) -> bool:
        """Whether a change from `start` to `end` of the text as it is now touches this one, so that both are one."""
        behind = self.start + len(self.words)
        if self.piece_id is not None and not (self.start <= start and end <= behind and end - start < len(self.words)):
            return False  # in a saved edit only its own words change, and some are left
        return start <= behind and end >= self.start

    def with_change(self, text: str, start: int, end: int, words: str) -> Typing:
        """This edit and the next one: `words` in place of `start` to `end` of `text`, which is what is read now."""
        behind = self.start + len(self.words)
        first = min(start, self.start)
        whole = text[first:start] + words + text[end : max(end, behind)]
        return replace(self, start=first, end=self.end + max(0, end - behind), words=whole)

    def shown(self, before: Written) -> Written:
        """What `base`, shown as `before`, looks like with this edit."""
        pieces: list[Piece] = []
        for start, piece in zip(before.starts, before.pieces, strict=True):
            stop = start + len(piece.text)
            if start < self.start:
                pieces.append(replace(piece, text=piece.text[: self.start - start]) if stop > self.start else piece)
        if self.words:
            near = before.piece_at(max(0, self.start - 1))
            kind = replace(near, author=self.author) if near else Piece(0, None, self.author, "")
            pieces.append(replace(kind, text=self.words))
        for start, piece in zip(before.starts, before.pieces, strict=True):
            stop = start + len(piece.text)
            if stop > self.end:
                pieces.append(replace(piece, text=piece.text[self.end - start :]) if start < self.end else piece)
        return written(pieces)

    @property
    def author(self) -> Author:
        """Whose words these are: `edited` in place of the model's, the story's first are its `prompt`."""
        if self.base.head is None:
            return "prompt"
        piece = ms.piece_at(self.base, self.start) if self.end > self.start else None
        return "edited" if piece is not None and piece.author in ("model", "edited") else "person"

    def applied(self, manuscript: Manuscript) -> tuple[Manuscript, Typing]:
        """The manuscript with this edit in it, one step from `base`, and the edit as it is now saved."""
        if self.piece_id is not None:
            return ms.grow(manuscript, self.words, self.piece_id), self
        if self.start == self.end and not self.words:
            return self.base, self
        changed = replace_span(self.base, self.start, self.end, self.words, self.author)
        piece = ms.piece_at(changed, self.start) if self.words else None
        return changed, replace(self, piece_id=piece.id if piece else None)
