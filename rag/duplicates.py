"""Leaves out passages that say again what a better one has said: copies of a file, pages that repeat a paragraph."""

from __future__ import annotations

from collections.abc import Iterable

from rag.types import Passage
from rag.words import all_words

SAME = 0.8
"""The share of common word triples (Jaccard) from which two passages say the same."""


def distinct(passages: Iterable[Passage], k: int) -> list[Passage]:
    """The first `k` of the passages that are not nearly the same as one before them.

    Two passages are nearly the same where the sets of their three-word sequences have at least SAME of their union in
    common (Broder 1997, "On the resemblance and containment of documents"), and where the digits are the same: rows of
    a table that differ in a number alone are two. No more passages are taken from the iterable than needed.
    """
    chosen: list[Passage] = []
    seen: list[tuple[frozenset[tuple[str, ...]], frozenset[str]]] = []
    for passage in passages:
        words = all_words(passage.text)
        numbers = frozenset(word for word in words if any(character.isdigit() for character in word))
        triples: frozenset[tuple[str, ...]] = frozenset(zip(words, words[1:], words[2:], strict=False))
        triples = triples or frozenset([(passage.text,)])
        if not any(numbers == others and _resemble(triples, before) for before, others in seen):
            chosen.append(passage)
            seen.append((triples, numbers))
        if len(chosen) == k:
            break
    return chosen


def _resemble(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> bool:
    common = len(one & other)
    return common >= SAME * (len(one) + len(other) - common)
