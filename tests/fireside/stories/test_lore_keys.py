"""Keys of lore in a text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.stories.lore_keys import REGEX_REACH, Scanned, is_regex, regex_problem


@pytest.mark.parametrize(
    ("key", "text", "place"),
    [
        ("anna", "ANNA's boat", (0, 4)),
        ("anna", "Joanna, Annabel", None),
        ("New York", "in new york.", (3, 11)),
        ("-gun", "a -gun", (2, 6)),
        ("straße", "DIE STRASSE", (4, 11)),
        ("ﬁn", "the fin", (4, 7)),
        ("İstanbul", "in İstanbul", (3, 11)),
        ("cafe", "cafe\u0301", None),
        ("猫", "黒猫だ", (1, 2)),
        ("книга", "Книга!", (0, 5)),
        ("", "anything", None),
    ],
)
def test_plain_keys_are_words_in_whatever_case(key: str, text: str, place: tuple[int, int] | None) -> None:
    assert Scanned(text).find(key) == place


def test_case_and_parts_of_words_can_be_asked_for() -> None:
    assert Scanned("The May queen").find("may", case=True) is None
    assert Scanned("The may queen").find("may", case=True) == (4, 7)
    assert Scanned("kingdom").find("king", whole_words=False) == (0, 4)
    assert Scanned("sea and sea").find("sea", 1) == (8, 11)


@pytest.mark.parametrize(
    ("key", "text", "place"),
    [
        (r"/drag(on|oness)/", "a dragoness", (2, 8)),
        (r"/Dragon/i", "a DRAGON", (2, 8)),
        (r"/Dragon/", "a DRAGON", None),
        (r"/a\/b/", "a/b", (0, 3)),
        (r"/^end$/m", "the\nend\n!", (4, 7)),
        (r"/\u00e4rger/i", "Kein ÄRGER", (5, 10)),
        (r"/\u{1F600}+/", "ha 😀😀", (3, 5)),
        (r"/(?<who>Mara|Jon)/", "Jon", (0, 3)),
        (r"/a[^]b/", "a\nb", (0, 3)),
        (r"/x*/", "no", None),
    ],
)
def test_regular_expressions_as_javascript_writes_them(key: str, text: str, place: tuple[int, int] | None) -> None:
    assert is_regex(key)
    assert regex_problem(key) == ""
    assert Scanned(text).find(key) == place


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("/(/", "missing"),
        ("/a(?=b)/", "looks ahead"),
        ("/(?<!b)a/", "ahead or behind"),
        (r"/(a)\1/", "refers back"),
        ("/((a{100}){100}){100}/", "repetition"),
        ("/" + "a" * 5000 + "/", "longer than"),
        ("/.{500}(x|y){500}z/", "too large"),
    ],
)
def test_what_cannot_be_used_says_why_and_is_nowhere(key: str, problem: str) -> None:
    assert problem in regex_problem(key)
    assert Scanned("aaab").find(key) is None


def test_a_key_that_only_looks_like_one_is_plain() -> None:
    assert not is_regex("either/or")
    assert not is_regex("/home/user")
    assert not is_regex("//")
    assert not is_regex("/a/xyz")
    assert Scanned("in /home/user").find("/home/user") == (3, 13)


def test_regular_expressions_that_would_hang_are_done_in_time() -> None:
    """A backtracking engine takes 2 to the power of the text's length for the first two."""
    hostile = ["/(a+)+$/", "/(a|a)*b/", "/(.*)(.*)(.*)(.*)[xy]/", *(f"/.{{{50 + i}}}(x|y){{50}}z/" for i in range(200))]
    scanned = Scanned("a" * 300_000 + "!" + "xy" * 5_000)
    began = time.monotonic()
    for key in hostile:
        scanned.find(key)
    assert time.monotonic() - began < 30


def test_regular_expressions_look_at_the_end_of_a_long_text() -> None:
    assert Scanned("key " + "a" * REGEX_REACH).find("/key/") is None
    assert Scanned("a" * REGEX_REACH + " key").find("/key/") == (REGEX_REACH + 1, REGEX_REACH + 4)


@given(st.text(), st.text(max_size=5), st.booleans(), st.booleans())
def test_a_place_is_within_the_text_and_folds_to_the_key(text: str, key: str, case: bool, whole: bool) -> None:
    found = Scanned(text).find(key, case=case, whole_words=whole)
    if found:
        assert 0 <= found[0] < found[1] <= len(text)
        if not is_regex(key):
            assert key.casefold() in text[found[0] : found[1]].casefold()


@given(st.text(), st.text())
def test_any_regular_expression_is_used_or_refused(pattern: str, text: str) -> None:
    Scanned(text).find(f"/{pattern}/i")
