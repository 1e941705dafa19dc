"""Finds passages: full text (BM25) and vectors (cosine) each name candidates, and one fused score orders them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from fireside.database import Database
from fireside.encoder import Encoder
from fireside.interrupts import interrupts_held
from rag import full_text, fusion, store
from rag.duplicates import distinct
from rag.filters import Filters, Kept, all_kept, first_kept, kept_by
from rag.types import Passage
from rag.vectors import VectorIndex
from rag.words import all_words, content_words

if TYPE_CHECKING:
    from fireside.encoder import Vectors

Rerank = Callable[[str, Sequence[str]], Sequence[float]]
"""Scores texts against a question anew, higher is better, each in [0, 1]."""

CANDIDATES = 50
"""Candidates each of the two searches names, at least."""

RERANKED = 30
"""Passages that a reranker sees, at least: it is slow, and more candidates mislead it (arXiv:2411.11767)."""

# A question is a sentence or a few; of pasted pages only the beginning is searched for, words and characters.
_MAX_WORDS = 64
_MAX_CHARACTERS = 4000
# Of Chroma's nearest a filter keeps some; where it keeps too few of so many, all that it keeps are compared.
_OVER_FETCHED = 5000
_COMPARED_AT_ONCE = 2000


def search(
    database: Database,
    index: VectorIndex,
    encoder: Encoder,
    question: str,
    k: int,
    filters: Filters | None = None,
    *,
    method: fusion.Method = "min-max",
    dense_weight: float | None = None,
    candidates: int = CANDIDATES,
    collapse: bool = True,
    rerank: Rerank | None = None,
) -> list[Passage]:
    """The `k` passages with the highest fused score, best first, of the documents that `filters` let through.

    Both searches' candidates are pooled, at least `candidates` of each. Every one gets its exact cosine and its exact
    BM25. dense_weight: the share of the cosine in [0, 1], by the kind of the question where None. collapse: whether
    passages that say nearly the same are one. rerank: scores the best passages anew.
    """
    question = question.strip()[:_MAX_CHARACTERS]
    if not question or k < 1:
        return []
    kept = kept_by(database, filters)
    if kept and kept.count == 0:
        return []
    limit = max(candidates, k)
    (vector,) = encoder.encode_queries([question])
    terms = full_text.terms_of(database, query_words(question))
    named = full_text.candidates(database, terms, limit, kept)
    ids = list(dict.fromkeys([*named, *_nearest(database, index, vector, limit, kept)]))
    cosines = _cosines(vector, store.vectors_of(database, ids))
    bm25 = full_text.scores(database, terms, cosines)
    fuse = fusion.min_max if method == "min-max" else fusion.reciprocal_ranks
    weight = fusion.DENSE_WEIGHTS[fusion.kind_of(question)] if dense_weight is None else dense_weight
    fused = fuse(bm25, cosines, weight)
    ordered = _passages(database, fused, cosines, bm25, k if not (collapse or rerank) else 2 * k)
    if rerank:
        ordered = iter(_reranked(question, list(islice(ordered, max(RERANKED, k))), rerank))
    return distinct(ordered, k) if collapse else list(islice(ordered, k))


def query_words(question: str) -> list[str]:
    """The words to look for: the content words, or all words where there are no others; each once."""
    words = content_words(question) or all_words(question)
    return list(dict.fromkeys(words))[:_MAX_WORDS]


def _nearest(database: Database, index: VectorIndex, vector: Vectors, limit: int, kept: Kept | None) -> list[int]:
    """Ids of the chunks nearest to the vector, of those that are kept: a few are all compared, of many Chroma names
    more than are wanted."""
    if kept is None:
        return index.nearest(database, vector, limit)
    if kept.ids is None:
        fetched = 50 + 3 * limit * kept.of_all // (2 * kept.count)
        while fetched <= _OVER_FETCHED:
            named = index.nearest(database, vector, fetched)
            found = first_kept(database, kept, named, limit)
            if len(found) == min(limit, kept.count) or len(named) < fetched:
                return found
            fetched *= 4
    cosines: dict[int, float] = {}
    ids = all_kept(database, kept)
    for first in range(0, len(ids), _COMPARED_AT_ONCE):
        cosines |= _cosines(vector, store.vectors_of(database, ids[first : first + _COMPARED_AT_ONCE]))
    return sorted(cosines, key=lambda chunk: (-cosines[chunk], chunk))[:limit]


def _cosines(vector: Vectors, vectors: Mapping[int, Vectors]) -> dict[int, float]:
    """The cosine of unit vectors is their product."""
    with interrupts_held():
        import numpy as np

    if not vectors:
        return {}
    products = np.clip(np.stack(list(vectors.values())) @ vector, -1.0, 1.0)
    return {chunk: float(product) for chunk, product in zip(vectors, products, strict=True)}


def _passages(
    database: Database,
    fused: Mapping[int, float],
    cosines: Mapping[int, float],
    bm25: Mapping[int, float],
    at_once: int,
) -> Iterator[Passage]:
    """The passages of these chunks, best first, fetched a few at a time."""
    order = sorted(fused, key=lambda chunk: (-fused[chunk], chunk))
    for first in range(0, len(order), at_once):
        part = order[first : first + at_once]
        chunks = store.stored_chunks(database, part)
        for chunk in part:
            if found := chunks.get(chunk):  # else it has just been removed
                yield Passage(
                    document=found.document,
                    title=found.title,
                    start=found.start,
                    end=found.end,
                    text=found.text,
                    page=found.page,
                    heading=found.heading,
                    score=fused[chunk],
                    similarity=cosines[chunk],
                    bm25=bm25.get(chunk, 0.0),
                )


def _reranked(question: str, passages: Sequence[Passage], rerank: Rerank) -> list[Passage]:
    """The passages by the reranker's scores, which take the place of the fused ones."""
    texts = ["\n".join([passage.title, *passage.heading, passage.text]) for passage in passages]
    scored = [replace(passage, score=score) for passage, score in zip(passages, rerank(question, texts), strict=True)]
    return sorted(scored, key=lambda passage: -passage.score)
