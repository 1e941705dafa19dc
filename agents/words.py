"""Words of names and messages, compared without their endings."""

from __future__ import annotations

import re

_LITTLE = """
a an the of in on at for to from by with and or is are was be this that it its my me i you your what which who how when
where do does can could will would should get find give tell show provide retrieve calculate compute determine function
based specific information details data value number use using
"""
_SAYS_LITTLE = frozenset(_LITTLE.split())
"""Words that do not tell what a tool or a message is about."""


def words_of(text: str) -> list[str]:
    """The words, in lower case; `math.areaOfCircle` and `math.area_of_circle` are math, area, of, circle."""
    return re.findall(r"[^\W\d_]+|\d+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text).lower())


def telling_words(text: str) -> list[str]:
    """The words, each once, without those that say little and single letters."""
    return [word for word in dict.fromkeys(words_of(text)) if word not in _SAYS_LITTLE and len(word) > 1]


def same_word(word: str, other: str) -> bool:
    """Whether two words differ in their endings alone: four letters or more are the same, and three at most differ."""
    if word == other:
        return True
    pairs = zip(word, other, strict=False)
    common = next((place for place, (one, two) in enumerate(pairs) if one != two), min(len(word), len(other)))
    return common >= 4 and max(len(word), len(other)) - common <= 3
