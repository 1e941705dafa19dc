import pytest

from fireside.stories import manuscript as ms
from fireside.stories.manuscript import Manuscript
from fireside.stories.timeline import bookmark, timeline, to_bookmark, without_bookmark


def branched() -> Manuscript:
    """One. Two. Three. | One. Two. Drei. | Eins."""
    manuscript = Manuscript()
    for text in ("One.", " Two.", " Three."):
        manuscript = ms.append(manuscript, "model", text)
    manuscript = ms.append_alternative(manuscript, "model", " Drei.")
    return ms.append(ms.go_to(manuscript, None), "person", "Eins.")


def test_turning_at_an_inner_piece_reads_on_what_was_read_there_last() -> None:
    manuscript = branched()
    back = ms.turn(manuscript, -1, manuscript.head)
    assert ms.text(back) == "One."
    whole = ms.turn(ms.append(manuscript, "person", " Zwei."), -1, 5)
    assert ms.text(whole) == "One. Two. Drei."
    assert ms.text(ms.turn(whole, 1, 1)) == "Eins. Zwei."
    with pytest.raises(ValueError, match="not part"):
        ms.turn(whole, 1, 5)


def test_swapping_keeps_what_follows_and_makes_no_further_alternatives() -> None:
    manuscript = Manuscript()
    for text in ("a", "b", "c"):
        manuscript = ms.append(manuscript, "model", text)
    manuscript = ms.edit(manuscript, 2, "B")
    manuscript = ms.append(manuscript, "person", "d")
    for expected in ("abcd", "aBcd", "abcd", "aBcd"):
        read = ms.path(manuscript)[1]
        manuscript = ms.swap(manuscript, -1 if read.text == "B" else 1, read.id)
        assert ms.text(manuscript) == expected
        assert len(ms.alternatives(manuscript, ms.path(manuscript)[1].id)) == 2
    read = ms.path(manuscript)[1]
    assert ms.swap(manuscript, 1, read.id) is manuscript


def test_the_rows_are_the_stretches_between_forks() -> None:
    rows = timeline(branched())
    assert [(row.depth, row.excerpt, row.read, row.here) for row in rows] == [
        (0, "One. Two.", False, False),
        (1, "Three.", False, False),
        (1, "Drei.", False, False),
        (0, "Eins.", True, True),
    ]
    assert (rows[0].first, rows[0].last, rows[0].words) == (1, 2, 2)
    assert timeline(Manuscript()) == []


def test_bookmarks_name_places_and_can_be_gone_to() -> None:
    manuscript = bookmark(ms.go_to(branched(), 1), "the beginning")
    away = ms.go_to(manuscript, 4)
    assert [(row.excerpt, row.bookmarks) for row in timeline(away)][:2] == [("One.", ("the beginning",)), ("Two.", ())]
    assert ms.text(to_bookmark(away, "the beginning")) == "One."
    assert without_bookmark(away, "the beginning").bookmarks == {}
    with pytest.raises(ValueError, match="empty"):
        bookmark(Manuscript(), "x")


def test_a_very_long_story_does_not_exhaust_the_stack() -> None:
    manuscript = ms.with_path(Manuscript(), None, [ms.Piece(0, None, "model", f" {number}") for number in range(5000)])
    manuscript = ms.append_alternative(manuscript, "model", "x")
    assert [row.words for row in timeline(manuscript)] == [4999, 1, 1]
