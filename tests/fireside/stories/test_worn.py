"""Worn phrases."""

from __future__ import annotations

import time
from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from fireside.stories.worn import LONGEST, SHORTEST, worn


def phrases(text: str, **more: object) -> list[tuple[str, int]]:
    return [(each.phrase, each.count) for each in worn(text, **more)]  # type: ignore[arg-type]


def test_the_longest_phrase_stands_for_its_parts() -> None:
    text = "She let out a breath. He let out a breath! They, too, Let Out A Breath."
    assert phrases(text) == [("let out a breath", 3)]
    assert worn(text)[0].places == (4, 25, 54)


def test_a_part_that_is_there_often_enough_alone_is_listed_too() -> None:
    text = "cold grey eyes met. cold grey eyes met. cold grey eyes met. " + "The grey eyes. " * 3
    assert phrases(text) == [("cold grey eyes met", 3), ("the grey eyes", 3)]
    assert phrases(text + "Grey eyes. " * 3)[-1] == ("grey eyes", 9)


def test_grammar_is_no_style_and_phrases_end_with_sentences() -> None:
    assert phrases("out of the. out of the. out of the.") == []
    assert phrases("He was gone. Mara left. " * 3) == [("he was gone", 3), ("mara left", 3)]
    assert phrases("dark night. " * 2) == []


def test_phrases_can_be_ignored_and_apostrophes_are_one() -> None:
    text = "Mara’s old forge. Mara's old forge. mara's old forge."
    assert phrases(text) == [("mara's old forge", 3)]
    assert phrases(text, ignored=["Mara’s  old forge"]) == []


def test_scripts_without_spaces() -> None:
    assert phrases("黒猫が走る。黒猫が走る。黒猫が走る。") == [("黒猫が走る", 3)]


def test_two_hundred_thousand_words_take_about_a_second() -> None:
    rng = Random(3)
    vocabulary = [f"word{i}" for i in range(20_000)]
    weights = [1 / (i + 10) for i in range(20_000)]
    text = " ".join(rng.choices(vocabulary, weights, k=200_000))
    began = time.monotonic()
    assert worn(text)
    assert time.monotonic() - began < 10  # 1 s on an idle machine


@given(st.lists(st.sampled_from(["Ann", "ran", "home", "the", "of", ".", "\n"]), max_size=60), st.integers(2, 4))
def test_counts_are_what_counting_gives(tokens: list[str], least: int) -> None:
    text = " ".join(tokens)
    counts: Counter[str] = Counter()
    for sentence in text.replace("\n", ".").split("."):
        words = sentence.lower().split()
        for length in range(SHORTEST, LONGEST + 1):
            counts.update(" ".join(words[i : i + length]) for i in range(len(words) - length + 1))
    found = worn(text, least=least)
    for each in found:
        assert counts[each.phrase] == each.count >= least
        assert len(each.phrase.split()) == each.words
        assert all(text[place:].lower().startswith(each.phrase.split()[0]) for place in each.places)
    assert [each.words for each in found] == sorted((each.words for each in found), reverse=True)
