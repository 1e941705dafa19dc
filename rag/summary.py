"""Summarises a whole document by map and reduce: the sentences that stand for each part, then those that stand for all.

The sentences are the document's own, so that a summary is right with a model of any size. A model that can be trusted
to write is handed each part and then what was written of them; of its words, those stay that the part supports.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from fireside.encoder import Encoder
from rag.cite import cite
from rag.sentences import sentence_spans
from rag.types import Citation, Document, Passage
from rag.words import content_stems

if TYPE_CHECKING:
    from fireside.encoder import Vectors
    from rag.library import Library

SENTENCES = 8
"""Sentences of a whole summary, at most."""

LABEL = "The document's own sentences, chosen by the program:"
"""Stands above a summary that no model wrote."""

Write = Callable[[str, str], Awaitable[str]]
"""Writes what is asked for (first) about a text (second) with a chat model."""

# Long documents are read in at most so many parts, of at least so many characters.
_MOST_PARTS = 12
_LEAST_CHARACTERS = 1500
# Sentences taken from a part into the second step.
_FROM_PART = 4
# Of a very long part, so many sentences spread over it stand for the rest.
_LOOKED_AT = 60
_LEAST_WORDS, _MOST_CHARACTERS = 4, 500
# What a model writes says something from two content words on: `cite` checks no less.
_LEAST_SAID = 2
# A sentence this near to one that is chosen says nothing new (maximal marginal relevance: Carbonell, Goldstein 1998).
_NOVELTY = 0.5
# One this near says the same.
_SAME = 0.95
# What another sentence of the same part is worth less.
_HEARD = 0.1
# The first sentences of a part say more often what it is about.
_OPENING, _FIRST = 2, 0.05
_ASKING = frozenset(content_stems("summarise summarize summary summaries overview gist"))
_AROUND = frozenset(content_stems("file document text whole entire short brief main points write want need"))
_MARKER = re.compile(r"[ \t]*\[\d{1,2}\]")


@dataclass(frozen=True)
class Summary:
    """A summary with a citation behind each sentence. extract: its sentences are the document's own, none a model's.
    unsupported: what a model wrote and the document was not found to say, which is left out."""

    text: str
    citations: tuple[Citation, ...]
    extract: bool
    unsupported: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Sentence:
    """A sentence of the document; `text == document.text[start:end]`."""

    start: int
    end: int
    text: str
    part: int


def wanted(question: str, library: Library) -> Document | None:
    """The document of the library that the question asks to be summarised, if it asks for that."""
    if not _asks(question):
        return None
    path = document_meant(question, [record.path for record in library.documents()])
    return None if path is None else library.document(path)


def document_meant(question: str, paths: Sequence[str]) -> str | None:
    """The document that `question` asks to be summarised: named by its file's name, or the only one there is.

    None where it asks for anything else, such as a summary of what the documents say about something.
    """
    if not _asks(question):
        return None
    stems = set(content_stems(question))
    named = [path for path in paths if PurePath(path).name.casefold() in question.casefold()]
    # Of "rules.md" and "my rules.md" the longer name is meant where both are in the question.
    named.sort(key=lambda path: -len(PurePath(path).name))
    if not named and len(paths) == 1:
        named = list(paths)
    if not named or (len(named) > 1 and len(PurePath(named[0]).name) == len(PurePath(named[1]).name)):
        return None
    rest = stems - _ASKING - _AROUND - set(content_stems(PurePath(named[0]).name))
    return None if rest else named[0]


def extract(document: Document, encoder: Encoder, sentences: int = SENTENCES) -> Summary:
    """A summary in the document's own sentences, at most so many, in its order, each with its citation.

    Map: of each part, the sentences nearest to its centre (Radev et al. 2004, "Centroid-based summarization of multiple
    documents"). Reduce: of these, those nearest to the whole that say something new.
    """
    parts = _parts(document)
    chosen: list[_Sentence] = []
    vectors: list[Vectors] = []
    for number, (start, end) in enumerate(parts):
        found = _sentences(document, start, end, number)
        if not found:
            continue
        encoded = encoder.encode([each.text for each in found])
        count = max(_FROM_PART, math.ceil(2 * sentences / len(parts)))
        for index in _central(encoded, [number] * len(found), count):
            chosen.append(found[index])
            vectors.append(encoded[index])
    if not chosen:
        return Summary("", (), True)
    best = sorted(
        _central(_stacked(vectors), [each.part for each in chosen], sentences), key=lambda index: chosen[index].start
    )
    citations = tuple(
        _citation(document, number, chosen[index].start, chosen[index].end)
        for number, index in enumerate(best, start=1)
    )
    lines = [f"- {' '.join(each.quote.split())} [{each.marker}]" for each in citations]
    return Summary("\n".join([LABEL, "", *lines]), citations, True)


async def written(document: Document, encoder: Encoder, write: Write) -> Summary:
    """A summary in a model's words: of each part two sentences, then of all these one paragraph, each step checked.

    A sentence the part does not support goes no further. Where too little is left of it, `extract` takes its place.
    """
    passages = [_passage(document, start, end) for start, end in _parts(document)]
    notes: list[str] = []
    unsupported: list[str] = []
    for passage in passages:
        note = await write("Summarise this text in one or two sentences, in its own words where you can.", passage.text)
        kept, dropped = _supported(note, [passage], encoder)
        notes += kept
        unsupported += dropped
    if len(passages) > 1 and notes:
        whole = await write("Make one paragraph of at most six sentences of these notes.", "\n".join(notes))
        kept, dropped = _supported(whole, passages, encoder)
        unsupported += dropped
        notes = kept or notes
    if not notes:
        plain = extract(document, encoder)
        return Summary(plain.text, plain.citations, True, tuple(unsupported))
    cited = cite(" ".join(notes), passages, encoder)
    return Summary(cited.text, cited.citations, False, tuple(unsupported))


def _asks(question: str) -> bool:
    return bool(_ASKING & set(content_stems(question)))


def _supported(text: str, passages: Sequence[Passage], encoder: Encoder) -> tuple[list[str], list[str]]:
    """The sentences of `text` that the passages support, and those that they do not; what says nothing is neither."""
    text = _MARKER.sub("", text)
    dropped = cite(text, passages, encoder).unsupported
    sentences = [" ".join(text[start:end].split()) for start, end in sentence_spans(text)]
    kept = [each for each in sentences if each not in dropped and len(set(content_stems(each))) >= _LEAST_SAID]
    return kept, list(dropped)


def _parts(document: Document) -> list[tuple[int, int]]:
    """Stretches of whole blocks, about equally long, no more than are allowed; a new heading begins one if it can."""
    length = max(_LEAST_CHARACTERS, math.ceil(len(document.text) / _MOST_PARTS))
    parts: list[tuple[int, int]] = []
    start = end = -1
    for block in document.blocks:
        if start >= 0 and (block.end - start > length or (block.level in (1, 2) and end - start > length // 2)):
            parts.append((start, end))
            start = -1
        start = block.start if start < 0 else start
        end = block.end
    if start >= 0:
        parts.append((start, end))
    return parts


def _sentences(document: Document, start: int, end: int, part: int) -> list[_Sentence]:
    """The sentences of a part that can stand for it: no headings, no fragments, none without an end."""
    found = []
    for block in document.blocks:
        if block.level or block.start < start or block.end > end:
            continue
        for first, last in sentence_spans(document.text, block.start, block.end):
            text = document.text[first:last]
            if len(text) <= _MOST_CHARACTERS and len(set(content_stems(text))) >= _LEAST_WORDS:
                found.append(_Sentence(first, last, text, part))
    step = max(1, math.ceil(len(found) / _LOOKED_AT))
    return found[::step]


def _central(vectors: Vectors, parts: Sequence[int], count: int) -> list[int]:
    """The rows nearest to the centre of all of them, best first; each says something new beside those before, and one
    of a part (`parts`, one a row) that has been heard comes later."""
    centre = vectors.mean(axis=0)
    nearness = vectors @ centre / max(float((centre @ centre) ** 0.5), 1e-9)
    likeness = vectors @ vectors.T
    first = [row for row in range(len(parts)) if parts[:row].count(parts[row]) < _OPENING]
    nearness[first] += _FIRST
    chosen: list[int] = []
    left = set(range(len(vectors)))
    while left and len(chosen) < count:

        def worth(row: int) -> float:
            said = max((float(likeness[row, other]) for other in chosen), default=0.0)
            heard = sum(parts[other] == parts[row] for other in chosen)
            return float(nearness[row]) - _NOVELTY * said - _HEARD * heard

        best = max(sorted(left), key=worth)
        chosen.append(best)
        left = {row for row in left if likeness[row, best] < _SAME}
    return chosen


def _stacked(vectors: Sequence[Vectors]) -> Vectors:
    import numpy as np

    return np.stack(vectors)


def _passage(document: Document, start: int, end: int) -> Passage:
    """A part as a passage, so that what is written of it can be cited."""
    block = next(each for each in document.blocks if each.end > start)
    text = document.text[start:end]
    return Passage(document.path, document.title, start, end, text, block.page, block.heading, 1.0, 1.0, 1.0)


def _citation(document: Document, marker: int, start: int, end: int) -> Citation:
    block = next(each for each in document.blocks if each.end > start)
    return Citation(marker, document.path, start, end, block.page, block.heading, document.text[start:end], True)
