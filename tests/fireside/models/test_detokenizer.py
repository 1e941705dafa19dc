from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.models.detokenizer import Detokenizer


def pieces(data: bytes, cuts: list[int], stop: list[str]) -> tuple[list[str], Detokenizer]:
    borders = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    detokenizer = Detokenizer(stop)
    shown = [detokenizer.push(data[begin:end]) for begin, end in pairwise(borders)]
    return [*shown, detokenizer.close()], detokenizer


@given(st.binary(max_size=60) | st.text(max_size=30).map(str.encode), st.lists(st.integers(0, 80), max_size=20))
def test_any_bytes_cut_anywhere_are_decoded_like_the_whole(data: bytes, cuts: list[int]) -> None:
    shown, detokenizer = pieces(data, cuts, [])
    assert "".join(shown) == data.decode("utf-8", "replace")
    assert not detokenizer.stopped


@given(
    st.text("abé🔥x", max_size=30),
    st.lists(st.integers(0, 90), max_size=20),
    st.sampled_from(["ab", "aab", "🔥é", "x"]),
)
def test_text_ends_exactly_before_the_stop_string_and_never_shows_a_part_of_it(
    text: str, cuts: list[int], stop: str
) -> None:
    shown, detokenizer = pieces(text.encode(), cuts, [stop])
    assert "".join(shown) == text.split(stop)[0]
    assert detokenizer.stopped == (stop in text)
    written = ""
    for piece in shown:
        written += piece
        assert text.split(stop)[0].startswith(written)


def test_the_first_of_several_stop_strings_counts() -> None:
    detokenizer = Detokenizer(["END", "\n\n", ""])
    assert detokenizer.push(b"one\n") == "one"
    assert detokenizer.push(b"two EN") == "\ntwo "
    assert detokenizer.push(b"D more\n\n") == ""
    assert detokenizer.stopped
    assert detokenizer.push(b"after") == ""
    assert detokenizer.close() == ""


def test_what_was_held_for_a_stop_string_that_did_not_come_is_shown_at_the_end() -> None:
    detokenizer = Detokenizer(["END"])
    assert detokenizer.push(b"the EN") == "the "
    assert detokenizer.close() == "EN"


def test_a_character_cut_in_two_is_shown_whole() -> None:
    detokenizer = Detokenizer()
    fire = "🔥".encode()
    assert [detokenizer.push(fire[index : index + 1]) for index in range(4)] == ["", "", "", "🔥"]
    assert Detokenizer().push(b"\xff") == "\ufffd"


@pytest.mark.parametrize("tail", [b"\xf0\x9f", b"\xe2"])
def test_a_character_that_never_becomes_whole(tail: bytes) -> None:
    detokenizer = Detokenizer()
    assert detokenizer.push(b"fire" + tail) == "fire"
    assert detokenizer.close() == "\ufffd"
