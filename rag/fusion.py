"""Fuses the scores of full text and vectors: weighted min-max or reciprocal ranks, with weights by kind of query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from rag.words import all_words, content_words

Method = Literal["min-max", "rrf"]
"""How two lists become one: `min_max` or `reciprocal_ranks`."""

Kind = Literal["keywords", "question", "claim"]
"""What a query looks like: a few words to look for, a question, or a sentence that states something."""

DENSE_WEIGHTS: dict[Kind, float] = {"keywords": 0.2, "question": 0.25, "claim": 0.5}
"""The share of the vector search in the fused score, by kind of query.

Chosen on development data: for questions on 1,500 over fairy tales (nDCG@10 is best at 0.2 and 0.25) and 852 over a
speech, encyclopedia articles and SQuAD paragraphs (the characters reached rise up to 0.5, where fairy tales fall below
keyword search alone); for claims on 809 over abstracts (best at 0.5 and 0.6); for keywords on the first three content
words of such questions (best at 0.2).
"""

RRF_K = 60
"""The constant of reciprocal rank fusion (Cormack, Clarke, Buettcher 2009)."""

_KEYWORDS = 3
_ASKING = (
    "who whom whose what when where which why how is are was were do does did can could should would will has have had "
    "tell explain describe name list give show"
)
_QUESTION_WORDS = frozenset(_ASKING.split())


def kind_of(query: str) -> Kind:
    """The kind of a query: one with a question mark or that begins as questions and requests do, up to three content
    words and nothing else, or a claim."""
    words = all_words(query)
    if query.rstrip().endswith("?") or (words and words[0] in _QUESTION_WORDS and len(words) > 1):
        return "question"
    return "keywords" if len(content_words(query)) <= _KEYWORDS else "claim"


def min_max(bm25: Mapping[int, float], cosines: Mapping[int, float], dense_weight: float) -> dict[int, float]:
    """Min-max normalised scores, averaged with weights: `dense_weight` for the cosine, the rest for BM25.

    The result is in [0, 1] for every key of `cosines`; a chunk without a BM25 score counts as 0 there, which is the
    least a BM25 can be. (Bruch, Gai, Ingber 2023, "An analysis of fusion functions for hybrid retrieval",
    arXiv:2210.11934: a convex combination of normalised scores beats reciprocal rank fusion.)
    """
    highest = max(bm25.values(), default=0.0)
    low, high = min(cosines.values(), default=0.0), max(cosines.values(), default=0.0)
    return {
        chunk: dense_weight * ((cosine - low) / (high - low) if high > low else 1.0)
        + (1 - dense_weight) * (max(bm25.get(chunk, 0.0), 0.0) / highest if highest > 0 else 0.0)
        for chunk, cosine in cosines.items()
    }


def reciprocal_ranks(
    bm25: Mapping[int, float], cosines: Mapping[int, float], dense_weight: float, k: int = RRF_K
) -> dict[int, float]:
    """Reciprocal rank fusion: each list gives 1 / (k + rank), ranks from 1, weighted as in `min_max` and scaled so that
    the first of both lists has 1. (Cormack, Clarke, Buettcher 2009, "Reciprocal rank fusion outperforms Condorcet and
    individual rank learning methods".)

    The result is in [0, 1] for every key of `cosines`; a chunk without a BM25 score gets nothing from that list.
    """
    fused = dict.fromkeys(cosines, 0.0)
    for scores, weight in ((bm25, 1 - dense_weight), (cosines, dense_weight)):
        for rank, chunk in enumerate(sorted(scores, key=lambda chunk: (-scores[chunk], chunk)), start=1):
            if chunk in fused:
                fused[chunk] += weight * (k + 1) / (k + rank)
    return fused
