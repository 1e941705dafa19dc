"""Goes on with byte-pair encoding where a vocabulary stopped: the merges that shorten a corpus most.

New merges stand behind all old ones, and no old merge knows a new token: a text is first split exactly as before, and
then some neighbours are joined. So old ids stay, and a text without a new token keeps its tokens.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

Pair = tuple[str, str]

FEWEST = 3
"""A pair that comes less often is not worth a token."""


def more_merges(words: Mapping[tuple[str, ...], int], known: Sequence[str], most: int) -> list[Pair]:
    """Up to `most` merges, the most frequent pair first each time, ties by the tokens themselves.

    words: each word as the vocabulary splits it now, and how often it comes. known: the tokens there are; a pair that
    would make one of these again is never merged.
    """
    held = [list(word) for word in words]
    counts = list(words.values())
    pairs: Counter[Pair] = Counter()
    places: defaultdict[Pair, set[int]] = defaultdict(set)
    for index, word in enumerate(held):
        for pair in pairwise(word):
            pairs[pair] += counts[index]
            places[pair].add(index)
    taken = set(known)
    heap = [(-count, pair) for pair, count in pairs.items()]
    heapq.heapify(heap)
    made: list[Pair] = []
    while heap and len(made) < most:
        count, pair = heapq.heappop(heap)
        if -count != pairs[pair]:
            continue  # it has changed since, and stands in the heap again
        if -count < FEWEST:
            break
        joined = "".join(pair)
        if joined in taken:
            continue
        taken.add(joined)
        made.append(pair)
        changed: Counter[Pair] = Counter()
        for index in places.pop(pair):
            word = held[index]
            new = merged(word, pair)
            for old in pairwise(word):
                changed[old] -= counts[index]
            for each in pairwise(new):
                changed[each] += counts[index]
                places[each].add(index)
            held[index] = new
        for each, difference in changed.items():
            if difference:
                pairs[each] += difference
                heapq.heappush(heap, (-pairs[each], each))
    return made


def merged(word: Sequence[str], pair: Pair) -> list[str]:
    """The word with each of its neighbours `pair` joined, from the left."""
    result: list[str] = []
    index = 0
    while index < len(word):
        if index + 1 < len(word) and (word[index], word[index + 1]) == pair:
            result.append(word[index] + word[index + 1])
            index += 2
        else:
            result.append(word[index])
            index += 1
    return result


def split_everywhere(token: str, known: Mapping[str, int]) -> list[Pair]:
    """Every pair of known tokens that makes `token`: SentencePiece's rule, where any such neighbours are joined."""
    return [(token[:at], token[at:]) for at in range(1, len(token)) if token[:at] in known and token[at:] in known]
