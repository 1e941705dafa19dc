"""Going on with byte-pair encoding: the pairs that come most, none that is there already."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from finetune.tokenizer.merges import FEWEST, merged, more_merges, split_everywhere
from finetune.tokenizer.spelling import byte_characters, spelt, token_bytes


def counted(words: list[str]) -> dict[tuple[str, ...], int]:
    return dict(Counter(tuple(word) for word in words))


def test_the_most_frequent_pair_is_merged_first_and_rare_ones_never():
    words = counted(["hug"] * 10 + ["pug"] * 5 + ["pun"] * 12 + ["bun"] * 4 + ["hugs"] * 5 + ["zx"] * 2)
    assert more_merges(words, "hugpnbszx", 3) == [("u", "g"), ("u", "n"), ("h", "ug")]
    assert ("z", "x") not in more_merges(words, "hugpnbszx", 100)


def test_a_token_that_is_there_already_is_not_made_again():
    assert more_merges(counted(["ab"] * 5 + ["cd"] * 4), ["a", "b", "c", "d", "ab"], 5) == [("c", "d")]


@given(st.lists(st.text("abc", min_size=1, max_size=6), max_size=30), st.integers(0, 8))
def test_it_is_byte_pair_encoding(words, most):
    held = {word: list(word) for word in words}
    expected = []
    for _ in range(most):
        pairs = Counter(pair for word in words for pair in pairwise(held[word]))
        taken = {"a", "b", "c", *("".join(pair) for pair in expected)}
        usable = {pair: count for pair, count in pairs.items() if count >= FEWEST and "".join(pair) not in taken}
        if not usable:
            break
        best = min(usable, key=lambda pair: (-usable[pair], pair))
        expected.append(best)
        held = {word: merged(split, best) for word, split in held.items()}
    assert more_merges(counted(words), "abc", most) == expected


def test_a_sentencepiece_token_comes_of_every_pair_that_makes_it():
    assert split_everywhere("abc", {"a": 1, "ab": 2, "bc": 3, "c": 4, "b": 5}) == [("a", "bc"), ("ab", "c")]


@given(st.binary(max_size=20))
def test_bytes_are_written_and_read_back(data):
    assert token_bytes(spelt(data, "bytes"), "bytes") == data
    assert len(set(byte_characters())) == 256


def test_spaces_and_lone_bytes_are_written_as_sentencepiece_does():
    assert spelt(b" a b", "spaces") == "\u2581a\u2581b"
    assert spelt(b"\xff", "spaces") == "<0xFF>"
    assert token_bytes("<0x0A>", "spaces") == b"\n"
    assert byte_characters()[0x20] == "\u0120"
