"""Finds quoted words in the text they are said to come from: case, spacing and typography aside, and almost exactly."""

from __future__ import annotations

import difflib
import re
import unicodedata
from functools import lru_cache

from rag.contrast import differs

LIKENESS = 0.9
"""How like the text a quotation must be to count as found there: one minus edits over characters."""

_LEAST_WORDS = 3
# Longer than any sentence worth quoting: what is longer is looked for by its beginning.
_MOST_WORDS = 120
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_QUOTED = re.compile(r'"([^"\n]{2,1000})"|“([^“”\n]{2,1000})”|«([^«»\n]{2,1000})»')
_LIKE_ENOUGH = 0.7


def quotations(text: str) -> list[str]:
    """What stands between quotation marks in `text`, in order; of fewer than three words it is a name or irony, and
    left out."""
    found = [next(part for part in match.groups() if part is not None) for match in _QUOTED.finditer(text)]
    return [quotation for quotation in found if len(_WORD.findall(quotation)) >= _LEAST_WORDS]


def located(quotation: str, text: str) -> tuple[int, int] | None:
    """The span of `text` that says what `quotation` says, or None where its likeness is below `LIKENESS`.

    Words are compared without case, accents and punctuation. Edits are counted in characters, over whole words, and the
    stretch of the text is free (Sellers 1980, "The theory and computation of evolutionary distances"). A number or a
    denial that the text has otherwise is no slip of the pen: then it is not found, however alike. Takes time in
    proportion to words of the one times words of the other.
    """
    asked = [_plain(match.group()) for match in _WORD.finditer(quotation)][:_MOST_WORDS]
    places = [match.span() for match in _WORD.finditer(text)]
    words = [_plain(text[start:end]) for start, end in places]
    if not asked or not words:
        return None
    first, last, cost = _nearest(asked, words)
    total = sum(len(word) + 1 for word in asked)
    if first > last or cost > (1 - LIKENESS) * total:
        return None
    start, end = places[first][0], places[last][1]
    if cost and (differs(quotation, text[start:end]) or differs(text[start:end], quotation)):
        return None
    return start, end


def _nearest(asked: list[str], words: list[str]) -> tuple[int, int, float]:
    """The first and last word of the stretch of `words` that `asked` can be turned into most cheaply, and the cost."""
    # Rows are words asked for, columns words of the text; each cell is the cost so far and where its stretch begins.
    costs = [0.0] * (len(words) + 1)
    begins = list(range(len(words) + 1))
    for word in asked:
        left_out = len(word) + 1
        new_costs, new_begins = [costs[0] + left_out], [begins[0]]
        for column, other in enumerate(words, start=1):
            choices = (
                (costs[column - 1] + _edits(word, other), begins[column - 1]),
                (costs[column] + left_out, begins[column]),
                (new_costs[column - 1] + len(other) + 1, new_begins[column - 1]),
            )
            cost, begin = min(choices, key=lambda choice: choice[0])
            new_costs.append(cost)
            new_begins.append(begin)
        costs, begins = new_costs, new_begins
    last = min(range(1, len(costs)), key=lambda column: costs[column])
    return begins[last], last - 1, costs[last]


def _edits(word: str, other: str) -> float:
    """Characters that differ between two words; words that are not alike at all cost one of them whole."""
    if word == other:
        return 0.0
    longer = max(len(word), len(other))
    if abs(len(word) - len(other)) > longer * (1 - _LIKE_ENOUGH):
        return longer + 1
    likeness = _likeness(word, other)
    return longer * (1 - likeness) if likeness >= _LIKE_ENOUGH else longer + 1


@lru_cache(maxsize=4096)
def _likeness(word: str, other: str) -> float:
    return difflib.SequenceMatcher(None, word, other, autojunk=False).ratio()


def _plain(word: str) -> str:
    """A word in lower case, without accents, with a plain apostrophe."""
    decomposed = unicodedata.normalize("NFKD", word.replace("’", "'").casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))
