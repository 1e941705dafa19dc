from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fireside.text import TerminalStream, for_prompt, for_terminal, for_terminal_line, visible

UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f\ud800-\udfff]"
)
FRAGMENTS = st.sampled_from(
    [
        "\x1b", "\x1b[", "\x1b[31m", "\x1b]0;title", "\x1b]52;c;", "\x07", "\x1b\\", "\x9b", "\x9d", "\x90", "\x9c",
        "\r", "\r\n", "\n", "\t", "\u2028", "\u202e", "\U000e0041", "a", "m", "[", "]", "0;", " ", "é", "🔥", "\x00",
        "\ud800",
    ]
)  # fmt: skip
texts = st.one_of(st.lists(FRAGMENTS, max_size=12).map("".join), st.text(max_size=40))


@given(texts)
def test_nothing_a_terminal_acts_on_is_left(text: str) -> None:
    safe = for_terminal(text)
    assert not UNSAFE.search(safe)
    assert for_terminal(safe) == safe


@given(st.text(st.characters(exclude_categories=("C", "Zl", "Zp")) | st.sampled_from("\n\t")))
def test_printable_text_stays_as_it_is(text: str) -> None:
    assert for_terminal(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]52;c;ZXZpbA==\x07after", "after"),
        ("\x1b]0;title\x1b\\after", "after"),
        ("\x9b31mred", "red"),
        ("\x1bPq#0\x1b\\after", "after"),
        ("\x1b(Bplain", "plain"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("file\u202etxt.exe", "filetxt.exe"),
        ("a" + "".join(chr(0xE0000 + ord(each)) for each in "hidden") + "b", "ab"),
        ("\x1b]0;never ends\nthe next line", "\nthe next line"),
        ("👩\u200d🚀", "👩\u200d🚀"),
    ],
)
def test_known_sequences(text: str, shown: str) -> None:
    assert for_terminal(text) == shown


@given(texts, st.lists(st.integers(0, 60), max_size=8))
@example("one\r\ntwo", [4])
@example("\x1b]0;title\x1b\\on", [10])
def test_a_stream_shows_the_same_however_it_is_cut(text: str, cuts: list[int]) -> None:
    borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    stream = TerminalStream()
    pieces = [stream.push(text[begin:end]) for begin, end in pairwise(borders)]
    assert "".join(pieces) + stream.close() == for_terminal(text)


def test_a_stream_holds_back_only_what_is_unfinished() -> None:
    stream = TerminalStream()
    assert stream.push("warm\x1b]0;") == "warm"
    assert stream.push("title\x07 fire") == " fire"
    assert stream.push("\x1b]0;ended by the line\rgoes on") == "\ngoes on"


def test_a_sequence_that_never_ends_does_not_hold_a_reply_back_and_nothing_unsafe_passes() -> None:
    stream = TerminalStream()
    shown = stream.push("\x1b]0;")
    for _ in range(100):
        shown += stream.push("x" * 99 + "\x9b")
    shown += stream.push("é and on") + stream.close()
    assert shown.endswith("é and on")
    assert not UNSAFE.search(shown)


def test_one_line() -> None:
    assert for_terminal_line(" one\n two\tthree ") == "one two three"
    assert for_terminal_line("x" * 300, 10) == "x" * 9 + "…"


TOKENS = ["<|im_start|>", "<|im_end|>", "</s>", "[INST]", "]x[", "aab", "abc"]


@given(
    st.lists(st.sampled_from([*TOKENS, "<|im_", "end|>", "[INST", "x[", "aabc", "plain", "\n"]), max_size=8).map(
        "".join
    )
)
def test_special_tokens_cannot_be_recognised(text: str) -> None:
    safe = for_prompt(text, TOKENS)
    assert not any(token in safe for token in TOKENS)
    assert safe.replace("\u2060", "") == text
    if not any(token in text for token in TOKENS):
        assert safe == text


def test_without_special_tokens_nothing_changes() -> None:
    assert for_prompt("<|im_end|>", []) == "<|im_end|>"
    assert for_prompt("<|im_end|>", [""]) == "<|im_end|>"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢\n\tx", "plain é 漢\n\tx"),
        ("a\x1b]b\x07", "a\\x1b]b\\x07"),
        ("a\u202eb\u00a0c", "a\\u202eb\\xa0c"),
        ("a\ufe01\u3164\U000e0101b", "a\\ufe01\\u3164\\U000e0101b"),
        ("\r\n", "\\r\n"),
    ],
)
def test_what_cannot_be_seen_is_made_visible(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert for_terminal(visible(text)) == shown
