"""Scores of document search and of answers: pure functions over spans, ranked names, citations and refusals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.types import Citation, Passage

if TYPE_CHECKING:
    from rag.testsets import Question

TOP = 5
"""Passages that the shares of characters are taken over: what a model is shown of them."""

CHARACTERS = 4200
"""The most characters of these passages that count, so that longer chunks have no advantage."""

DEPTH = 10
"""Documents that nDCG is taken over, as BEIR has it."""


@dataclass(frozen=True)
class Span:
    """Characters `start` to `end` (exclusive) of a document."""

    document: str
    start: int
    end: int


def search_scores(question: Question, passages: Sequence[Passage], names: Mapping[str, str]) -> dict[str, float]:
    """The scores of what a search found for one question that has an answer, best passage first.

    names: a test set's name for each document, by path. For spans: recall, precision and IoU of the reference's
    characters in the first `TOP` passages, of at most `CHARACTERS` characters. For judged documents: nDCG@10 and the
    reciprocal rank.
    """
    scores: dict[str, float] = {}
    if question.references:
        found = [
            Span(names.get(span.document, span.document), span.start, span.end)
            for span in spans_of(passages[:TOP], CHARACTERS)
        ]
        scores["recall"] = character_recall(question.references, found)
        scores["precision"] = character_precision(question.references, found)
        scores["iou"] = intersection_over_union(question.references, found)
    if question.relevance:
        ranked = [names.get(passage.document, passage.document) for passage in passages]
        scores[f"ndcg@{DEPTH}"] = ndcg(ranked, question.relevance, DEPTH)
        scores["mrr"] = reciprocal_rank(ranked, question.relevance)
    return scores


def means(scores: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each score over the questions that have it."""
    columns: dict[str, list[float]] = {}
    for each in scores:
        for name, value in each.items():
            columns.setdefault(name, []).append(value)
    return {name: mean(values) for name, values in columns.items()}


def spans_of(passages: Iterable[Passage], characters: int | None = None) -> list[Span]:
    """The spans of passages, in their order; with `characters`, only as much of them as fits into that many."""
    spans: list[Span] = []
    left = math.inf if characters is None else characters
    for passage in passages:
        length = int(min(passage.end - passage.start, left))
        if length <= 0:
            break
        spans.append(Span(passage.document, passage.start, passage.start + length))
        left -= length
    return spans


def character_recall(references: Iterable[Span], found: Iterable[Span]) -> float:
    """The share of the references' characters that lie in a span found; 1 where there are no references."""
    wanted = _merged(references)
    total = _length(wanted)
    return _length(_shared(wanted, _merged(found))) / total if total else 1.0


def character_precision(references: Iterable[Span], found: Iterable[Span]) -> float:
    """The share of the characters found that lie in a reference; 0 where nothing was found."""
    given = _merged(found)
    total = _length(given)
    return _length(_shared(_merged(references), given)) / total if total else 0.0


def intersection_over_union(references: Iterable[Span], found: Iterable[Span]) -> float:
    """Characters in both over characters in either, each counted once; 1 where both are empty."""
    wanted, given = _merged(references), _merged(found)
    shared = _length(_shared(wanted, given))
    either = _length(wanted) + _length(given) - shared
    return shared / either if either else 1.0


def ndcg(ranked: Sequence[str], relevance: Mapping[str, float], k: int = 10) -> float:
    """Normalised discounted cumulative gain of the first `k` names, in [0, 1]; 0 where nothing is relevant.

    Linear gain over log2(rank + 1), as trec_eval and BEIR compute it (Jaervelin, Kekaelaeinen 2002). A name that comes
    again, as a document does with each of its chunks, keeps its first rank and takes no other.
    """
    gains = [max(relevance.get(name, 0.0), 0.0) for name in dict.fromkeys(ranked)]
    ideal = sorted((grade for grade in relevance.values() if grade > 0), reverse=True)
    best = _discounted(ideal[:k])
    return _discounted(gains[:k]) / best if best else 0.0


def reciprocal_rank(ranked: Sequence[str], relevance: Mapping[str, float]) -> float:
    """One over the rank of the first relevant name, repetitions left out; 0 where none is relevant. Its mean over
    questions is MRR."""
    for rank, name in enumerate(dict.fromkeys(ranked), start=1):
        if relevance.get(name, 0.0) > 0:
            return 1 / rank
    return 0.0


def citation_correctness(citations: Sequence[Citation], texts: Mapping[str, str]) -> float:
    """The share of the citations whose quote is, character for character, what their document (`texts`, by path) has
    at their span; 1 where there are none."""
    exact = [
        texts.get(each.document, "")[each.start : each.end] == each.quote and each.start < each.end
        for each in citations
    ]
    return mean(exact, 1.0)


def refusal_scores(refused: Sequence[bool], unanswerable: Sequence[bool]) -> tuple[float, float]:
    """Precision and recall of refusing, questions in the same order: of those refused, the share that has no answer;
    of those without one, the share refused. Each is 1 where it has nothing to count."""
    if len(refused) != len(unanswerable):
        raise ValueError(f"{len(refused)} decisions for {len(unanswerable)} questions")
    right = sum(each and lacks for each, lacks in zip(refused, unanswerable, strict=True))
    precision = right / sum(refused) if any(refused) else 1.0
    recall = right / sum(unanswerable) if any(unanswerable) else 1.0
    return precision, recall


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which `share` (0 to 1) of the values lie, between neighbours in proportion; 0 for no values."""
    if not values:
        return 0.0
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def mean(values: Iterable[float], empty: float = 0.0) -> float:
    """The arithmetic mean; `empty` where there are no values."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else empty


def _discounted(gains: Iterable[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def _merged(spans: Iterable[Span]) -> list[Span]:
    """The same characters in spans that do not touch, in order."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.document, span.start, span.end)):
        if span.end <= span.start:
            continue
        if merged and merged[-1].document == span.document and span.start <= merged[-1].end:
            last = merged.pop()
            span = Span(last.document, last.start, max(last.end, span.end))
        merged.append(span)
    return merged


def _shared(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """The characters that are in both; each list is merged, so each character is there once."""
    by_document: dict[str, list[Span]] = {}
    for other in others:
        by_document.setdefault(other.document, []).append(other)
    return [
        Span(one.document, max(one.start, other.start), min(one.end, other.end))
        for one in some
        for other in by_document.get(one.document, [])
        if max(one.start, other.start) < min(one.end, other.end)
    ]


def _length(spans: Iterable[Span]) -> int:
    return sum(span.end - span.start for span in spans)
