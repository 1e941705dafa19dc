"""Tells apart sentences that share their words and yet say different things: by numbers, denials and opposites.

Word overlap and sentence vectors are blind to all three; a rule is not, as far as it goes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.words import all_words, stem

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
# "one" is left out: it is a pronoun more often than a number.
_SMALL = (
    "zero _ two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
_TENS = "thirty forty fifty sixty seventy eighty ninety"
_NUMBER_WORDS = {
    **{word: str(value) for value, word in enumerate(_SMALL.split())},
    **{word: str(10 * value) for value, word in enumerate(_TENS.split(), 3)},
    **{"hundred": "100", "thousand": "1000", "million": "1000000", "twice": "2", "double": "2"},
}
_NEGATIONS = frozenset({"not", "no", "never", "cannot", "none", "neither", "nor", "without", "nothing", "nobody"})
_OPPOSITES = (
    (
        "increase increases raise rise elevated higher high up upregulate enhance promote activate gain improve more "
        "greater stimulate induce",
        "decrease reduce lower low down downregulate inhibit suppress prevent lose worsen less fewer block diminish "
        "impair decline fall",
    ),
    ("before", "after"),
    ("positive", "negative"),
    ("first", "last"),
    ("present presence", "absent absence lack"),
    ("allow", "forbid ban"),
    ("open", "closed close"),
    ("begin start", "end stop"),
    ("sensitive", "resistant"),
)
_DIRECTIONS = {
    stem(word): (axis, side)
    for axis, sides in enumerate(_OPPOSITES)
    for side, words in enumerate(sides)
    for word in words.split()
}


def differs(claim: str, source: str) -> bool:
    """Whether `claim` has a number that `source` lacks, denies what it affirms (or the other way), or points the other
    way on some axis (more and less, before and after)."""
    said, written = all_words(claim), all_words(source)
    if _numbers(claim, said) - _numbers(source, written):
        return True
    return _denies(said) != _denies(written) or _opposed(_sides(said), _sides(written))


def _numbers(text: str, words: Sequence[str]) -> set[str]:
    """The numbers of a sentence, in digits, whether it writes them so or in words."""
    return {*_NUMBER.findall(text), *(_NUMBER_WORDS[word] for word in words if word in _NUMBER_WORDS)}


def _denies(words: Sequence[str]) -> bool:
    return any(word in _NEGATIONS or word.endswith("n't") for word in words)


def _sides(words: Sequence[str]) -> dict[int, set[int]]:
    """The sides a sentence takes, by axis."""
    found: dict[int, set[int]] = {}
    for word in words:
        direction = _DIRECTIONS.get(stem(word))
        if direction is not None:
            found.setdefault(direction[0], set()).add(direction[1])
    return found


def _opposed(said: dict[int, set[int]], written: dict[int, set[int]]) -> bool:
    """Whether both take one side each on some axis, and not the same; a sentence with both sides tells nothing."""
    return any(
        len(sides) == 1 and len(written.get(axis, ())) == 1 and sides != written[axis] for axis, sides in said.items()
    )
