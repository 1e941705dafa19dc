"""The scores of search and answers agree with their definitions, computed in the plainest way."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.evaluate import (
    Span,
    character_precision,
    character_recall,
    citation_correctness,
    intersection_over_union,
    ndcg,
    percentile,
    reciprocal_rank,
    refusal_scores,
    spans_of,
)
from rag.types import Citation, Passage

spans = st.lists(
    st.builds(
        lambda document, start, length: Span(document, start, start + length),
        st.sampled_from("ab"),
        st.integers(0, 30),
        st.integers(0, 12),
    ),
    max_size=6,
)
names = st.lists(st.sampled_from("abcdef"), max_size=12)
grades = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3).map(float), max_size=6)


def characters(some: list[Span]) -> set[tuple[str, int]]:
    return {(span.document, at) for span in some for at in range(span.start, span.end)}


@given(spans, spans)
def test_shares_of_characters_are_those_of_sets(references: list[Span], found: list[Span]) -> None:
    wanted, given = characters(references), characters(found)
    both, either = wanted & given, wanted | given
    assert character_recall(references, found) == pytest.approx(len(both) / len(wanted) if wanted else 1)
    assert character_precision(references, found) == pytest.approx(len(both) / len(given) if given else 0)
    assert intersection_over_union(references, found) == pytest.approx(len(both) / len(either) if either else 1)


@given(spans, spans, spans)
def test_more_passages_never_find_less(references: list[Span], found: list[Span], more: list[Span]) -> None:
    assert character_recall(references, found + more) >= character_recall(references, found)
    assert character_recall(references, references) == 1


@given(names, grades, st.integers(1, 12))
def test_ndcg_is_1_for_the_ideal_order_alone(ranked: list[str], relevance: dict[str, float], k: int) -> None:
    score = ndcg(ranked, relevance, k)
    assert 0 <= score <= 1 + 1e-12
    ideal = sorted(relevance, key=lambda name: -relevance[name])
    assert ndcg(ideal, relevance, k) == pytest.approx(1 if any(relevance.values()) else 0)
    first = list(dict.fromkeys(ranked))
    in_order = [relevance.get(name, 0) for name in first[:k]] == [relevance[name] for name in ideal[:k]]
    if in_order and any(relevance.values()):
        assert score == pytest.approx(1)
    assert ndcg(first, relevance, k) == score


def test_ndcg_by_hand() -> None:
    relevance = {"a": 3.0, "b": 1.0, "c": 2.0}
    gained = 1 / math.log2(2) + 3 / math.log2(4)
    assert ndcg(["b", "x", "a", "c"], relevance, 3) == pytest.approx(
        gained / (3 / math.log2(2) + 2 / math.log2(3) + 1 / math.log2(4))
    )
    assert ndcg([], relevance) == ndcg(["x"], relevance) == ndcg(["a"], {}) == 0


@given(names, grades)
def test_swapping_a_better_document_forward_never_lowers_ndcg(ranked: list[str], relevance: dict[str, float]) -> None:
    order = list(dict.fromkeys(ranked))
    for place in range(len(order) - 1):
        if relevance.get(order[place + 1], 0) > relevance.get(order[place], 0):
            swapped = [*order[:place], order[place + 1], order[place], *order[place + 2 :]]
            assert ndcg(swapped, relevance, 6) >= ndcg(order, relevance, 6)


@given(names, grades)
def test_reciprocal_rank_is_that_of_the_first_relevant(ranked: list[str], relevance: dict[str, float]) -> None:
    order = list(dict.fromkeys(ranked))
    hits = [place for place, name in enumerate(order, start=1) if relevance.get(name, 0) > 0]
    assert reciprocal_rank(ranked, relevance) == (1 / hits[0] if hits else 0)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=20))
def test_refusals_are_counted(decisions: list[tuple[bool, bool]]) -> None:
    precision, recall = refusal_scores([each for each, _ in decisions], [lacks for _, lacks in decisions])
    right = sum(each and lacks for each, lacks in decisions)
    assert precision * sum(each for each, _ in decisions) == pytest.approx(right)
    assert recall * sum(lacks for _, lacks in decisions) == pytest.approx(right)
    assert 0 <= precision <= 1
    assert 0 <= recall <= 1


def test_decisions_and_questions_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="1 decisions for 0 questions"):
        refusal_scores([True], [])


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=30), st.floats(0, 1))
def test_percentiles_lie_among_the_values(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert min(values) - 1e-9 <= found <= max(values) * (1 + 1e-12)
    assert (percentile(values, 0), percentile(values, 1)) == (min(values), max(values))
    assert sum(value <= found * (1 + 1e-12) + 1e-9 for value in values) >= share * (len(values) - 1)


def test_the_median_and_no_values() -> None:
    assert percentile([4, 1, 3, 2], 0.5) == 2.5
    assert percentile([], 0.5) == 0


def test_a_citation_is_correct_where_its_quote_is_the_documents() -> None:
    def cited(document: str, start: int, end: int, quote: str) -> Citation:
        return Citation(1, document, start, end, None, (), quote, True)

    texts = {"a.md": "warm fire"}
    right = cited("a.md", 5, 9, "fire")
    wrong = [cited("a.md", 4, 8, "fire"), cited("b.md", 5, 9, "fire"), cited("a.md", 5, 5, "")]
    assert citation_correctness([right], texts) == citation_correctness([], texts) == 1
    assert citation_correctness([right, *wrong], texts) == 0.25


def test_spans_are_cut_to_a_budget_of_characters() -> None:
    def passage(start: int, end: int) -> Passage:
        return Passage("a.md", "a", start, end, "x" * (end - start), None, (), 1, 1, 1)

    found = [passage(0, 10), passage(40, 50), passage(20, 30)]
    assert spans_of(found) == [Span("a.md", 0, 10), Span("a.md", 40, 50), Span("a.md", 20, 30)]
    assert spans_of(found, 14) == [Span("a.md", 0, 10), Span("a.md", 40, 44)]
    assert spans_of(found, 10) == [Span("a.md", 0, 10)]
