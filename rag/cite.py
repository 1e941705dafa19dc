"""Gives a reply its sources: a sentence is cited only with the exact words of a passage that support it.

The program does it after the reply is written. What a model marks itself is checked by the same rule, and what it puts
between quotation marks has to be in the words cited.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fireside.encoder import Encoder
from rag.contrast import differs
from rag.quotes import located, quotations
from rag.sentences import sentence_spans
from rag.types import Citation, Passage
from rag.words import content_stems

if TYPE_CHECKING:
    from fireside.encoder import Vectors

# A sentence is supported where its words are in the source's sentence, or where most of the meaning and some of the
# words are. At these values `benchmarks/documents.py --row citations` finds support for 0.997 of a passage's own
# sentences, 0.01 of those with other numbers, none of 300 claims about another text, and (SciFact's expert claims) 0.43
# of those a text supports beside 0.29 of those it contradicts: this is a check of wording, not of truth.
_CONTAINED = 0.75
_CLOSE, _CLOSE_CONTAINED = 0.72, 0.4
_FAR = 0.35
_LEAST_WORDS = 2
_LONGEST_QUOTE = 600

_MARKER = re.compile(r"[ \t]*\[(\d{1,2})\]")
# "... as planned. [1]": the marker belongs to the sentence before it.
_MARKED_AFTER = re.compile(r"([.!?…])((?:[ \t]*\[\d{1,2}\])+)")
_FENCE = re.compile(r"^```.*?(?:^```[^\n]*$|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class CitedReply:
    """A reply with markers [1], [2], ... behind its sentences, and the citation behind each marker, in that order.

    unsupported: those of its sentences, on one line each, that say something no passage was found to say.
    """

    text: str
    citations: tuple[Citation, ...]
    unsupported: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Source:
    """One sentence of a passage, or words of it that the model copied; `start` and `end` in the document."""

    passage: int
    start: int
    end: int
    text: str
    copied: bool = False


def cite(reply: str, passages: Sequence[Passage], encoder: Encoder, copied: str = "") -> CitedReply:
    """`reply` with a marker behind each sentence that a passage supports.

    Markers the model wrote itself ([n], n being a passage of the prompt, from 1) are taken out; where the passage they
    name does not support the sentence, nor any other, they come back as a citation that is not verified. Numbers run
    from 1 in the order of first use; the same quotation keeps its number. copied: what the model quoted before it
    answered; of it, what a passage holds is preferred as the source.
    """
    sources = [*_copied(copied, passages), *_sources(passages)]
    reply = _MARKED_AFTER.sub(r"\2\1", reply)
    spans = _outside_code(reply) if sources else []
    claims = [_MARKER.sub("", reply[start:end]) for start, end in spans]
    claim_vectors = encoder.encode(claims)
    source_vectors = encoder.encode([source.text for source in sources])
    citations: list[Citation] = []
    parts: list[str] = []
    unsupported: list[str] = []
    written = 0
    for (start, end), claim, vector in zip(spans, claims, claim_vectors, strict=True):
        marked = [int(number) - 1 for number in _MARKER.findall(reply[start:end])]
        marked = [number for number in marked if 0 <= number < len(passages)]
        found = _supporting(claim, vector, sources, source_vectors, marked, passages)
        parts.append(reply[written:start] + (claim if marked or found else reply[start:end]))
        written = end
        if (found is None and len(content_stems(claim)) >= _LEAST_WORDS) or (found and not found[1]):
            unsupported.append(" ".join(claim.split()))
        if found:
            parts.append(f" [{_number(citations, found[0], passages, found[1])}]")
    parts.append(reply[written:])
    return CitedReply("".join(parts), tuple(citations), tuple(unsupported))


def extract(question: str, passages: Sequence[Passage], encoder: Encoder) -> CitedReply:
    """An answer in the documents' own words: the one or two sentences that fit the question best, with their sources.

    For a model too small to be trusted, and for a reply of which no sentence is supported. Empty text where the
    passages are empty.
    """
    sources = _sources(passages)
    if not sources:
        return CitedReply("", ())
    (asked,) = encoder.encode_queries([question])
    closeness = encoder.encode([source.text for source in sources]) @ asked
    words = set(content_stems(question))
    scores = []
    for source, cosine in zip(sources, closeness, strict=True):
        own = set(content_stems(source.text))
        shared = len(words & own) / len(words) if words else 0.0
        # A heading or a caption can resemble a question and answer nothing.
        weight = 1.0 if len(own) > _LEAST_WORDS else 0.5
        scores.append(weight * (0.6 * float(cosine) + 0.3 * shared + 0.1 * passages[source.passage].score))
    order = sorted(range(len(sources)), key=lambda index: -scores[index])
    chosen = [index for index in order[:2] if scores[index] >= 0.9 * scores[order[0]]]
    citations: list[Citation] = []
    quoted = []
    for index in sorted(chosen, key=lambda index: (sources[index].passage, sources[index].start)):
        number = _number(citations, sources[index], passages, True)
        quoted.append(f"{' '.join(sources[index].text.split())} [{number}]")
    return CitedReply("From the documents: " + " ".join(quoted), tuple(citations))


def _sources(passages: Sequence[Passage]) -> list[_Source]:
    """The sentences of the passages, a very long one cut to its beginning."""
    return [
        _Source(number, passage.start + start, passage.start + stop, passage.text[start:stop])
        for number, passage in enumerate(passages)
        for start, end in sentence_spans(passage.text)
        for stop in [_quote_end(passage.text, start, end)]
    ]


def _quote_end(text: str, start: int, end: int) -> int:
    if end - start <= _LONGEST_QUOTE:
        return end
    space = text.rfind(" ", start, start + _LONGEST_QUOTE)
    return space if space > start else start + _LONGEST_QUOTE


def _copied(text: str, passages: Sequence[Passage]) -> list[_Source]:
    """The quotations in `text` that a passage holds, with the passage's own words."""
    return [
        _Source(number, passages[number].start + start, passages[number].start + end, words, True)
        for quotation in quotations(text)
        for number, start, end in _places(quotation, passages)[:1]
        for words in [passages[number].text[start:end]]
    ]


def _places(quotation: str, passages: Sequence[Passage]) -> list[tuple[int, int, int]]:
    """Where a quotation stands: the passage's number, and start and end in its text."""
    return [
        (number, *span)
        for number, passage in enumerate(passages)
        for span in [located(quotation, passage.text)]
        if span is not None
    ]


def _supporting(
    claim: str,
    vector: Vectors,
    sources: Sequence[_Source],
    vectors: Vectors,
    marked: Sequence[int],
    passages: Sequence[Passage],
) -> tuple[_Source, bool] | None:
    """The source that supports the claim best and True; or the likeliest one of a marked passage and False; or None.

    A passage that the model marked, and words it copied, are preferred among those that support the claim. What the
    claim quotes must be in the source.
    """
    stems = set(content_stems(claim))
    if len(stems) < _LEAST_WORDS or claim.rstrip().endswith("?"):
        return None
    quotes = quotations(claim)
    quoted = [_places(quotation, passages) for quotation in quotes]
    # Of quoted words it is their place that counts, not each letter of them.
    at_hand = {
        word for quotation, places in zip(quotes, quoted, strict=True) if places for word in content_stems(quotation)
    }
    best: tuple[float, _Source] | None = None
    likeliest: tuple[float, _Source] | None = None
    for index, source in enumerate(sources):
        cosine = float(vectors[index] @ vector)
        contained = len(stems & (at_hand | set(content_stems(source.text)))) / len(stems)
        score = contained + cosine + (0.25 if source.passage in marked else 0.0) + (0.1 if source.copied else 0.0)
        if best is None or score > best[0]:
            holding = _with_quotations(source, quoted, passages)
            if holding is not None and _is_support(claim, holding.text, contained, cosine):
                best = score, holding
        if source.passage in marked and (likeliest is None or score > likeliest[0]):
            likeliest = score, source
    if best is not None:
        return best[1], True
    return (likeliest[1], False) if likeliest is not None else None


def _with_quotations(
    source: _Source, quoted: Sequence[Sequence[tuple[int, int, int]]], passages: Sequence[Passage]
) -> _Source | None:
    """The source, made longer where a quotation begins in it or ends in it; None where it holds no word of one."""
    passage = passages[source.passage]
    start, end = source.start - passage.start, source.end - passage.start
    for places in quoted:
        here = [(first, last) for number, first, last in places if number == source.passage]
        touching = [(first, last) for first, last in here if first < end and last > start]
        if not touching:
            return None
        start, end = min(start, touching[0][0]), max(end, touching[0][1])
    if not quoted:
        return source
    return _Source(source.passage, passage.start + start, passage.start + end, passage.text[start:end], source.copied)


def _is_support(claim: str, source: str, contained: float, cosine: float) -> bool:
    """Whether the source says what the claim says, as far as words and vectors tell."""
    if differs(claim, source):
        return False
    return (contained >= _CONTAINED and cosine >= _FAR) or (cosine >= _CLOSE and contained >= _CLOSE_CONTAINED)


def _outside_code(reply: str) -> list[tuple[int, int]]:
    """The sentences of the reply, those in fenced code left out."""
    spans: list[tuple[int, int]] = []
    start = 0
    for fence in _FENCE.finditer(reply):
        spans += sentence_spans(reply, start, fence.start())
        start = fence.end()
    return spans + sentence_spans(reply, start)


def _number(citations: list[Citation], source: _Source, passages: Sequence[Passage], verified: bool) -> int:
    """The marker of this quotation, which is added to `citations` where it is new."""
    passage = passages[source.passage]
    for index, known in enumerate(citations):
        if (known.document, known.start, known.end, known.verified) == (
            passage.document,
            source.start,
            source.end,
            verified,
        ):
            return index + 1
    marker = len(citations) + 1
    citations.append(
        Citation(
            marker, passage.document, source.start, source.end, passage.page, passage.heading, source.text, verified
        )
    )
    return marker
