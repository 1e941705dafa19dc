"""How a manuscript is broken into rows, and how the cursor steps through it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui.story.layout import Layout, broken, cells
from tui.story.moves import MOVES, moved, paragraph_around, word_around
from tui.story.page import drawn

TEXTS = st.text(st.sampled_from("ab  \n\t“é漢👩\u200d\u0301\x1b\u202e-"), max_size=80)


def rows(text: str, width: int) -> list[str]:
    layout = Layout(text, width)
    return [text[slice(*layout.row(number))] for number in range(layout.rows)]


def test_rows_break_at_words_and_paragraphs_at_line_breaks() -> None:
    assert rows("The bell rang twice.\n\nNobody came.", 10) == ["The bell ", "rang ", "twice.", "", "Nobody ", "came."]
    assert rows("", 10) == [""]
    assert rows("abcdefghijkl mn", 5) == ["abcde", "fghij", "kl mn"]


def test_wide_signs_take_two_cells_and_break_anywhere() -> None:
    assert rows("漢字漢字漢", 4) == ["漢字", "漢字", "漢"]
    assert rows("é漢 word", 5) == ["é漢 ", "word"]


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.integers(2, 12))
def test_rows_hold_every_character_once_and_none_is_wider_than_the_page(text: str, width: int) -> None:
    layout = Layout(text, width)
    end = 0
    for number in range(layout.rows):
        start, stop = layout.row(number)
        assert start in (end, end + 1), "a row begins where the one before ends, or behind its line break"
        assert text[end:start] in ("", "\n")
        assert cells(text[start:stop].rstrip(" ")) <= max(width, 4)
        end = stop
    assert end == len(text)
    for offset in range(len(text) + 1):
        start, stop = layout.row(layout.row_of(offset))
        assert start <= offset <= stop


@settings(max_examples=100, deadline=None)
@given(TEXTS, TEXTS, st.integers(2, 12))
def test_what_is_known_of_an_earlier_text_changes_nothing(before: str, text: str, width: int) -> None:
    new, again = Layout(text, width), Layout(text, width, Layout(before, width))
    assert [new.row(number) for number in range(new.rows)] == [again.row(number) for number in range(again.rows)]
    assert new.words == again.words == len(text.split())


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.integers(3, 12), st.data())
def test_every_move_stays_inside_the_text_and_those_onward_arrive_at_its_end(
    text: str, width: int, data: st.DataObject
) -> None:
    layout = Layout(text, width)
    offset = data.draw(st.integers(0, len(text)))
    for move in MOVES:
        assert 0 <= moved(layout, offset, move, 2, 3) <= len(text)
    for move, end in (("right", len(text)), ("word-right", len(text)), ("left", 0), ("word-left", 0), ("up", 0)):
        place = offset
        for _ in range(len(text) + 1):
            place = moved(layout, place, move, 0, 3)
        assert place == end


def test_moves_by_word_paragraph_and_row() -> None:
    text = "She didn't look.\n\nHe waited there."
    layout = Layout(text, 10)
    assert text[: moved(layout, 0, "word-right", 0, 3)] == "She"
    assert text[: moved(layout, 3, "word-right", 0, 3)] == "She didn't"
    assert text[moved(layout, 10, "word-left", 0, 3) :].startswith("didn't")
    assert text[moved(layout, 3, "paragraph-down", 0, 3) :].startswith("He waited")
    assert moved(layout, 25, "paragraph-up", 0, 3) == 18
    assert text[: moved(layout, 5, "row-end", 0, 3)] == "She didn't", "before the space that hangs over"
    assert text[moved(layout, 2, "down", 2, 3) :].startswith("ok.")
    assert text[slice(*word_around(text, 6))] == "didn't"
    assert text[slice(*paragraph_around(text, 20))] == "He waited there."


def test_up_and_down_go_through_every_row_of_a_text() -> None:
    text = "one two three four five six\n\nseven eight nine ten"
    layout = Layout(text, 8)
    offset, seen = len(text), []
    for _ in range(layout.rows):
        seen.append(layout.row_of(offset))
        offset = moved(layout, offset, "up", 3, 3)
    assert seen == list(reversed(range(layout.rows)))


@pytest.mark.parametrize("text", ["plain", "é漢", "tab\there", "\x1b[31m", "a\u202eb", "\xa0", "👩\u200d👩", "\x9b2J"])
def test_what_is_drawn_is_as_wide_as_it_is_counted_and_harmless(text: str) -> None:
    from rich.cells import cell_len

    assert sum(cell_len(each) for each in drawn(text)) == cells(text)
    assert not set("\x1b\x9b\u202e\u200d\t") & set(drawn(text))


def test_a_story_of_200_000_words_is_laid_out_anew_only_where_it_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    paragraph = "word " * 79 + "end."
    text = "\n\n".join(f"{number} {paragraph}" for number in range(2500))
    whole = Layout(text, 75)
    asked: list[str] = []

    def counted(paragraph: str, width: int) -> tuple[int, ...]:
        asked.append(paragraph)
        return broken(paragraph, width)

    monkeypatch.setattr("tui.story.layout.broken", counted)
    changed = Layout(text[:1000] + "x" + text[1000:], 75, whole)
    assert len(asked) == 1
    assert changed.words >= 200_000
