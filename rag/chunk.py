"""Cuts a document into chunks that follow its headings, then its sentences, then the encoder's own tokens."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from rag.sentences import sentence_spans, trimmed
from rag.types import Block, Chunk, Document

# Prose has 4 to 5 characters a token; a chunk far beyond that holds no prose (a word of more than 100 characters is one
# unknown token to WordPiece, however long), and may not grow without end.
_CHARACTERS_PER_TOKEN = 10
# Tokenised at once: a long block is handed over in pieces, so that memory stays flat.
_TOKENISED_AT_ONCE = 200_000
_NO_SPACE = re.compile(r"\S+")


class Tokens(Protocol):
    """What chunking needs of an encoder."""

    def words(self, text: str) -> list[tuple[int, int, int]]:
        """Start, end and number of tokens of each word."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        ...


@dataclass(frozen=True)
class _Piece:
    """A stretch that is not cut further, and how many tokens it takes."""

    start: int
    end: int
    tokens: int


def chunks_of(document: Document, tokens: Tokens, limit: int, overlap: int = 0) -> list[Chunk]:
    """The chunks of `document`, in order; none has more than `limit` tokens, crosses a heading or a page.

    overlap: of these, the most that a chunk repeats, in whole sentences, of the end of the one before it under the same
    heading; less than half of `limit` is used.
    Neighbouring blocks under one heading share a chunk while they fit. Headings are not part of a chunk's text, but a
    heading with nothing under it becomes a chunk of its own, so that it can be found. Time is linear in the text.
    """
    chunks: list[Chunk] = []
    overlap = min(overlap, (limit - 1) // 2)
    for section in _sections(document.blocks):
        pieces: list[_Piece] = []
        for block in section:
            pieces.extend(_pieces(document.text, block, tokens, limit - overlap))
        spans = _packed(pieces, limit - overlap)
        if overlap:
            spans = _overlapping(document.text, spans, tokens, overlap)
        for start, end in _within(document.text, spans, tokens, limit):
            text = document.text[start:end]
            chunks.append(Chunk(start, end, text, section[0].page, section[0].heading))
    return chunks


def context_of(title: str, heading: Sequence[str]) -> str:
    """What is embedded and indexed above a chunk: the document's title and the headings, outermost first."""
    parts = [title, *heading] if not heading or heading[0] != title else list(heading)
    return " > ".join(part for part in parts if part)


def _sections(blocks: Sequence[Block]) -> Iterable[list[Block]]:
    """Runs of body blocks between headings and page borders; a heading with nothing under it is a run of its own."""
    run: list[Block] = []
    lonely: Block | None = None
    for block in blocks:
        if block.level:
            if run:
                yield run
            # A heading directly above one of a lower level is part of that one's path.
            elif lonely is not None and block.level <= lonely.level:
                yield [lonely]
            run, lonely = [], block
            continue
        lonely = None
        if run and (block.page, block.heading) != (run[0].page, run[0].heading):
            yield run
            run = []
        run.append(block)
    if run:
        yield run
    elif lonely is not None:
        yield [lonely]


def _pieces(text: str, block: Block, tokens: Tokens, limit: int) -> list[_Piece]:
    """The block whole if it fits, else its sentences, else their lines, else words or parts of words."""
    words = _words(text, block.start, block.end, tokens)
    starts = [word[0] for word in words]
    sums = [0]
    for word in words:
        sums.append(sums[-1] + word[2])
    longest = limit * _CHARACTERS_PER_TOKEN

    def count(start: int, end: int) -> int:
        return sums[bisect.bisect_left(starts, end)] - sums[bisect.bisect_left(starts, start)]

    def fits(start: int, end: int) -> bool:
        return count(start, end) <= limit and end - start <= longest

    if fits(block.start, block.end):
        return [_Piece(block.start, block.end, count(block.start, block.end))]
    found: list[_Piece] = []
    for start, end in sentence_spans(text, block.start, block.end):
        if fits(start, end):
            found.append(_Piece(start, end, count(start, end)))
            continue
        for first, last in _lines(text, start, end):
            if fits(first, last):
                found.append(_Piece(first, last, count(first, last)))
                continue
            for left, right in _between_spaces(text, first, last):
                borders: list[int] = []
                if not fits(left, right):
                    borders = starts[bisect.bisect_right(starts, left) : bisect.bisect_left(starts, right)]
                for begin, stop in zip([left, *borders], [*borders, right], strict=True):
                    found.extend(
                        _Piece(cut, min(cut + longest, stop), count(cut, min(cut + longest, stop)))
                        for cut in range(begin, stop, longest)
                    )
    return found


def _words(text: str, start: int, end: int, tokens: Tokens) -> list[tuple[int, int, int]]:
    """The encoder's words of `text[start:end]`, with positions in `text`."""
    words: list[tuple[int, int, int]] = []
    while start < end:
        stop = min(end, start + _TOKENISED_AT_ONCE)
        if stop < end:
            # Cut at white space; a stretch that has none is cut where it is.
            space = max(text.rfind(" ", start, stop), text.rfind("\n", start, stop))
            stop = space if space > start else stop
        words.extend((start + first, start + last, count) for first, last, count in tokens.words(text[start:stop]))
        start = stop
    return words


def _lines(text: str, start: int, end: int) -> list[tuple[int, int]]:
    found = []
    while start < end:
        stop = text.find("\n", start, end)
        stop = end if stop < 0 else stop + 1
        first, last = trimmed(text, start, stop)
        if first < last:
            found.append((first, last))
        start = stop
    return found


def _between_spaces(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The stretches between white space."""
    return [match.span() for match in _NO_SPACE.finditer(text, start, end)]


def _packed(pieces: Sequence[_Piece], limit: int) -> list[tuple[int, int]]:
    """Spans of neighbouring pieces, each as full as the limit allows.

    A whole block is one piece, so one that does not fit into what is left begins a new chunk.
    """
    spans: list[tuple[int, int]] = []
    start, end, used = -1, -1, 0
    longest = limit * _CHARACTERS_PER_TOKEN
    for piece in pieces:
        if start >= 0 and used + piece.tokens <= limit and piece.end - start <= longest:
            end, used = piece.end, used + piece.tokens
            continue
        if start >= 0:
            spans.append((start, end))
        start, end, used = piece.start, piece.end, piece.tokens
    if start >= 0:
        spans.append((start, end))
    return spans


def _overlapping(text: str, spans: Sequence[tuple[int, int]], tokens: Tokens, overlap: int) -> list[tuple[int, int]]:
    """The spans, each begun earlier by as many whole sentences of the one before as take at most `overlap` tokens."""
    begun = list(spans[:1])
    for (before, end_before), (start, end) in pairwise(spans):
        starts = [first for first, _ in sentence_spans(text, before, end_before)][1:]
        counts = tokens.count_tokens([text[first:end_before] for first in starts])
        fitting = [first for first, count in zip(starts, counts, strict=True) if count <= overlap]
        begun.append((fitting[0] if fitting else start, end))
    return begun


def _within(text: str, spans: Iterable[tuple[int, int]], tokens: Tokens, limit: int) -> list[tuple[int, int]]:
    """The spans; one that takes more than `limit` tokens when it stands alone is halved until its parts do not.

    Counts of words add up, but a word cut in two is tokenised anew, and there the sum is only an estimate.
    """
    found: list[tuple[int, int]] = []
    waiting = list(spans)
    counts = tokens.count_tokens([text[start:end] for start, end in waiting])
    stack = [(span, count) for span, count in zip(reversed(waiting), reversed(counts), strict=True)]
    while stack:
        (start, end), count = stack.pop()
        if count <= limit or end - start <= 1:
            found.append((start, end))
            continue
        middle = (start + end) // 2
        space = text.rfind(" ", start + 1, middle)
        middle = space if space > (3 * start + end) // 4 else middle
        halves = [half for half in (trimmed(text, start, middle), trimmed(text, middle, end)) if half[0] < half[1]]
        counted = tokens.count_tokens([text[first:last] for first, last in halves])
        stack.extend(zip(reversed(halves), reversed(counted), strict=True))
    return found
