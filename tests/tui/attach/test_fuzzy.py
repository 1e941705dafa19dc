"""How letters fit a path: found exactly where they stand in order, names before folders, in bounded time."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from tui.attach.fuzzy import best, score

_PATHS = st.text("abcA/._- é", min_size=1, max_size=30)


def _stands_in_order(query: str, path: str) -> bool:
    letters = iter(path.lower())
    return all(letter in letters for letter in query.lower())


@given(st.text("abcé/", min_size=1, max_size=5), _PATHS)
def test_found_exactly_where_its_letters_stand_in_this_order(query: str, path: str) -> None:
    assert (score(query, path) is not None) == _stands_in_order(query, path)


@given(st.lists(_PATHS, unique=True), st.text("abc", min_size=1, max_size=4), st.integers(1, 5))
def test_the_best_are_ordered_by_their_score_and_none_better_is_left_out(
    paths: list[str], query: str, count: int
) -> None:
    found = best(query, paths, count)
    scores = [points for path in found if (points := score(query, path)) is not None]
    assert scores == sorted(scores, reverse=True)
    assert len(found) == min(count, sum(_stands_in_order(query, path) for path in paths))
    others = [points for path in paths if path not in found and (points := score(query, path)) is not None]
    assert not others or max(others) <= min(scores)


def test_a_name_comes_before_a_folder_and_a_beginning_before_a_middle() -> None:
    paths = ["session/other.py", "tui/obsession.py", "tui/session.py", "tests/tui/test_chat_session.py"]
    assert best("session", paths, 4)[0] == "tui/session.py"
    assert best("tcs", paths, 4) == ["tests/tui/test_chat_session.py"]


def test_many_equal_letters_take_no_time() -> None:
    begun = time.perf_counter()
    score("a" * 40, "a/" * 2000)
    score("a" * 40 + "b", "a/" * 2000)
    assert time.perf_counter() - begun < 0.5
