"""What a model copies before it answers is told from the answer, however the text is cut into pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.quoting import QuotedReply

COPIED = '[1] "the stove takes birch"\n[2] "a boat for four"'


def told(*pieces: str) -> tuple[str, str]:
    reply = QuotedReply()
    parts = [reply.push(piece) for piece in pieces] + [reply.close()]
    assert reply.copied in ("", "".join(copied for copied, _ in parts))
    return "".join(copied for copied, _ in parts), "".join(answer for _, answer in parts)


@pytest.mark.parametrize(
    ("reply", "copied", "answer"),
    [
        (f"{COPIED}\nAnswer: Birch. [1]", COPIED, "Birch. [1]"),
        (f"{COPIED}\n\n**Answer:** Birch.\nAnswer: twice", f"{COPIED}\n", "Birch.\nAnswer: twice"),
        ("Answer: That is not in these documents.", "", "That is not in these documents."),
        ("answer:\n\nBirch.", "", "Birch."),
        ("The stove takes birch. [1]", "", "The stove takes birch. [1]"),
        ("Birch", "", "Birch"),
        ("", "", ""),
        ("  \n", "", ""),
        (f"{COPIED}\nAnswer:", COPIED, ""),
    ],
)
def test_each_part_comes_out_whole(reply: str, copied: str, answer: str) -> None:
    assert told(reply) == (copied, answer)
    assert told(*reply) == (copied, answer)


def test_a_reply_that_only_quotes_is_shown_in_the_end() -> None:
    reply = QuotedReply()
    assert reply.push(COPIED)[1] == ""
    assert reply.close() == ("", COPIED)
    assert reply.copied == ""


def test_a_plain_answer_is_not_held_back() -> None:
    assert QuotedReply().push("The stove") == ("", "The stove")


@given(st.text(st.sampled_from('[1] "ab\nAnswer: *.'), max_size=80), st.lists(st.integers(1, 9), max_size=30))
def test_where_the_pieces_are_cut_makes_no_difference(text: str, lengths: list[int]) -> None:
    pieces, at = [], 0
    for length in lengths:
        pieces.append(text[at : at + length])
        at += length
    pieces.append(text[at:])
    assert told(*pieces)[1] == told(text)[1]
