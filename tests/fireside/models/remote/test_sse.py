"""Server-sent events: the same data however the bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.models.remote.sse import EventDecoder

TEXTS = st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)), max_size=30)


def decoded(data: bytes, cuts: list[int]) -> list[str]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    decoder = EventDecoder()
    return [each for start, end in pairwise(places) for each in decoder.push(data[start:end])]


@given(st.lists(st.lists(TEXTS, min_size=1, max_size=3), max_size=4), st.data(), st.lists(st.integers(0, 500)))
def test_events_come_back_with_any_line_ends_and_cuts(
    events: list[list[str]], data: st.DataObject, cuts: list[int]
) -> None:
    written = data.draw(st.sampled_from(["", "\ufeff"]))
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))  # one kind: CR and LF would be one end, not two
    for lines in events:
        for line in lines:
            colon = data.draw(st.sampled_from(["data: ", "data:"])) if not line.startswith(" ") else "data: "
            written += data.draw(st.sampled_from(["", ": sign of life\n", "event: x\r\n", "id: 4\r", "retry\n"]))
            written += colon + line + end
        written += end
    assert decoded(written.encode(), cuts) == ["\n".join(lines) for lines in events]


@given(st.text("dat:a \r\n\ufeffé", max_size=60), st.lists(st.integers(0, 200)))
def test_cuts_change_nothing(text: str, cuts: list[int]) -> None:
    assert decoded(text.encode(), cuts) == decoded(text.encode(), [])


def test_an_event_that_is_not_ended_is_not_told() -> None:
    assert decoded(b"data: one\n\ndata: two\n", []) == ["one"]


def test_an_event_comes_with_the_byte_that_ends_it() -> None:
    decoder = EventDecoder()
    assert decoder.push(b"data: one\r\n\r") == ["one"]
    assert decoder.push(b"\ndata: two\r\n\r\n") == ["two"]


@pytest.mark.parametrize("part", [b"x" * 10, b"data: xxxx\n", b": xxxxxxx"])
def test_an_endless_event_is_refused(part: bytes) -> None:
    decoder = EventDecoder(longest=100)
    with pytest.raises(ValueError, match="longer than 100 bytes"):
        _ = [decoder.push(part) for _ in range(100)]


def test_other_bytes_than_utf8_are_refused() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        EventDecoder().push(b"data: \xff\n\n")
