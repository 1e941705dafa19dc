from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fireside.models.gguf.lookup import Guessing, Pace, PromptLookup
from fireside.prefix import common_prefix

TOKENS = st.lists(st.integers(0, 3), max_size=60)


def searched(tokens: list[int]) -> int | None:
    """Where the last three tokens were before, found the slow way: the place behind the newest occurrence."""
    places = [place for place in range(3, len(tokens)) if tokens[place - 3 : place] == tokens[-3:]]
    return max(places, default=None)


@given(TOKENS, TOKENS)
def test_a_guess_is_what_followed_the_newest_place_where_the_last_tokens_were(
    prompt: list[int], reply: list[int]
) -> None:
    lookup = PromptLookup(prompt)
    for token in reply:
        lookup.extend([token])
    tokens = [*prompt, *reply]
    place = searched(tokens)
    guessed, matched = lookup.guess(5)
    if place is None:
        assert (guessed, matched) == ([], 0)
        return
    assert guessed == tokens[place : place + 5]
    assert 3 <= matched <= 16
    assert tokens[place - matched : place] == tokens[-matched:]


def paced(costs: dict[int, float]) -> Pace:
    pace = Pace()
    for rows, seconds in costs.items():
        pace.observe(rows, seconds)
    return pace


CHEAP = {1: 1.0, 3: 1.2, 5: 1.5, 9: 2.0, 13: 2.5, 17: 3.0}
DEAR = {rows: float(rows) for rows in CHEAP}


def test_guesses_are_long_where_batches_are_cheap_and_none_where_they_cost_what_single_tokens_do() -> None:
    assert Guessing(paced(CHEAP)).length(12) >= 8
    assert Guessing(paced(DEAR)).length(12) == 0


def test_guesses_that_fail_end_and_are_tried_again_later() -> None:
    guessing = Guessing(paced(CHEAP))
    assert guessing.length(3) > 0
    for _ in range(20):
        guessing.observe(3, 4, 0)
    assert guessing.length(3) == 0
    # Longer matches are judged by themselves.
    assert guessing.length(12) >= 8
    assert any(guessing.length(3) for _ in range(200))


def test_the_pace_is_a_running_mean_and_begins_with_an_estimate() -> None:
    pace = Pace()
    assert pace.cost(1) == 1
    assert 1 < pace.cost(5) < 5
    pace = paced({1: 0.010, 9: 0.040})
    assert pace.cost(9) == 4
    for _ in range(60):
        pace.observe(9, 0.020)
    assert 1.9 < pace.cost(9) < 2.1


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_the_common_prefix(one: list[int], other: list[int]) -> None:
    length = common_prefix(one, other)
    assert one[:length] == other[:length]
    assert length == min(len(one), len(other)) or one[length] != other[length]
