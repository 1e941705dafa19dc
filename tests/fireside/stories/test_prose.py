import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.stories.prose import continued, ends_sentence, joined, paragraph_starts, to_last_sentence


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("One. Two. Thr", "One. Two."),
        ("“Who?” she", "“Who?”"),
        ("He paid 3.50 and left", "He paid 3.50 and left"),
        ("Wait... no", "Wait..."),
        ("no end at all", "no end at all"),
        ("夜だった。海は", "夜だった。"),
        ("", ""),
        ("Done.", "Done."),
    ],
)
def test_text_is_cut_after_its_last_sentence(text: str, kept: str) -> None:
    assert to_last_sentence(text) == kept


@pytest.mark.parametrize(
    ("before", "addition", "result"),
    [
        ("", "Go.", "Go."),
        ("It ended.", "Next day.", "\n\nNext day."),
        ("“It ended.”", "Next", "\n\nNext"),
        ("the boat", "sank", " sank"),
        ("the boat\n\n", "sank", "sank"),
        ("the boat", "\nsank", "\nsank"),
    ],
)
def test_own_words_begin_a_paragraph_or_go_on_in_the_sentence(before: str, addition: str, result: str) -> None:
    assert joined(before, addition) == result


@pytest.mark.parametrize(
    ("before", "first", "result"),
    [
        ("", " It", "It"),
        ("End.", "It", " It"),
        ("End.", " It", " It"),
        ("End.", "\n\nIt", "\n\nIt"),
        ("the light", "house", "house"),
        ("The end.\n\n", "\n It", "It"),
        ("End", ".", "."),
    ],
)
def test_the_models_words_are_joined_without_double_breaks(before: str, first: str, result: str) -> None:
    assert continued(before, first) == result


def test_paragraphs_begin_after_breaks() -> None:
    text = "One.\n\nTwo.\nThree.\n\n\n"
    assert [text[start:].split("\n")[0] for start in paragraph_starts(text)] == ["One.", "Two.", "Three."]
    assert paragraph_starts("") == []


@given(st.text(alphabet="aB. \n”!", max_size=60))
def test_cutting_gives_a_beginning_that_ends_a_sentence_if_any_does(text: str) -> None:
    kept = to_last_sentence(text)
    assert text.startswith(kept)
    assert to_last_sentence(kept) == kept
    assert kept == text or ends_sentence(kept)
