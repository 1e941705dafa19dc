"""The words of a text that carry meaning, in a normal form: for full-text queries, relevance and citations."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")

# Function words of English and the words questions are made with; they say nothing about what is asked.
_STOPWORDS_TEXT = (
    "a about above across after again against all almost also although always am among an and another any are around "
    "as at be became because become been before being below between both but by came can cannot could did do does "
    "doing done down during each either else ever every few for from further get give given gives go had has have "
    "having he her here hers herself him himself his how however i if in into is it its itself just know let like "
    "made make many may me might more most much must my myself name near no nor not now of off on once one only or "
    "other others our ours out over own per please rather said same say see shall she should show since so some such "
    "tell than that the their theirs them themselves then there these they this those though through to too toward "
    "towards under until up upon us use used using very via was we were what whatever when where whether which while "
    "who whom whose why will with within without would yet you your yours yourself isn't don't doesn't didn't wasn't "
    "aren't can't won't it's that's what's there's i'm you're they're we're"
)
STOPWORDS = frozenset(_STOPWORDS_TEXT.split())


def all_words(text: str) -> list[str]:
    """The words of `text` in order: lower case, without accents, typographic apostrophes made plain."""
    plain = text.lower().replace("’", "'")
    if not plain.isascii():
        plain = unicodedata.normalize("NFKD", plain)
        plain = "".join(character for character in plain if not unicodedata.combining(character))
    return _WORD.findall(plain)


def content_words(text: str) -> list[str]:
    """The words of `text` that are not stopwords, in order, with repetitions."""
    return [word for word in all_words(text) if word not in STOPWORDS and (len(word) > 1 or word.isdigit())]


def stem(word: str) -> str:
    """The word without its commonest English endings, so that "cuts", "cutting" and "cut" meet.

    Coarse on purpose (after Harman 1991, "How effective is suffixing?", the S-stemmer, with -ed and -ing added): it is
    only ever compared with itself.
    """
    word = word.removesuffix("'s")
    if len(word) > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed", "ly"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def content_stems(text: str) -> list[str]:
    """The stems of the content words, in order."""
    return [stem(word) for word in content_words(text)]
