"""Two lists of scores become one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.fusion import kind_of, min_max, reciprocal_ranks

SCORES = st.dictionaries(st.integers(1, 30), st.floats(-1, 1), max_size=20)


def test_the_best_of_both_searches_comes_first() -> None:
    fused = min_max({1: 8.0, 2: 4.0}, {1: 0.2, 2: 0.6, 3: 0.4}, dense_weight=0.5)
    assert fused == pytest.approx({1: 0.5, 2: 0.75, 3: 0.25})
    assert min_max({}, {7: 0.3}, 0.5) == {7: 0.5}
    assert min_max({}, {}, 0.5) == {}


def test_ranks_count_and_not_scores() -> None:
    fused = reciprocal_ranks({1: 800.0, 2: 4.0}, {2: 0.6, 1: 0.2, 3: 0.1}, dense_weight=0.5, k=1)
    assert fused == pytest.approx({1: 0.5 + 1 / 3, 2: 1 / 3 + 0.5, 3: 0.25})
    assert reciprocal_ranks({1: 1.0}, {1: 0.5}, 0.3) == {1: pytest.approx(1.0)}


@pytest.mark.parametrize("fuse", [min_max, reciprocal_ranks])
@given(SCORES, SCORES, st.floats(0, 1))
def test_a_fused_score_is_between_0_and_1(
    fuse: object, bm25: dict[int, float], cosines: dict[int, float], weight: float
) -> None:
    fused = fuse(bm25, cosines, weight)  # type: ignore[operator]
    assert fused.keys() == cosines.keys()
    assert all(-1e-9 <= score <= 1 + 1e-9 for score in fused.values())


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("birch wood", "keywords"),
        ("the stove", "keywords"),
        ("what", "keywords"),
        ("birch?", "question"),
        ("when is the pump drained", "question"),
        ("Tell me about owls.", "question"),
        ("Owls nest in barns near birch woods every spring.", "claim"),
    ],
)
def test_the_kind_of_a_query(query: str, kind: str) -> None:
    assert kind_of(query) == kind
