from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rag.sentences import sentence_spans
from rag.words import content_stems, content_words


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


def test_splits_after_closing_punctuation() -> None:
    assert sentences('It works. "Does it?" Yes! Good…') == ["It works.", '"Does it?"', "Yes!", "Good…"]


def test_abbreviations_initials_and_decimals_do_not_end_a_sentence() -> None:
    text = "Dr. J. Smith paid 3.50 in the U.S. Congress hall, e.g. twice. He left."
    assert sentences(text) == ["Dr. J. Smith paid 3.50 in the U.S. Congress hall, e.g. twice.", "He left."]


def test_list_items_and_empty_lines_end_a_sentence() -> None:
    assert sentences("wood\n- birch\n- pine\n\nand water") == ["wood", "- birch", "- pine", "and water"]


def test_full_width_marks_need_no_space() -> None:
    assert sentences("火を消す。水を抜く。") == ["火を消す。", "水を抜く。"]


@given(st.text(alphabet=st.sampled_from("ab.!? \n\t-|1。“”’)\r"), max_size=80))
def test_every_visible_character_is_in_exactly_one_span(text: str) -> None:
    spans = sentence_spans(text)
    assert spans == sorted(spans)
    covered = "".join(text[start:end] for start, end in spans)
    assert "".join(covered.split()) == "".join(text.split())
    assert all(first[1] <= second[0] for first, second in pairwise(spans))


def test_content_words_leave_function_words_out() -> None:
    assert content_words("What does the Café say about its 3 boats?") == ["cafe", "3", "boats"]


def test_stems_meet_across_endings() -> None:
    assert len({*content_stems("cut cuts cutting"), *content_stems("cut")}) == 1
    assert content_stems("proposed") == content_stems("proposes")
