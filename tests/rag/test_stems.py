"""What is kept of how often each word stands in a chunk gives the same BM25 as its text does, for old libraries too."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fireside.database import Database
from rag import full_text, stems, store
from rag.full_text import Term, terms_of
from rag.library import Library
from rag.schema import APPLICATION_ID, MIGRATIONS
from rag.types import Chunk, Document

PIECES = [
    "running",
    "runs",
    "wells",
    "Ärzte",
    "arzte",
    "naïve",
    "日本語",
    "x-ray",
    "bana's",
    "3.14",
    "a",
    "\0",
    "\U0001f525",
]


def text_of(drawn: random.Random, words: int) -> str:
    made = ["".join(drawn.choices("abcdefgäß", k=drawn.randint(1, 9))) for _ in range(20)]
    return " ".join(drawn.choices([*PIECES, *made], k=words))


def put(database: Database, path: str, texts: list[str], contexts: list[str]) -> None:
    cut = [Chunk(0, len(text), text, None, ()) for text in texts]
    keys = [f"{path} {place}" for place in range(len(texts))]
    vectors = [np.zeros(384, np.float32)] * len(texts)
    store.put(database, Document(path, "", "", ()), cut, contexts, keys, vectors, "", -1, 0.0, "", "bag")


def by_the_text(database: Database, terms: list[Term], chunks: list[int], k1: float) -> dict[int, float]:
    """BM25 as FTS5's page defines it, every word of every chunk cut anew by SQLite, one chunk at a time."""
    count, mean = full_text._size(database)
    found = {}
    for chunk in chunks:
        ((context, body),) = database.read("SELECT context, body FROM full_text WHERE rowid = ?", (chunk,))
        cut = {column: [stem for _, stem in stems.stems([text])] for column, text in (("c", context), ("b", body))}
        length = len(cut["c"]) + len(cut["b"])
        total, held = 0.0, False
        for term in terms:
            frequency = cut["b"].count(term.stem) + store.CONTEXT_WEIGHT * cut["c"].count(term.stem)
            held |= frequency > 0
            if frequency:
                weight = frequency * (k1 + 1) / (frequency + k1 * (0.25 + 0.75 * length / mean))
                total += full_text._idf(count, term.chunks) * weight
        if held:
            found[chunk] = total
    return found


@pytest.mark.parametrize("seed", range(6))
def test_the_scores_are_those_of_the_text(library: Library, seed: int) -> None:
    drawn = random.Random(seed)
    with store.opened(library.database) as database:
        for document in range(3):
            texts = [text_of(drawn, drawn.choice([0, 1, 40, 200])) for _ in range(8)]
            put(database, f"/{document}", texts, [text_of(drawn, drawn.randint(0, 6)) for _ in texts])
        words = [word for _, _, body in store.texts_after(database, 0, 99) for word in body.split()]
        terms = terms_of(database, drawn.sample(words, 12))
        ids = store.generation_and_ids(database)[1]
        for k1 in (0.0, full_text.K1, full_text.FTS5_K1):
            expected = by_the_text(database, terms, ids, k1)
            assert full_text.scores(database, terms, [*ids, 10**6], k1) == pytest.approx(expected, rel=1e-12)


def test_a_word_may_occur_more_often_than_one_entry_says(library: Library) -> None:
    with store.opened(library.database) as database:
        put(database, "/a", ["fire " * 700 + "well", "well"], ["fire " * 300, ""])
        terms = terms_of(database, ["fire"])
        assert full_text.scores(database, terms, [1, 2]) == pytest.approx(
            by_the_text(database, terms, [1, 2], full_text.K1), rel=1e-12
        )
    made, places = stems.entries(stems.counted([("fire " * 300, "fire " * 700), ("", ""), ("", "well")]))
    assert list(made["context"]) == [255, 45, 0, 0]
    assert list(made["body"]) == [255, 255, 190, 1]
    assert list(places) == [0, 0, 0, 2]


def test_the_texts_of_a_long_document_are_counted_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, at_once = random.Random(0), []
    texts = [(text_of(drawn, 3), text_of(drawn, drawn.choice([0, 30]))) for _ in range(50)]
    whole, tokenized = stems.counted(texts), stems._tokenized

    def noted(rows: Iterable[tuple[int, str, str]]) -> Any:
        listed = list(rows)
        at_once.append(len(listed))
        return tokenized(listed)

    monkeypatch.setattr(stems, "_tokenized", noted)
    monkeypatch.setattr(stems, "_COUNTED_AT_ONCE", 20)
    assert stems.counted(texts) == whole
    assert at_once == [20, 20, 10]


def test_counts_go_with_their_chunk(library: Library) -> None:
    with store.opened(library.database) as database:
        put(database, "/a", ["one two", "three"], ["", ""])
        put(database, "/a", ["four"], [""])
        assert [chunk for (chunk,) in database.read("SELECT chunk FROM stem_counts")] == [3]
        store.remove(database, ["/a"])
        assert database.read("SELECT * FROM stem_counts") == []


def test_a_library_of_before_is_counted_as_it_is_searched_and_for_good_at_the_next_ingest(tmp_path: Path) -> None:
    library = Library(tmp_path)
    old = Database(library.database, application_id=APPLICATION_ID, migrations=MIGRATIONS[:3])
    drawn = random.Random(0)
    with old.transaction() as connection:
        connection.execute(
            "INSERT INTO documents (path, title, text, blocks, sha256, mtime, recipe) "
            "VALUES ('/a', '', '', '', '', 0, '')"
        )
        for _ in range(1200):
            connection.execute("INSERT INTO chunks (document, start, stop, heading) VALUES (1, 0, 0, '[]')")
            connection.execute("INSERT INTO full_text VALUES ('at the well', ?)", (f"{text_of(drawn, 9)} well",))
    old.close()
    with store.opened(library.database) as database:
        ids = store.generation_and_ids(database)[1]
        terms = terms_of(database, ["well", "naïve", "runs"])
        before = full_text.scores(database, terms, ids)
        assert before == pytest.approx(by_the_text(database, terms, ids, full_text.K1), rel=1e-12)
        assert database.read("SELECT count(counts) FROM stem_counts")[0][0] == 0
        put(database, "/b", ["new words"], [""])
        store.remove(database, ["/b"])
        store.count_stems(database)
        assert database.read("SELECT count(*), count(counts) FROM stem_counts")[0][:] == (1200, 1200)
        with database.transaction() as connection:  # an older program, still running, leaves no place for them
            connection.execute("DELETE FROM stem_counts WHERE chunk % 2")
        store.count_stems(database)
        assert database.read("SELECT count(*), count(counts) FROM stem_counts")[0][:] == (1200, 1200)
        assert full_text.scores(database, terms, ids) == before
