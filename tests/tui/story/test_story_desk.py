"""Typing into a manuscript: what is shown is what is saved, whoever wrote what, and how much one undo takes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fireside.errors import StorageError
from fireside.stories import manuscript as ms
from fireside.stories.store import Story, create_story, open_story
from tui.story.desk import Desk, difference


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Story:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path))
    story = create_story("sea")
    manuscript = ms.append(story.manuscript, "prompt", "The bell rang.")
    story.save(ms.append(manuscript, "model", " It was late."))
    return story


def pieces(desk: Desk) -> list[tuple[str, str]]:
    return [(piece.author, piece.text) for piece in ms.path(desk.story.manuscript)]


def test_a_word_in_the_middle_is_one_step_and_the_persons(story: Story) -> None:
    desk = Desk(story)
    for place, letter in enumerate("very "):
        desk.type(22 + place, 22 + place, letter)
    assert desk.shown.text == "The bell rang. It was very late."
    assert ms.text(story.manuscript) == "The bell rang. It was late.", "keys are kept back for a moment"
    desk.settle()
    assert pieces(desk) == [
        ("prompt", "The bell rang."),
        ("model", " It was "),
        ("person", "very "),
        ("model", "late."),
    ]
    assert ms.text(ms.undo(story.manuscript)) == "The bell rang. It was late."


def test_words_in_place_of_the_models_are_edited(story: Story) -> None:
    desk = Desk(story)
    desk.type(22, 26, "")
    for place, letter in enumerate("dark"):
        desk.type(22 + place, 22 + place, letter)
    desk.settle()
    assert pieces(desk) == [("prompt", "The bell rang."), ("model", " It was "), ("edited", "dark"), ("model", ".")]
    assert ms.text(ms.undo(story.manuscript)) == "The bell rang. It was late."


def test_deleting_a_word_letter_by_letter_is_one_step(story: Story) -> None:
    desk = Desk(story)
    for end in range(27, 21, -1):
        desk.type(end - 1, end, "")
    desk.settle()
    assert ms.text(story.manuscript) == "The bell rang. It was"
    assert ms.text(ms.undo(story.manuscript)) == "The bell rang. It was late."


def test_what_was_saved_grows_on_in_place(story: Story) -> None:
    desk = Desk(story)
    desk.type(27, 27, " He")
    desk.save_now()
    steps = len(story.manuscript.steps)
    desk.type(30, 30, " ran.")
    desk.save_now()
    assert len(story.manuscript.steps) == steps
    assert pieces(desk)[-1] == ("person", " He ran.")
    # Taking it out again to the last letter is another edit: the saved piece stays as it is.
    for end in range(35, 27, -1):
        desk.type(end - 1, end, "")
        desk.save_now()
    desk.settle()
    assert ms.text(story.manuscript) == "The bell rang. It was late."
    again = open_story("sea")
    assert again.manuscript == story.manuscript
    again.close()


def test_the_first_words_of_all_are_the_beginning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path))
    desk = Desk(create_story("new"))
    for place, letter in enumerate("Once"):
        desk.type(place, place, letter)
    desk.settle()
    assert pieces(desk) == [("prompt", "Once")]
    desk.story.close()


EDITS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 4), st.sampled_from(["", "x", "yz", "\n"]), st.sampled_from("kks.")),
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS)
def test_any_keys_end_in_the_text_an_editor_would_have(
    edits: list[tuple[int, int, str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FIRESIDE_HOME", str(tmp_path))
    for leftover in tmp_path.rglob("any.db*"):
        leftover.unlink()
    story = create_story("any")
    first = "One two three. Four five."
    story.save(ms.append(ms.append(story.manuscript, "prompt", first[:14]), "model", first[14:]))
    desk, expected = Desk(story), first
    for place, length, words, then in edits:
        start = min(place, len(expected))
        end = min(start + length, len(expected))
        desk.type(start, end, words)
        expected = expected[:start] + words + expected[end:]
        assert desk.shown.text == expected
        assert "".join(piece.text for piece in desk.shown.pieces) == expected
        if then == "s":
            desk.save_now()
            assert ms.text(story.manuscript) == expected
        elif then == ".":
            desk.settle()
    desk.settle()
    assert ms.text(story.manuscript) == expected
    saved = story.manuscript
    story.close()
    again = open_story("any")
    assert again.manuscript == saved
    back = again.manuscript
    while back.position > 2:
        back = ms.undo(back)
    assert ms.text(back) == first, "undone to the end, it is the text that was there"
    again.close()


def test_a_failed_save_keeps_the_words_on_the_page(story: Story) -> None:
    other = open_story("sea")
    other.change(title="Changed by another program")
    other.close()
    desk = Desk(story)
    desk.type(27, 27, " Kept.")
    for _ in range(2):
        with pytest.raises(StorageError):
            desk.save_now()
        assert desk.shown.text.endswith("late. Kept.")


@given(st.text("ab", max_size=12), st.text("ab", max_size=12))
def test_the_difference_is_all_that_differs(old: str, new: str) -> None:
    start, end = difference(old, new)
    assert 0 <= start <= end <= len(new)
    assert old.startswith(new[:start])
    assert old.endswith(new[end:])
    assert len(old) - (len(new) - end) >= start
