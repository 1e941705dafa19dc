"""Quoted words are found where they stand, and only there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.quotes import located, quotations

TEXT = "The stove takes dry birch wood only. Guests pay 45 euros, “wood included”, and never\n  leave the fire alone."


@pytest.mark.parametrize(
    ("quotation", "found"),
    [
        ("takes dry birch wood", "takes dry birch wood"),
        ("TAKES  dry\nbirch wood!", "takes dry birch wood"),
        ('pay 45 euros, "wood included", and', "pay 45 euros, “wood included”, and"),
        ("never leave the fire alone", "never\n  leave the fire alone"),
        ("The stove takes dry brich wood only", "The stove takes dry birch wood only"),
        ("Guests pay 45 euros, wood included, and never leave fire alone", TEXT[37:-1]),
    ],
)
def test_words_are_found_as_the_text_has_them(quotation: str, found: str) -> None:
    span = located(quotation, TEXT)
    assert span is not None
    assert TEXT[slice(*span)] == found


@pytest.mark.parametrize(
    "quotation",
    [
        "The stove takes dry pine logs only",
        "Guests pay 54 euros, wood included",
        "Guests never pay 45 euros, wood included",
        "Guests pay 45 euros, wood included, and leave the fire alone",
        "the sauna is heated on Saturdays",
        "...",
        "",
    ],
)
def test_other_words_are_not(quotation: str) -> None:
    assert located(quotation, TEXT) is None


def test_an_empty_text_holds_nothing() -> None:
    assert located("any words here", "") is None
    assert located("any words here", " … ") is None


words = st.lists(st.text("abcdefgé", min_size=1, max_size=8), min_size=1, max_size=12)


@given(words, words, words)
def test_every_stretch_of_a_text_is_found_word_for_word(before: list[str], inside: list[str], after: list[str]) -> None:
    quotation = " ".join(inside)
    text = " ".join([*before, *inside, *after])
    span = located(quotation.upper(), text)
    assert span is not None
    # Accents do not tell words apart, so that another stretch may say the same.
    assert text[slice(*span)].replace("é", "e") == quotation.replace("é", "e")


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_texts_give_a_span_of_the_text_or_none(quotation: str, text: str) -> None:
    span = located(quotation, text)
    assert span is None or 0 <= span[0] < span[1] <= len(text)


def test_quotations_are_told_from_names() -> None:
    text = 'He said "the stove takes birch" and “Guests pay 45 euros” in the "Birch House" «of the wood».'
    assert quotations(text) == ["the stove takes birch", "Guests pay 45 euros", "of the wood"]
