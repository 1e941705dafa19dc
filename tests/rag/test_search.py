from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag import ingest
from rag.library import Library
from rag.relevance import bears_on, evidence
from rag.search import fuse, query_words
from rag.types import Passage


def passage(text: str, similarity: float = 0.5, **given: object) -> Passage:
    fields: dict[str, object] = {"document": "a.md", "title": "a", "start": 0, "end": len(text), "page": None}
    return Passage(**{**fields, "heading": (), "score": 1.0, "bm25": 0.0, **given}, text=text, similarity=similarity)  # type: ignore[arg-type]


def test_the_best_of_both_searches_comes_first() -> None:
    fused = fuse({1: 8.0, 2: 4.0}, {1: 0.2, 2: 0.6, 3: 0.4}, dense_weight=0.5)
    assert fused == pytest.approx({1: 0.5, 2: 0.75, 3: 0.25})
    assert fuse({}, {7: 0.3}, 0.5) == {7: 0.5}
    assert fuse({}, {}, 0.5) == {}


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


def test_evidence_joins_meaning_and_words() -> None:
    found = [passage("Drain the pump before frost.", 0.5), passage("The owl nests.", 0.1)]
    assert evidence("When is the pump drained?", found) == pytest.approx(0.8 * 0.5 + 0.2 * 1.0)


def test_what_bears_on_nothing_is_told_apart() -> None:
    found = [passage("Drain the pump before frost.", 0.12)]
    assert not bears_on("Who won the chess match?", found)
    assert not bears_on("Is the pump drained?", [])
    assert bears_on("Is the pump drained?", [passage("Drain the pump before frost.", 0.6)])


def test_a_question_about_the_document_itself_is_answerable() -> None:
    assert bears_on("Summarize this document.", [passage("Drain the pump.", 0.05)])
