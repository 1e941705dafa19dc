"""Where sentences and paragraphs of prose begin and end, and how a new piece is joined to what is there."""

from __future__ import annotations

import re

# The end of a sentence: its mark, closing quotes or brackets, then white space or the end of the text. The marks are
# those of UAX #29's SentenceTerm that modern prose uses. A run of marks is tried once, from its beginning: a page of
# dots would take minutes otherwise.
_SENTENCE_END = re.compile(r"(?:(?<![.!?…])[.!?…]++[\"'”’»)\]*_]*+(?=\s|\Z))|[。！？]+[」』”’）]*")
_CLOSING = ".,;:!?…)]}”’»。、！？」』"
_PARAGRAPH_BREAK = re.compile(r"\n\s*\n|\n")


def to_last_sentence(text: str) -> str:
    """`text` up to its last sentence end; all of it where no sentence ends in it."""
    ends = sentence_ends(text)
    return text[: ends[-1]] if ends else text


def sentence_ends(text: str) -> list[int]:
    """Where the sentences of `text` end, in characters; an unfinished last one has no end."""
    return [match.end() for match in _SENTENCE_END.finditer(text)]


def ends_sentence(text: str) -> bool:
    """Whether `text`, trailing white space aside, ends with a sentence."""
    stripped = text.rstrip()
    return bool(stripped) and len(to_last_sentence(stripped)) == len(stripped) and bool(_SENTENCE_END.search(stripped))


def joined(before: str, addition: str) -> str:
    """`addition` with the white space it needs to stand behind `before`: a new paragraph after a finished sentence, a
    space after an unfinished one."""
    if not before or before[-1].isspace() or addition[:1].isspace():
        return addition
    return ("\n\n" if ends_sentence(before) else " ") + addition


def continued(before: str, first_words: str) -> str:
    """The model's first words as they stand behind `before`: no second break where there is one, and a space after a
    finished sentence. Words may go on in mid-word: that is the model's to say."""
    if not before.strip() or before[-1].isspace():
        return first_words.lstrip()
    if first_words[:1].isalnum() and ends_sentence(before):
        return " " + first_words
    return first_words


def followed(words: str, after: str, gap: str) -> str:
    """`words` with `gap` behind them where they would run into the text `after`; not before its punctuation."""
    if not words or not after or words[-1].isspace() or after[0].isspace() or after[0] in _CLOSING:
        return words
    return words + gap


def paragraph_starts(text: str) -> list[int]:
    """Where the paragraphs of `text` begin, in characters; the first at 0. Empty for an empty text."""
    if not text:
        return []
    starts = [0] + [match.end() for match in _PARAGRAPH_BREAK.finditer(text)]
    return [start for start in starts if start < len(text)]


def word_count(text: str) -> int:
    """Words, as white space separates them."""
    return len(text.split())
