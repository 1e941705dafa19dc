"""How files are named in a message, and what counts as one dropped file."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.attach.mentions import being_written, mention_of, mentions, pasted_path


def _longest(text: str) -> list[str]:
    return [readings[0].path for readings in mentions(text)]


@given(
    st.text(
        st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters='"'), min_size=1, max_size=200
    )
)
def test_a_path_that_is_named_is_read_again(path: str) -> None:
    assert _longest(f"Look at {mention_of(path)} please") == [path]


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    mentions(text)
    being_written(text)
    pasted_path(text)


def test_strange_texts_take_no_time() -> None:
    begun = time.perf_counter()
    for text in ("(@" * 100_000, "@a" + ")" * 200_000, "@a " * 100_000, '@"' * 100_000, "@(" * 100_000):
        assert len(mentions(text)) <= 100
        being_written(text)
        pasted_path(text)
    assert time.perf_counter() - begun < 2


def test_names_stand_alone_and_an_address_is_none() -> None:
    assert _longest("a@b.example, see (@x.py) and\n@y") == ["x.py)", "y"]
    assert [[each.path for each in readings] for readings in mentions("See @notes.md.")] == [["notes.md.", "notes.md"]]


@pytest.mark.parametrize(
    ("before", "expected"),
    [("see @sr", (4, "sr")), ("@", (0, "")), ('@"my fi', (0, "my fi")), ("a@b", None), ("@a b", None), ("", None)],
)
def test_the_name_that_is_being_written(before: str, expected: tuple[int, str] | None) -> None:
    assert being_written(before) == expected


@pytest.mark.parametrize(
    ("pasted", "path"),
    [
        ("/a/b.txt\n", "/a/b.txt"),
        ("'/a/my file.txt' ", "/a/my file.txt"),
        (r"/a/my\ file.txt", "/a/my file.txt"),
        ("/a/my file.txt", "/a/my file.txt"),
        ("file:///a/my%20file.txt", "/a/my file.txt"),
        ("~/x", "~/x"),
        ("see /a/b.txt", None),
        ("/a\n/b", None),
        ("it's", None),
        ("", None),
    ],
)
def test_one_dropped_file(pasted: str, path: str | None) -> None:
    assert pasted_path(pasted) == path
