"""Passages grow to their section or their neighbours, never beyond the budget, and their spans stay exact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag import ingest
from rag.expand import expand
from rag.library import Library
from rag.types import Chunk, Document, Passage

PARAGRAPHS = [("A", "a1 a a"), ("A", "a2 a a"), ("A", "a3 a a"), ("B", "b1 b"), ("B", "b2 b b b"), ("C", "c1")]


def made(paragraphs: Sequence[tuple[str, str]]) -> tuple[Document, list[Chunk]]:
    chunks, text = [], ""
    for heading, paragraph in paragraphs:
        chunks.append(Chunk(len(text), len(text) + len(paragraph), paragraph, None, (heading,)))
        text += f"{paragraph}\n\n"
    return Document("a.md", "a", text, ()), chunks


def count_words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def found(chunk: Chunk) -> Passage:
    return Passage("a.md", "a", chunk.start, chunk.end, chunk.text, None, chunk.heading, 1.0, 1.0, 1.0)


def texts(places: Sequence[int], budget: int) -> list[str]:
    document, chunks = made(PARAGRAPHS)
    passages = [found(chunks[place]) for place in places]
    return [each.text for each in expand(passages, {"a.md": document}, {"a.md": chunks}, budget, count_words)]


def test_a_section_that_fits_comes_whole() -> None:
    assert texts([1], 9) == ["a1 a a\n\na2 a a\n\na3 a a"]
    assert texts([3], 6) == ["b1 b\n\nb2 b b b"]


def test_neighbours_come_where_the_section_is_too_long() -> None:
    assert texts([1], 7) == ["a2 a a\n\na3 a a"]
    assert texts([2], 6) == ["a2 a a\n\na3 a a"]
    assert texts([2], 5) == ["a3 a a"]
    assert texts([1], 3) == ["a2 a a"]


def test_another_page_or_heading_is_not_taken() -> None:
    document, chunks = made([("A", "a1"), ("A", "a2"), ("A", "a3"), ("B", "b1")])
    chunks = [replace(chunk, page=page) for chunk, page in zip(chunks, (1, 1, 2, 2), strict=True)]
    found_here = [replace(found(chunk), page=chunk.page) for chunk in (chunks[0], chunks[2])]
    grown = expand(found_here, {"a.md": document}, {"a.md": chunks}, 99, count_words)
    assert [(each.text, each.page) for each in grown] == [("a1\n\na2", 1), ("a3", 2)]


def test_the_best_passage_takes_first_and_swallows_later_ones() -> None:
    assert texts([1, 2], 9) == ["a2 a a\n\na3 a a"]
    assert texts([1, 2], 12) == ["a1 a a\n\na2 a a\n\na3 a a"]
    assert texts([0, 5], 4) == ["a1 a a", "c1"]
    assert texts([0, 5], 1) == ["a1 a a", "c1"]


def test_what_is_not_there_is_kept_as_it_is() -> None:
    document, chunks = made(PARAGRAPHS)
    passage = found(chunks[1])
    assert expand([passage], {}, {}, 99, count_words) == [passage]
    assert expand([passage], {"a.md": document}, {"a.md": chunks[2:]}, 99, count_words) == [passage]
    assert expand([], {}, {}, 99, count_words) == []


@given(
    st.lists(st.tuples(st.sampled_from("AB"), st.text("ab ", min_size=1, max_size=9)), min_size=1, max_size=12),
    st.data(),
    st.integers(0, 30),
)
def test_spans_are_exact_apart_and_within_the_budget(
    paragraphs: list[tuple[str, str]], data: st.DataObject, budget: int
) -> None:
    document, chunks = made(paragraphs)
    places = data.draw(st.lists(st.sampled_from(range(len(chunks))), unique=True, min_size=1, max_size=5))
    given_tokens = sum(count_words([chunks[place].text for place in places]))
    grown = expand(
        [found(chunks[place]) for place in places], {"a.md": document}, {"a.md": chunks}, budget, count_words
    )
    assert sum(count_words([each.text for each in grown])) <= max(budget, given_tokens)
    covered: set[int] = set()
    for each in grown:
        assert each.text == document.text[each.start : each.end]
        assert not covered & set(range(each.start, each.end))
        covered |= set(range(each.start, each.end))
    assert all(set(range(chunks[place].start, chunks[place].end)) <= covered for place in places)


@pytest.mark.usefixtures("read_here")
def test_passages_of_a_library_grow(library: Library, tmp_path: Path) -> None:
    lines = "\n\n".join(f"Owl {number} " + "hoots " * 60 for number in range(5))
    (tmp_path / "owls.md").write_text(f"# Owls\n\n{lines}\n\n# Boats\n\nA boat.\n")
    ingest.add(library, [tmp_path / "owls.md"], 150)
    (passage,) = library.search("owl 3", 1)
    (grown,) = library.expand([passage], 2000)
    assert grown.text == (tmp_path / "owls.md").read_text()[grown.start : grown.end]
    assert grown.text.startswith("Owl 0")
    assert "Owl 4" in grown.text
    assert "boat" not in grown.text
    assert grown.score == passage.score
