"""BM25 over a library's full text, fast where it is large: candidates by the words they hold, then exact scores.

FTS5's `bm25()` scores every chunk that holds any word of the query, at some 2 microseconds each. Where those are many
they are here only ranked by which of the words they hold, rare words counting more. The best, and any others asked for,
then get their exact score, from how often each stem occurs in them (`rag/stems.py`). What that loses is measured:
`benchmarks/search.py --row recall`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fireside.database import Database
from fireside.interrupts import interrupts_held
from rag import stems, store
from rag.filters import Kept, first_kept
from rag.store import CONTEXT_WEIGHT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SCORED_AT_ONCE = 4000
"""Chunks that `bm25()` scores itself: so many, or all those of a query of one or two words, which rank nothing by being
held or not."""

POSTINGS = 60_000
"""Occurrences that are looked at, from the rarest word on: about 0.2 microseconds each. One word is always taken. The
words left out are so common that they weigh next to nothing."""

K1 = 0.4
"""How much a word counts for occurring again in a chunk. Chosen on development data, beside the weights of the fusion
(`rag/fusion.py`): in passages of this length, far less than `bm25()` has it."""

FTS5_K1 = 1.2
"""What `bm25()` has in its place."""

_FEW_TERMS = 4
# The other constants of FTS5's bm25(), https://www.sqlite.org/fts5.html#the_bm25_function.
_B = 0.75
_LEAST_IDF = 1e-6
# The row of FTS5's data table with the number of rows and of tokens in each column; same page, section 10.
_AVERAGES = 1


@dataclass(frozen=True)
class Term:
    """A word of a query as the full text knows it. word: as it was asked; stem: as it is indexed; chunks: in how many
    chunks it occurs."""

    word: str
    stem: str
    chunks: int


def terms_of(database: Database, words: Sequence[str]) -> list[Term]:
    """What is indexed of these words, the rarest first; words of one stem are one, those found nowhere left out."""
    parts = list(dict.fromkeys(part for word in words for part in word.split("'") if part))
    asked: dict[str, str] = {}
    for part, stem in stems.stems(parts):
        asked.setdefault(stem, part)
    rows = database.read(
        "SELECT term, doc FROM vocabulary WHERE term IN (SELECT value FROM json_each(?))", (json.dumps(list(asked)),)
    )
    return sorted((Term(asked[stem], stem, chunks) for stem, chunks in rows), key=lambda term: (term.chunks, term.stem))


def candidates(
    database: Database,
    terms: Sequence[Term],
    limit: int,
    kept: Kept | None = None,
    scored_at_once: int = SCORED_AT_ONCE,
    postings: int = POSTINGS,
) -> list[int]:
    """Ids of up to `limit` chunks, of those that are kept, that fit the terms best, about in their order; where a few
    common words tell them apart badly, of up to twice as many."""
    if not terms:
        return []
    if len(terms) <= 2 or sum(term.chunks for term in terms) <= scored_at_once:
        return _best(database, terms, limit, kept)
    # The fewer the words, the more chunks hold the same of them.
    return _holding_most(database, terms, limit if len(terms) > _FEW_TERMS else 2 * limit, kept, postings)


def scores(database: Database, terms: Sequence[Term], chunks: Iterable[int], k1: float = K1) -> dict[int, float]:
    """The BM25 of these chunks over all terms, higher is better, as FTS5's `bm25()` defines it but for `k1`.

    A chunk that holds none of the terms is left out.
    """
    with interrupts_held():
        import numpy as np

    counts = store.stem_counts(database, chunks)
    if not counts or not terms:
        return {}
    size, mean_length = _size(database)
    found, row = stems.entries(list(counts.values()))
    weighted = CONTEXT_WEIGHT * found["context"] + found["body"]
    lengths = np.bincount(row, weights=np.add(found["context"], found["body"], dtype=np.int64))
    asked = np.array([stems.number_of(term.stem.encode()) for term in terms], dtype=np.uint32)
    order = np.argsort(asked)
    place = np.searchsorted(asked, found["stem"], sorter=order)
    column = order[np.minimum(place, len(asked) - 1)]
    hits = np.flatnonzero(asked[column] == found["stem"])
    frequencies = np.bincount(
        row[hits] * len(terms) + column[hits], weights=weighted[hits], minlength=len(counts) * len(terms)
    )
    cells = np.flatnonzero(frequencies)
    row, column, frequency = cells // len(terms), cells % len(terms), frequencies[cells]
    idf = np.array([_idf(size, term.chunks) for term in terms])
    length = k1 * (1 - _B + _B * lengths[row] / (mean_length or 1.0))
    score = np.bincount(row, weights=idf[column] * frequency * (k1 + 1) / (frequency + length))
    ids = list(counts)
    return {ids[place]: float(score[place]) for place in np.unique(row)}


def _best(database: Database, terms: Sequence[Term], limit: int, kept: Kept | None) -> list[int]:
    """The chunks of the highest BM25, best first."""
    condition, parameters = kept.holds("full_text.rowid") if kept else ("true", ())
    rows = database.read(
        f"SELECT rowid, bm25(full_text, {CONTEXT_WEIGHT}, 1.0) AS score FROM full_text "
        f"WHERE full_text MATCH ? AND {condition} ORDER BY score, rowid LIMIT ?",
        (" OR ".join(_quoted(term) for term in terms), *parameters, limit),
    )
    return [chunk for chunk, _ in rows]


def _holding_most(database: Database, terms: Sequence[Term], limit: int, kept: Kept | None, postings: int) -> list[int]:
    """The chunks that hold most of the terms, each term weighted by its rarity (the `idf` of BM25)."""
    with interrupts_held():
        import numpy as np

    count, _ = _size(database)
    holding: list[NDArray[np.int64]] = []
    weights: list[NDArray[np.float64]] = []
    for term in terms:
        if holding and (postings := postings - term.chunks) < 0:
            break
        # One string is faster to fetch than thousands of rows.
        ((ids,),) = database.read("SELECT group_concat(rowid) FROM full_text WHERE full_text MATCH ?", (_quoted(term),))
        holding.append(np.fromstring(ids or "", dtype=np.int64, sep=","))
        weights.append(np.full(len(holding[-1]), _idf(count, term.chunks)))
    chunks, places = np.unique(np.concatenate(holding), return_inverse=True)
    rank = np.bincount(places, weights=np.concatenate(weights))
    if kept and kept.ids is not None:
        inside = np.isin(chunks, kept.ids)
        chunks, rank = chunks[inside], rank[inside]
    order = chunks[np.argsort(-rank, kind="stable")]
    if not kept or kept.ids is not None:
        return [int(chunk) for chunk in order[:limit]]
    return first_kept(database, kept, (int(chunk) for chunk in order), limit)


def _quoted(term: Term) -> str:
    """The word as FTS5 takes it, none of its characters an operator."""
    return '"' + term.word + '"'


def _size(database: Database) -> tuple[int, float]:
    """How many chunks the full text holds, and their mean length in tokens."""
    ((averages,),) = database.read("SELECT block FROM full_text_data WHERE id = ?", (_AVERAGES,))
    count, *tokens = _varints(averages) or [0]
    return count, sum(tokens) / max(count, 1)


def _idf(count: int, chunks: int) -> float:
    """The weight of a term that occurs in `chunks` of `count` chunks.

    Another program may have removed some between the two counts, so that there seem to be more of the former.
    """
    return max(math.log((max(count - chunks, 0) + 0.5) / (chunks + 0.5)), _LEAST_IDF)


def _varints(record: bytes) -> list[int]:
    """SQLite's numbers of variable length (https://www.sqlite.org/fileformat.html#varint), those below 2**56."""
    numbers, number = [], 0
    for byte in record:
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            numbers.append(number)
            number = 0
    return numbers
