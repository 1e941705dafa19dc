from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fireside.models.gguf.bans import HELD_BACK, PhraseBans

PIECES = st.lists(st.text("abAB ", min_size=1, max_size=3).map(str.encode), max_size=30)


@given(PIECES, st.lists(st.text("abAB ", min_size=1, max_size=4), min_size=1, max_size=3))
def test_what_is_given_free_can_never_become_part_of_a_phrase(pieces: list[bytes], phrases: list[str]) -> None:
    bans = PhraseBans(phrases)
    held: list[bytes] = []
    shown: list[bytes] = []
    for piece in pieces:
        held.append(piece)
        begin = bans.found(held)
        text = b"".join(held).lower()
        assert (begin is None) == all(phrase.lower().encode() not in text for phrase in phrases)
        if begin is not None:
            place = min(at for phrase in phrases if (at := text.find(phrase.lower().encode())) >= 0)
            before = len(b"".join(held[:begin]))
            assert before <= place < before + len(held[begin])
            # The way back: this token and all behind it are chosen anew.
            del held[begin:]
            continue
        free = bans.safe(held)
        assert free <= max(0, len(held) - HELD_BACK)
        shown += held[:free]
        del held[:free]
    whole = b"".join([*shown, *held]).lower()
    assert all(phrase.lower().encode() not in whole for phrase in phrases)


def test_case_does_not_count() -> None:
    assert PhraseBans(["Tapestry"]).found([b"a ta", b"PES", b"try of"]) == 0
    assert PhraseBans(["ärger"]).found([b"Viel ", "ÄRGER".encode()]) == 1
    assert PhraseBans(["ärger"]).found(["Ärger".encode()]) == 0
    assert PhraseBans(["x"]).found([b"abc"]) is None


def test_a_phrase_inside_one_token_and_over_many() -> None:
    assert PhraseBans(["bc"]).found([b"xx", b"abcd"]) == 1
    assert PhraseBans(["abcd"]).found([b"x", b"a", b"b", b"c", b"d"]) == 1


def test_nothing_is_banned_by_nothing() -> None:
    assert not PhraseBans(["", ""]).any
    assert PhraseBans(["a"]).any
