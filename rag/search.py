"""Finds passages: full text (BM25) and vectors (cosine) each name candidates, and one fused score orders them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from fireside.database import Database
from fireside.encoder import Encoder
from fireside.errors import DocumentError, StorageError
from fireside.interrupts import interrupts_held
from rag import full_text, fusion, store
from rag.duplicates import distinct
from rag.filters import Filters, Kept, all_kept, first_kept, kept_by
from rag.types import Passage
from rag.vectors import Moved, VectorIndex
from rag.words import all_words, content_words

if TYPE_CHECKING:
    from fireside.encoder import Vectors


class Rerank(Protocol):
    """Scores texts against a question anew."""

    @property
    def name(self) -> str:
        """Tells it from others: whether passages answer is fitted on what one of them puts first."""
        ...

    def __call__(self, question: str, texts: Sequence[str]) -> Sequence[float]:
        """A score in [0, 1] a text, higher is better."""
        ...


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
# A search that another process's commit overtakes begins anew; the last time it takes Chroma as it is.
_ATTEMPTS = 4
# Kept, so that no search waits for a thread to start; each search has a task running and one that waits for it.
_threads = ThreadPoolExecutor(thread_name_prefix="search")


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
    All of it is of one moment, whatever other processes commit meanwhile. Raises DocumentError where another encoder
    made the library's vectors, StorageError, ModelError.
    """
    question = question.strip()[:_MAX_CHARACTERS]
    if not question or k < 1:
        return []
    with interrupts_held():
        import numpy  # noqa: F401 - by one thread, before two need it

    weight = fusion.DENSE_WEIGHTS[fusion.kind_of(question)] if dense_weight is None else dense_weight
    fuse = fusion.min_max if method == "min-max" else fusion.reciprocal_ranks
    limit = max(candidates, k)
    wanted = max(RERANKED, k) if rerank else k
    # The encoder and Chroma compute while SQLite does: none of them holds Python's lock.
    vector = _threads.submit(lambda: encoder.encode_queries([question])[0])
    try:
        for attempt in range(_ATTEMPTS):
            index.line_up(database)
            with suppress(Moved), database.snapshot():
                check_encoder(database, encoder)
                generation = store.generation(database) if attempt + 1 < _ATTEMPTS else None
                kept = kept_by(database, filters)
                dense = _Dense(index, generation, vector, limit, kept)
                bm25, cosines = _scored(database, dense, query_words(question))
                ordered = _passages(database, fuse(bm25, cosines, weight), cosines, bm25, 2 * wanted)
                found = distinct(ordered, wanted) if collapse and not rerank else list(islice(ordered, wanted))
                break
        else:
            raise StorageError("the vector index of the library is made anew again and again", "try again")
    finally:
        wait([vector])
    if rerank:
        found = _reranked(question, found, rerank)
        return distinct(found, k) if collapse else found[:k]
    return found


def check_encoder(database: Database, encoder: Encoder) -> None:
    """Raises DocumentError where another encoder than this made the vectors in the record: their numbers have nothing
    to do with each other."""
    made_by = store.setting(database, store.ENCODER)
    if made_by not in (None, encoder.id) and store.count_chunks(database):
        name = database.path.parent.name
        raise DocumentError(
            f"the library {name!r} was embedded with {made_by}, and this is {encoder.id}: "
            "their vectors cannot be compared",
            f"embed it anew (fireside docs rebuild --library {name}), or set documents.encoder back",
        )


def query_words(question: str) -> list[str]:
    """The words to look for: the content words, or all words where there are no others; each once."""
    words = content_words(question) or all_words(question)
    return list(dict.fromkeys(words))[:_MAX_WORDS]


@dataclass(frozen=True)
class _Dense:
    """The half of a search that compares vectors, in other threads.

    generation: of the record, which Chroma has to be at (`VectorIndex.query`). limit: the chunks wanted. kept: those
    that a filter lets through.
    """

    index: VectorIndex
    generation: int | None
    vector: Future[Vectors]
    limit: int
    kept: Kept | None

    def asked(self, fetched: int) -> Future[list[int]]:
        """The ids of so many chunks nearest to the question, as soon as its vector is there."""
        return _threads.submit(lambda: self.index.query(self.vector.result(), fetched, self.generation))


def _scored(database: Database, dense: _Dense, words: Sequence[str]) -> tuple[dict[int, float], dict[int, float]]:
    """BM25 and cosine of every candidate; one without any of the words has no BM25."""
    kept, limit = dense.kept, dense.limit
    if kept and kept.count == 0:
        return {}, {}
    fetched = 50 + 3 * limit * kept.of_all // (2 * kept.count) if kept else limit
    narrow = kept is not None and (kept.ids is not None or fetched > _OVER_FETCHED)
    asked = None if narrow else dense.asked(fetched)
    terms = full_text.terms_of(database, words)
    named = full_text.candidates(database, terms, limit, kept)
    vectors = store.vectors_of(database, named)
    bm25 = full_text.scores(database, terms, vectors)  # while Chroma computes
    nearest = _nearest(database, dense, asked, fetched)
    others = store.vectors_of(database, [chunk for chunk in nearest if chunk not in vectors])
    bm25 |= full_text.scores(database, terms, others)
    return bm25, _cosines(dense.vector.result(), vectors | others)


def _nearest(database: Database, dense: _Dense, asked: Future[list[int]] | None, fetched: int) -> list[int]:
    """Ids of the chunks nearest to the question, of those that are kept: a few are all compared, of many Chroma names
    more than are wanted. asked: its first answer, of `fetched`."""
    kept, limit = dense.kept, dense.limit
    while asked:
        named = asked.result()
        if kept is None:
            return named
        found = first_kept(database, kept, named, limit)
        if len(found) == min(limit, kept.count) or len(named) < fetched:
            return found
        fetched *= 4
        asked = dense.asked(fetched) if fetched <= _OVER_FETCHED else None
    assert kept is not None
    cosines: dict[int, float] = {}
    ids = all_kept(database, kept)
    for first in range(0, len(ids), _COMPARED_AT_ONCE):
        vectors = store.vectors_of(database, ids[first : first + _COMPARED_AT_ONCE])
        cosines |= _cosines(dense.vector.result(), vectors)
    return sorted(cosines, key=lambda chunk: (-cosines[chunk], chunk))[:limit]


def _cosines(vector: Vectors, vectors: Mapping[int, Vectors]) -> dict[int, float]:
    """The cosine of unit vectors is their product."""
    with interrupts_held():
        import numpy as np

    if not vectors:
        return {}
    products = np.clip(np.stack(list(vectors.values())) @ vector, -1.0, 1.0)
    return dict(zip(vectors, products.tolist(), strict=True))


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
    """The passages in the order of the reranker's scores."""
    texts = ["\n".join([passage.title, *passage.heading, passage.text]) for passage in passages]
    scores = rerank(question, texts)
    order = sorted(range(len(passages)), key=lambda place: -scores[place])
    return [replace(passages[place], rerank=scores[place]) for place in order]
