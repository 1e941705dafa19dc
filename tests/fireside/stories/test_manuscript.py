import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.stories import manuscript as ms
from fireside.stories.manuscript import Manuscript


def written(*texts: str) -> Manuscript:
    manuscript = Manuscript()
    for text in texts:
        manuscript = ms.append(manuscript, "model", text)
    return manuscript


def test_the_empty_page() -> None:
    page = Manuscript()
    assert (ms.text(page), ms.path(page), ms.alternatives(page)) == ("", [], [])
    assert ms.undo(page) == ms.redo(page) == ms.turn(page, 1) == page
    with pytest.raises(ValueError, match="empty"):
        ms.append_alternative(page, "model", "x")


def test_retries_are_alternatives_that_can_be_turned_between() -> None:
    manuscript = ms.append_alternative(ms.append_alternative(written("a", "b"), "model", "c"), "model", "d")
    assert [manuscript.pieces[piece].text for piece in ms.alternatives(manuscript)] == ["b", "c", "d"]
    back = ms.turn(ms.turn(manuscript, -1), -1)
    assert ms.text(back) == "ab"
    assert ms.turn(back, -1) == back
    assert ms.text(ms.turn(back, 1)) == "ac"


def test_undo_goes_back_one_act_and_redo_forward() -> None:
    manuscript = ms.append_alternative(written("a", "b"), "model", "c")
    assert [ms.text(step) for step in (ms.undo(manuscript), ms.undo(ms.undo(manuscript)))] == ["ab", "a"]
    assert ms.redo(ms.undo(manuscript)) == manuscript


def test_what_was_undone_and_written_over_is_still_there() -> None:
    manuscript = ms.append(ms.undo(written("a", "b")), "person", "B")
    assert ms.text(manuscript) == "aB"
    assert ms.text(ms.turn(manuscript, -1)) == "ab"


def test_redo_at_the_end_reads_on_what_was_once_written_there() -> None:
    manuscript = ms.append_alternative(written("a", "b", "c"), "model", "C")
    manuscript = ms.turn(ms.undo(ms.undo(manuscript)), 1)
    assert ms.text(manuscript) == "ab"
    shorter = ms.turn(ms.append_alternative(manuscript, "model", "B"), -1)
    assert ms.text(shorter) == "ab"
    assert ms.text(ms.redo(shorter)) == "abC"


def test_an_edit_in_the_middle_keeps_what_follows_and_the_old_text() -> None:
    manuscript = ms.edit(written("a", "b", "c"), 2, "B")
    assert ms.text(manuscript) == "aBc"
    assert [piece.author for piece in ms.path(manuscript)] == ["model", "edited", "model"]
    assert ms.text(ms.undo(manuscript)) == "abc"
    with pytest.raises(ValueError, match="not part"):
        ms.edit(manuscript, 2, "x")


def test_the_persons_own_text_stays_theirs_when_edited() -> None:
    manuscript = ms.append(ms.append(Manuscript(), "prompt", "a"), "person", "b")
    assert [piece.author for piece in ms.path(ms.edit(ms.edit(manuscript, 1, "A"), 3, "A!"))] == ["prompt", "person"]


def test_growing_a_piece_is_no_step_of_its_own() -> None:
    manuscript = ms.grow(ms.grow(written("a", "b"), "be"), "bee")
    assert ms.text(manuscript) == "abee"
    assert ms.text(ms.undo(manuscript)) == "a"


acts = st.lists(st.tuples(st.sampled_from(["append", "retry", "edit", "undo", "redo", "turn"]), st.integers(0, 9)))


@given(acts)
def test_any_acts_keep_a_tree_from_which_nothing_is_ever_lost(steps: list[tuple[str, int]]) -> None:
    manuscript = Manuscript()
    for act, number in steps:
        before = manuscript
        path = ms.path(manuscript)
        if act == "append":
            manuscript = ms.append(manuscript, "model", str(number))
            assert ms.text(manuscript) == ms.text(before) + str(number)
        elif act == "retry" and path:
            manuscript = ms.append_alternative(manuscript, "model", str(number))
        elif act == "edit" and path:
            manuscript = ms.edit(manuscript, path[number % len(path)].id, f"e{number}")
        elif act == "undo":
            manuscript = ms.undo(manuscript)
        elif act == "redo":
            manuscript = ms.redo(manuscript)
        elif act == "turn":
            manuscript = ms.turn(manuscript, 1 if number % 2 else -1)
        if act in ("append", "retry", "edit") and manuscript is not before:
            assert ms.text(ms.undo(manuscript)) == ms.text(before)
        assert before.pieces.items() <= manuscript.pieces.items()
        assert all(piece.parent is None or piece.parent < piece.id for piece in manuscript.pieces.values())
        assert manuscript.head is None or manuscript.head in ms.alternatives(manuscript)
        assert manuscript.steps[0] is None
