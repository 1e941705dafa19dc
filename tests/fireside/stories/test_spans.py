import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.stories import manuscript as ms
from fireside.stories.manuscript import Manuscript
from fireside.stories.spans import edited_to, inserted, replace_span


def written(*texts: str) -> Manuscript:
    manuscript = Manuscript()
    for text in texts:
        manuscript = ms.append(manuscript, "model", text)
    return manuscript


def shown(manuscript: Manuscript) -> list[tuple[str, str]]:
    return [(piece.author, piece.text) for piece in ms.path(manuscript)]


def authors(manuscript: Manuscript) -> str:
    """The first letter of its author for each character."""
    return "".join(piece.author[0] * len(piece.text) for piece in ms.path(manuscript))


def test_a_word_in_the_middle_is_the_persons_and_the_rest_stays_the_models() -> None:
    manuscript = replace_span(written("The red boat", " sank."), 4, 7, "blue", "person")
    assert shown(manuscript) == [("model", "The "), ("person", "blue"), ("model", " boat"), ("model", " sank.")]
    assert ms.text(ms.undo(manuscript)) == "The red boat sank."


def test_the_old_stretch_is_the_alternative_of_the_new_one() -> None:
    manuscript = replace_span(written("The red boat", " sank."), 4, 7, "blue", "model")
    new = ms.piece_at(manuscript, 4)
    assert new is not None
    assert [manuscript.pieces[each].text for each in ms.alternatives(manuscript, new.id)] == ["red", "blue"]
    assert ms.text(ms.turn(manuscript, -1, new.id)) == "The red boat sank."
    assert ms.text(ms.swap(manuscript, -1, new.id)) == "The red boat sank."


def test_another_wording_of_the_same_stretch_is_a_third_alternative() -> None:
    manuscript = replace_span(written("The red boat."), 4, 7, "blue", "model")
    manuscript = replace_span(manuscript, 4, 8, "green", "model")
    new = ms.piece_at(manuscript, 4)
    assert new is not None
    assert [manuscript.pieces[each].text for each in ms.alternatives(manuscript, new.id)] == ["red", "blue", "green"]


def test_inserting_and_taking_out() -> None:
    manuscript = inserted(written("One.", " Three."), 4, " Two.", "person")
    assert shown(manuscript) == [("model", "One."), ("person", " Two."), ("model", " Three.")]
    assert ms.text(replace_span(manuscript, 0, 4, "", "person")) == " Two. Three."
    assert ms.text(replace_span(manuscript, 4, 16, "", "person")) == "One."
    empty = replace_span(manuscript, 0, 16, "", "person")
    assert (ms.text(empty), empty.head) == ("", None)
    assert ms.text(ms.undo(empty)) == "One. Two. Three."
    assert ms.text(inserted(Manuscript(), 0, "One.", "prompt")) == "One."


def test_a_stretch_keeps_its_scene_and_an_insertion_that_of_what_it_stands_behind() -> None:
    manuscript = ms.append(ms.append(Manuscript(), "model", "One.", 1, 2), "model", " Two.", 3)
    changed = inserted(replace_span(manuscript, 5, 8, "2", "person"), 4, "!", "person")
    assert [(piece.text, piece.scene, piece.beat) for piece in ms.path(changed)] == [
        ("One.", 1, 2),
        ("!", 1, 2),
        (" ", 3, None),
        ("2", 3, None),
        (".", 3, None),
    ]


def test_an_editors_text_changes_only_what_differs() -> None:
    manuscript = edited_to(written("The red boat", " sank."), "The red ship sank.")
    assert shown(manuscript) == [("model", "The red "), ("edited", "ship"), ("model", " sank.")]
    added = edited_to(manuscript, "The red ship sank. It rained.")
    assert shown(added)[-1] == ("person", " It rained.")
    assert edited_to(added, ms.text(added)) is added
    assert shown(edited_to(Manuscript(), "Go.")) == [("prompt", "Go.")]


@pytest.mark.parametrize("span", [(-1, 2), (3, 2), (0, 5)])
def test_a_span_outside_is_refused(span: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="not inside"):
        replace_span(written("abcd"), *span, "x", "person")


edits = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.text(alphabet="xyz", max_size=4)), max_size=6)


@given(st.lists(st.text(alphabet="abc ", max_size=6), min_size=1, max_size=5), edits)
def test_any_edits_read_as_on_a_string_and_nothing_is_lost(
    texts: list[str], changes: list[tuple[int, int, str]]
) -> None:
    manuscript = written(*texts)
    for one, other, new in changes:
        before = manuscript
        read = ms.text(manuscript)
        start, end = sorted((min(one, len(read)), min(other, len(read))))
        manuscript = replace_span(manuscript, start, end, new, "person")
        assert ms.text(manuscript) == read[:start] + new + read[end:]
        assert ms.text(ms.undo(manuscript)) == read
        assert len(manuscript.steps) == len(before.steps) + 1
        assert before.pieces.items() <= manuscript.pieces.items()
        # Whoever wrote a character outside of the span is still its author.
        authors = [
            "".join(piece.author[0] * len(piece.text) for piece in ms.path(each)) for each in (before, manuscript)
        ]
        assert authors[1] == authors[0][:start] + "p" * len(new) + authors[0][end:]


@given(st.lists(st.text(alphabet="ab", max_size=5), max_size=4), st.text(alphabet="abc", max_size=20))
def test_whatever_the_editor_leaves_is_what_is_read(texts: list[str], new: str) -> None:
    manuscript = edited_to(written(*texts), new)
    assert ms.text(manuscript) == new
