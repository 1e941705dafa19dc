"""Finds passages: full text (BM25) and vectors (cosine) each name candidates, and one fused score orders them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fireside.database import Database
from fireside.encoder import Encoder
from rag import store
from rag.types import Passage
from rag.vectors import VectorIndex
from rag.words import all_words, content_words

if TYPE_CHECKING:
    from fireside.encoder import Vectors

CANDIDATES = 50
"""Candidates each of the two searches names, at least."""

DENSE_WEIGHT = 0.5
"""The share of the vector search in the fused score; `benchmarks/documents.py --row weights` measures others."""

# A question is a sentence or a few; of pasted pages only the beginning is searched for, words and characters.
_MAX_WORDS = 64
_MAX_CHARACTERS = 4000


def search(
    database: Database,
    index: VectorIndex,
    encoder: Encoder,
    question: str,
    k: int,
    dense_weight: float = DENSE_WEIGHT,
) -> list[Passage]:
    """The `k` passages with the highest fused score, best first.

    Both searches' candidates are pooled. Every one gets its exact cosine, from the vectors in the record.
    """
    question = question.strip()[:_MAX_CHARACTERS]
    if not question or k < 1:
        return []
    limit = max(CANDIDATES, k)
    (vector,) = encoder.encode([question])
    bm25 = store.full_text(database, query_words(question), limit)
    nearest = index.nearest(database, vector, limit)
    ids = list(dict.fromkeys([*bm25, *nearest]))
    cosines = _cosines(vector, store.vectors_of(database, ids))
    fused = fuse(bm25, cosines, dense_weight)
    best = sorted(fused, key=lambda chunk: (-fused[chunk], chunk))[:k]
    chunks = store.stored_chunks(database, best)
    return [
        Passage(
            document=chunks[chunk].document,
            title=chunks[chunk].title,
            start=chunks[chunk].start,
            end=chunks[chunk].end,
            text=chunks[chunk].text,
            page=chunks[chunk].page,
            heading=chunks[chunk].heading,
            score=fused[chunk],
            similarity=cosines[chunk],
            bm25=bm25.get(chunk, 0.0),
        )
        for chunk in best
        if chunk in chunks
    ]


def query_words(question: str) -> list[str]:
    """The words to look for: the content words, or all words where there are no others; each once."""
    words = content_words(question) or all_words(question)
    return list(dict.fromkeys(words))[:_MAX_WORDS]


def fuse(bm25: Mapping[int, float], cosines: Mapping[int, float], dense_weight: float) -> dict[int, float]:
    """Min-max normalised scores, averaged with weights: `dense_weight` for the cosine, the rest for BM25.

    The result is in [0, 1] for every key of `cosines`; a chunk without a BM25 score counts as 0 there. (Bruch, Gai,
    Ingber 2023, "An analysis of fusion functions for hybrid retrieval", arXiv:2210.11934: a convex combination of
    normalised scores beats reciprocal rank fusion.)
    """
    highest = max(bm25.values(), default=0.0)
    low, high = min(cosines.values(), default=0.0), max(cosines.values(), default=0.0)
    return {
        chunk: dense_weight * ((cosine - low) / (high - low) if high > low else 1.0)
        + (1 - dense_weight) * (max(bm25.get(chunk, 0.0), 0.0) / highest if highest > 0 else 0.0)
        for chunk, cosine in cosines.items()
    }


def _cosines(vector: Vectors, vectors: Mapping[int, Vectors]) -> dict[int, float]:
    """The cosine of unit vectors is their product."""
    return {chunk: min(1.0, max(-1.0, float(vector @ other))) for chunk, other in vectors.items()}
