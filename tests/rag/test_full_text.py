"""The short cut through the full text gives the scores of FTS5's own bm25(), and the same first chunks."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from fireside.database import Database
from rag import full_text, store
from rag.filters import Filters, kept_by
from rag.full_text import candidates, scores, terms_of
from rag.library import Library
from rag.types import Chunk, Document

WORDS = [f"{a}{b}{c}" for a in "bdfgk" for b in ("ana", "oli", "ute") for c in ("ner", "ling", "ing", "s")]


@pytest.fixture
def database(library: Library) -> Iterator[Database]:
    """300 chunks of random length; words of low rank are common. Every third document is a .md."""
    import numpy as np

    drawn = random.Random(0)
    weights = [1 / rank for rank in range(1, len(WORDS) + 1)]
    with store.opened(library.database) as database:
        for number in range(30):
            texts = [" ".join(drawn.choices(WORDS, weights, k=drawn.randint(5, 60))) for _ in range(10)]
            path = f"/papers/{number}.{'md' if number % 3 == 0 else 'txt'}"
            cut = [Chunk(0, len(text), text, None, ()) for text in texts]
            vectors = [np.zeros(384, np.float32)] * 10
            keys = [f"{number} {place}" for place in range(10)]
            contexts = [drawn.choice(WORDS)] * 10
            store.put(database, Document(path, "", "", ()), cut, contexts, keys, vectors, "", -1, 0.0, "", "bag")
        yield database


def by_sqlite(database: Database, words: list[str]) -> dict[int, float]:
    match = " OR ".join(f'"{word}"' for word in words)
    rows = database.read(
        "SELECT rowid, -bm25(full_text, ?, 1.0) FROM full_text WHERE full_text MATCH ? ORDER BY 2 DESC, 1",
        (store.CONTEXT_WEIGHT, match),
    )
    return dict(map(tuple, rows))


@pytest.mark.parametrize("seed", range(5))
def test_scores_are_those_of_bm25(database: Database, seed: int) -> None:
    asked = random.Random(seed).sample(WORDS, 6)
    terms = terms_of(database, asked)
    expected = by_sqlite(database, [term.word for term in terms])
    assert scores(database, terms, [*expected, 10**9], full_text.FTS5_K1) == pytest.approx(expected)


@pytest.mark.parametrize("count", [1, 2, 6])
def test_the_candidates_are_the_best_chunks(database: Database, count: int) -> None:
    terms = terms_of(database, random.Random(count).sample(WORDS, count))
    assert candidates(database, terms, 20) == list(by_sqlite(database, [term.word for term in terms]))[:20]


def test_where_many_chunks_hold_a_word_most_of_the_best_are_candidates(database: Database) -> None:
    found = []
    for seed in range(20):
        terms = terms_of(database, random.Random(seed).sample(WORDS, 6))
        best = list(by_sqlite(database, [term.word for term in terms]))[:10]
        found.append(len(set(best) & set(candidates(database, terms, 50, scored_at_once=0))) / 10)
    assert sum(found) / len(found) > 0.8


def test_words_of_one_stem_are_one_term_and_unknown_ones_none(database: Database) -> None:
    (term,) = terms_of(database, ["banas", "bana's", "bana", "unheardof", "日本", ""])
    assert (term.word, term.stem) == ("banas", "bana")
    assert term.chunks == len(by_sqlite(database, ["banas"]))
    assert terms_of(database, []) == []
    assert candidates(database, [], 9) == []
    assert scores(database, [], [1]) == {}


def test_the_rarest_words_are_looked_at_first(database: Database) -> None:
    terms = terms_of(database, WORDS)
    assert [term.chunks for term in terms] == sorted(term.chunks for term in terms)
    one = candidates(database, terms, 300, scored_at_once=0, postings=0)
    assert set(one) == set(by_sqlite(database, [terms[0].word]))


@pytest.mark.parametrize("scored_at_once", [0, 4000])
def test_candidates_of_a_filter_are_all_inside_it(
    database: Database, monkeypatch: pytest.MonkeyPatch, scored_at_once: int
) -> None:
    terms = terms_of(database, WORDS[:4])
    inside = set(by_sqlite(database, [term.word for term in terms]))
    markdown = database.read(
        "SELECT chunks.id FROM chunks JOIN documents ON documents.id = document WHERE path LIKE '%.md'"
    )
    few = candidates(database, terms, 300, kept_by(database, Filters(types=("md",))), scored_at_once)
    monkeypatch.setattr("rag.filters.FEW_CHUNKS", 0)
    many = candidates(database, terms, 300, kept_by(database, Filters(types=("md",))), scored_at_once)
    assert few == many
    assert set(few) == inside & {chunk for (chunk,) in markdown}


def test_numbers_of_variable_length_are_read() -> None:
    # https://www.sqlite.org/fileformat.html#varint
    assert full_text._varints(bytes([0x05, 0x81, 0x00, 0x82, 0x80, 0x01])) == [5, 128, 32769]
