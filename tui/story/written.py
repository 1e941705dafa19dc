"""What is read of a manuscript as one text with its authors' runs, and the edit that typing makes in it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
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
        first = bisect_left(before.starts, self.start)  # the runs that begin before the edit
        last = bisect_right(before.starts, self.end)  # the first that begins behind it
        head, starts = list(before.pieces[:first]), list(before.starts[:first])
        if head:
            head[-1] = replace(head[-1], text=head[-1].text[: self.start - starts[-1]])
        middle: list[Piece] = []
        if self.words:
            near = before.piece_at(max(0, self.start - 1))
            kind = replace(near, author=self.author) if near else Piece(0, None, self.author, "")
            middle.append(replace(kind, text=self.words))
        if last and (rest := before.pieces[last - 1].text[self.end - before.starts[last - 1] :]):
            middle.append(replace(before.pieces[last - 1], text=rest))
        place = self.start
        for piece in middle:
            starts.append(place)
            place += len(piece.text)
        more = len(self.words) - (self.end - self.start)
        starts += [start + more for start in before.starts[last:]]
        text = before.text[: self.start] + self.words + before.text[self.end :]
        return Written(text, tuple(starts), (*head, *middle, *before.pieces[last:]))

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
