"""Worn phrases: what a text says again and again in the same words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

SHORTEST, LONGEST = 2, 6
"""Words of a phrase."""

_PLACES = 100

# A word with what binds it together; a sign of a script without spaces is a word of its own. Marks end a phrase.
_TOKENS = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+"
    r"(?:['’\-][^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+)*|[.!?…:;()\[\]\"“”\n。！？]"
)
# English words that carry no picture: phrases of them alone are grammar, not style.
_GRAMMAR = (
    "a about after all am an and any are as at be because been before but by can could did do does down for from had "
    "has have he her here him his how i if in into is it its just like me more my no not of off on one only or our out "
    "over she so some than that the their them then there these they this those through to too under up us very was "
    "we were what when where which while who why will with would you your i'm it's don't didn't couldn't wasn't he'd "
    "she'd i'd they'd you'd that's there's"
)
_STOP_WORDS = frozenset(_GRAMMAR.split())


@dataclass(frozen=True)
class Worn:
    """A phrase in small letters, how many words it has, how often it is there, and where (characters; the first
    hundred places)."""

    phrase: str
    words: int
    count: int
    places: tuple[int, ...]


def worn(text: str, *, least: int = 3, most: int = 100, ignored: Iterable[str] = ()) -> list[Worn]:
    """The phrases of 2 to 6 words that are there at least `least` times, longest first, then the most frequent.

    A phrase does not go over the end of a sentence or a clause's colon. One that is only ever part of a longer worn
    phrase is not listed beside it, nor one with fewer than two words (one, from three words on) that carry a picture,
    nor those of `ignored`. At most `most`.
    """
    import numpy as np

    found = list(_TOKENS.finditer(text))
    words = [each[0].lower().replace("’", "'") for each in found]
    numbers: dict[str, int] = {}
    # A mark has no number, and a phrase with one in it has none either.
    ids = np.array([numbers.setdefault(each, len(numbers)) if each[0].isalnum() else -1 for each in words], dtype=int)
    repeated = {}
    grams = ids
    for length in range(SHORTEST, min(LONGEST, len(ids)) + 1):
        # A phrase is the one that is a word shorter, and its last word; only what is repeated can become longer.
        head, tail = grams[: len(ids) - length + 1], ids[length - 1 :]
        valid = (head >= 0) & (tail >= 0)
        _, grams, counts = np.unique(
            np.where(valid, head * (len(numbers) + 1) + tail, -1), return_inverse=True, return_counts=True
        )
        often = valid & (counts[grams] >= least)
        grams = np.where(often, grams, -1)
        places = np.flatnonzero(often)
        repeated[length] = places[np.argsort(grams[places], kind="stable")], grams
    left_out = {" ".join(phrase.lower().replace("’", "'").split()) for phrase in ignored}
    inside = {length: np.zeros(len(ids), dtype=bool) for length in repeated}  # parts of a longer worn phrase
    listed: list[Worn] = []
    for length in sorted(repeated, reverse=True):
        places, grams = repeated[length]
        if not len(places):
            continue
        begins = np.flatnonzero(np.diff(grams[places], prepend=-1))
        ends = np.append(begins[1:], len(places))
        alone = np.add.reduceat(~inside[length][places], begins)
        rows = []
        for begin, end in zip(begins[alone >= least].tolist(), ends[alone >= least].tolist(), strict=True):
            first = int(places[begin])
            said = words[first : first + length]
            if _says_something(said) and " ".join(said) not in left_out:
                rows.append((begin - end, said, first, places[begin : min(end, begin + _PLACES)]))
        for count, _, first, some in sorted(rows, key=lambda row: row[:2])[: most - len(listed)]:
            starts = tuple(found[place].start() for place in some.tolist())
            phrase = " ".join(text[starts[0] : found[first + length - 1].end()].lower().replace("’", "'").split())
            listed.append(Worn(phrase, length, -count, starts))
        if len(listed) >= most:
            break
        for part in range(SHORTEST, length):
            for shift in range(length - part + 1):
                inside[part][places + shift] = True
    return listed


def _says_something(words: list[str]) -> bool:
    carrying = sum(word not in _STOP_WORDS for word in words)
    return carrying >= (2 if len(words) == SHORTEST else 1)
