from hypothesis import given
from hypothesis import strategies as st
from textual.drivers import linux_driver

from fireside.text import for_terminal
from tui.terminal_input import InputDecoder

MARKS = ["\x1b[200~", "\x1b[201~", "\x1b", "[200~", "\x1b[A", "\r", "é", "x"]


def fed(data: bytes, sizes: list[int]) -> list[str]:
    decoder, out = InputDecoder(), []
    for size in sizes:
        out.append(decoder.decode(data[:size]))
        data = data[size:]
    return [*out, decoder.decode(data)]


def test_textual_still_reads_through_the_name_that_is_replaced() -> None:
    assert "getincrementaldecoder" in vars(linux_driver)


def test_keys_pass_at_once_also_the_beginning_of_a_sequence() -> None:
    assert fed(b"a\x1b[20\x1b", [1, 1, 1]) == ["a", "\x1b", "[", "20\x1b"]


def test_bytes_that_are_not_utf8_are_shown_as_unknown() -> None:
    assert "".join(fed(b"caf\xe9 \xc3\xa9", [7])) == "caf\ufffd é"


def test_a_paste_comes_whole_and_without_escape_sequences() -> None:
    data = b"k\x1b[200~a\x1b[31mb\x1bc\rd\x1b]52;c;eA==\x07\x1b[201~\r"
    assert fed(data, [3, 10]) == ["k\x1b[", "200~", "ab\nd\x1b[201~\r"]


@given(st.lists(st.sampled_from(MARKS)), st.lists(st.integers(1, 9)))
def test_pieces_make_no_difference_and_pastes_hold_no_escape(parts: list[str], sizes: list[int]) -> None:
    data = "".join(parts)
    whole = "".join(fed(data.encode(), []))
    assert "".join(fed(data.encode(), sizes)) == whole
    before, *pastes = data.split("\x1b[200~")
    assert whole.startswith(before)
    if len(pastes) == 1 and "\x1b[201~" in pastes[0]:
        inside, after = pastes[0].split("\x1b[201~", 1)
        assert whole == f"{before}\x1b[200~{for_terminal(inside)}\x1b[201~{after}"
