from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag import ingest, store
from rag.library import Library
from rag.search import query_words, search


def test_stopwords_are_not_searched_for_unless_there_is_nothing_else() -> None:
    assert query_words("Where is the pump, the Pump?") == ["pump"]
    assert query_words("to be or not") == ["to", "be", "or", "not"]


def test_search_finds_the_passage_with_its_exact_place(library: Library, folder: Path) -> None:
    ingest.add(library, [folder], 200)
    first = library.search("when to drain the pump", 2)[0]
    assert first.document == str(folder / "rules.md")
    assert first.text == "Drain the pump before frost."
    assert first.heading == ("Cabin", "Water")
    assert (folder / "rules.md").read_text()[first.start : first.end] == first.text
    assert 0 < first.similarity <= 1
    assert first.bm25 > 0
    assert first.score == 1.0


def test_words_are_found_by_their_stem_and_in_titles_and_headings(library: Library, folder: Path) -> None:
    ingest.add(library, [folder], 200)
    assert library.search("draining pumps", 1)[0].heading == ("Cabin", "Water")
    assert library.search("birds", 1)[0].document == str(folder / "deep" / "birds.html")


def test_no_more_passages_than_there_are_and_none_for_nothing(library: Library, folder: Path) -> None:
    ingest.add(library, [folder], 200)
    assert len(library.search("boat", 50)) == 4
    assert library.search("  ", 5) == []


def test_an_empty_library_finds_nothing(library: Library) -> None:
    assert library.search("anything", 5) == []


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
    | st.sampled_from(['"', "a OR", "NEAR(", "* -x ^", "body:x"])
)
def test_no_query_is_a_syntax_error(library: Library, folder: Path, query: str) -> None:
    if not library.documents():
        ingest.add(library, [folder], 200)
    for found in library.search(query, 3):
        assert 0 <= found.score <= 1


def test_a_reranker_orders_the_best_anew(library: Library, folder: Path) -> None:
    ingest.add(library, [folder], 200)
    seen: list[str] = []

    class ShortestFirst:
        name = "shortest first"

        def __call__(self, question: str, texts: Sequence[str]) -> list[float]:
            seen.extend(texts)
            return [1 / len(text) for text in texts]

    library.rerank = ShortestFirst()
    found = library.search("boat pump", 2)
    assert len(seen) == 4
    assert any(text.endswith("Cabin\nWater\nDrain the pump before frost.") for text in seen)
    assert [passage.rerank for passage in found] == sorted((1 / len(text) for text in seen), reverse=True)[:2]
    library.rerank = None
    assert {passage.start: passage.score for passage in found}.items() <= {
        passage.start: passage.score for passage in library.search("boat pump", 4)
    }.items()


def test_the_parameters_of_a_search_may_be_varied(library: Library, folder: Path) -> None:
    ingest.add(library, [folder], 200)
    with store.opened(library.database) as database:
        varied = partial(search, database, library.index, library.encoder, "drain the pump", 4)
        by_words, by_meaning = varied(dense_weight=0.0), varied(dense_weight=1.0)
        by_rank = varied(method="rrf", dense_weight=0.5)
    assert [passage.score for passage in by_words][1:] == [0.0, 0.0, 0.0]
    assert [passage.similarity for passage in by_meaning] == sorted((p.similarity for p in by_meaning), reverse=True)
    assert by_rank[0] == replace(by_words[0], score=by_rank[0].score)
    assert len({passage.score for passage in by_rank}) == 4
