"""vim's commands on plain texts: examples from vim itself, and what must hold for any keys and any text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.chat.vim import Buffer, Command, do, parse, settled

KEYS = (*"hjklwbe0$gGiaIAoOxdDcCypPvu23z", "ctrl+r", "escape")
MOTIONS = ("w", "e", "b", "$", "0", "h", "l")


def after(text: str, keys: str | list[str], cursor: int = 0) -> Buffer:
    """The buffer once `keys` are pressed in normal mode."""
    buffer = Buffer(text, cursor, "normal")
    pending: list[str] = []
    for key in keys:
        pending.append(key)
        command = parse(pending, buffer.mode)
        if command == "unfinished":
            continue
        pending = []
        assert command is not None, key
        buffer = do(buffer, command)
    assert not pending
    return buffer


@pytest.mark.parametrize(
    ("text", "keys", "cursor", "ends"),
    [
        ("one two", "w", 0, 4), ("one two", "w", 4, 6), ("one.two", "w", 0, 3), ("one two", "2w", 0, 6),
        ("one two", "b", 6, 4), ("one two", "b", 4, 0), ("one two", "e", 0, 2), ("one two", "e", 2, 6),
        ("one two", "$", 0, 6), ("one two", "0", 5, 0), ("one two", "l", 6, 6), ("one two", "h", 0, 0),
        ("ab\ncd\nef", "j", 1, 4), ("ab\ncd\nef", "k", 7, 4), ("ab\ncd\nef", "G", 0, 6), ("ab\ncd\nef", "gg", 7, 0),
        ("ab\ncd\nef", "2G", 0, 3), ("abc\nd\nef", "j", 2, 4), ("ab\n\ncd", "j", 1, 3), ("one\ntwo", "w", 0, 4),
        ("", "w", 0, 0), ("", "G", 0, 0),
    ],
)  # fmt: skip
def test_motions(text: str, keys: str, cursor: int, ends: int) -> None:
    assert after(text, keys, cursor).cursor == ends


@pytest.mark.parametrize(
    ("text", "keys", "cursor", "left", "kept"),
    [
        ("one two three", "dw", 0, "two three", "one "),
        ("one two three", "2dw", 0, "three", "one two "),
        ("one two three", "d2w", 0, "three", "one two "),
        ("one two", "dw", 4, "one ", "two"),
        ("one two\nthree", "dw", 4, "one \nthree", "two"),
        ("one two", "de", 0, " two", "one"),
        ("one two", "db", 4, "two", "one "),
        ("one two", "d$", 4, "one ", "two"),
        ("one two", "D", 3, "one", " two"),
        ("one two", "d0", 4, "two", "one "),
        ("one two", "x", 0, "ne two", "o"),
        ("one two", "3x", 0, " two", "one"),
        ("abc", "dl", 2, "ab", "c"),
        ("ab\ncd\nef", "dd", 3, "ab\nef", "cd"),
        ("ab\ncd\nef", "dd", 7, "ab\ncd", "ef"),
        ("ab\ncd\nef", "2dd", 0, "ef", "ab\ncd"),
        ("ab\ncd\nef", "dj", 0, "ef", "ab\ncd"),
        ("ab\ncd\nef", "dG", 3, "ab", "cd\nef"),
        ("ab\ncd\nef", "dgg", 3, "ef", "ab\ncd"),
        ("only", "dd", 0, "", "only"),
        ("one two", "vex", 0, " two", "one"),
        ("one two", "vlly", 0, "one two", "one"),
        ("one two", "yw", 0, "one two", "one "),
    ],
)
def test_what_is_cut_is_kept(text: str, keys: str, cursor: int, left: str, kept: str) -> None:
    buffer = after(text, keys, cursor)
    assert (buffer.text, buffer.kept, buffer.mode) == (left, kept, "normal")


@pytest.mark.parametrize(
    ("text", "keys", "cursor", "left"),
    [
        ("one two", "cw", 0, " two"), ("one two", "2cw", 0, ""), ("one two", "cc", 3, ""), ("one two", "C", 4, "one "),
        ("ab\ncd", "cc", 0, "\ncd"), ("ab", "o", 0, "ab\n"), ("ab", "O", 0, "\nab"), ("one two", "vec", 0, " two"),
    ],
)  # fmt: skip
def test_what_is_changed_is_written_anew(text: str, keys: str, cursor: int, left: str) -> None:
    buffer = after(text, keys, cursor)
    assert (buffer.text, buffer.mode) == (left, "insert")


@pytest.mark.parametrize(("keys", "cursor"), [("i", 2), ("a", 3), ("I", 2), ("A", 5)])
def test_where_writing_begins(keys: str, cursor: int) -> None:
    assert after("  abc", keys, 2).cursor == cursor


@pytest.mark.parametrize(
    ("text", "keys", "left"),
    [
        ("one two", "dwP", "one two"), ("one two", "dwp", "tone wo"), ("ab\ncd", "ddp", "cd\nab"),
        ("ab\ncd", "yyP", "ab\nab\ncd"), ("ab", "x2p", "baa"), ("ab", "p", "ab"), ("ab\ncd", "yy2p", "ab\nab\nab\ncd"),
    ],
)  # fmt: skip
def test_what_was_kept_is_put(text: str, keys: str, left: str) -> None:
    assert after(text, keys).text == left


@pytest.mark.parametrize("keys", ["d", "2", "2d", "d2", "g", "dg", "12"])
def test_a_beginning_waits_for_more(keys: str) -> None:
    assert parse(list(keys), "normal") == "unfinished"


@pytest.mark.parametrize("keys", ["z", "dz", "dx", "gx", "di"])
def test_what_means_nothing_is_nothing(keys: str) -> None:
    assert parse(list(keys), "normal") is None


def test_counts_of_operator_and_motion_multiply() -> None:
    assert parse(list("2d3w"), "normal") == Command("w", "d", 6)
    assert parse(["0"], "normal") == Command("0")
    assert parse(list("10l"), "normal") == Command("l", "", 10)


@given(st.text(alphabet="ab .\n", max_size=30), st.lists(st.sampled_from(KEYS), max_size=25), st.integers(0, 30))
def test_any_keys_leave_a_sound_buffer(text: str, keys: list[str], cursor: int) -> None:
    buffer = settled(Buffer(text, cursor, "normal"))
    pending: list[str] = []
    for key in keys:
        pending.append(key)
        command = parse(pending, buffer.mode)
        if command == "unfinished":
            assert len(pending) <= 25
            continue
        pending = []
        if command is not None and buffer.mode != "insert":
            before = buffer
            buffer = do(buffer, command)
            if command.operator == "y" or command.act in ("u", "ctrl+r", "v", "h", "j", "k", "l", "w", "b", "e", "gg"):
                assert command.operator in ("d", "c") or buffer.text == before.text
        assert 0 <= buffer.cursor <= len(buffer.text)
        assert buffer == settled(buffer)
        if buffer.mode == "insert":
            buffer = settled(Buffer(buffer.text, buffer.cursor, "normal", 0, buffer.kept, buffer.kept_lines))


@given(st.text(alphabet="ab .\n", min_size=1, max_size=30), st.integers(0, 30), st.sampled_from(MOTIONS))
def test_what_is_cut_within_a_text_can_be_put_back(text: str, cursor: int, motion: str) -> None:
    before = settled(Buffer(text, cursor, "normal"))
    cut = do(before, Command(motion, "d"))
    if cut.text != before.text:
        # At a line's end the cursor had to step back, so that what was cut goes behind it.
        at_end = cut.cursor < min(before.cursor, text.find(cut.kept, max(0, before.cursor - len(cut.kept))))
        put = do(cut, Command("p" if at_end else "P"))
        assert sorted(put.text) == sorted(text)
