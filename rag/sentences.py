"""Where the sentences of a text begin and end, in characters. Linear in the length of the text."""

from __future__ import annotations

import re

# A sentence may end: after . ! ? … (and closing quotes or brackets) before white space, after a full-width mark,
# at an empty line, and before a line that begins like a list item or a table row.
_BOUNDARY = re.compile(
    r"""(?P<mark>[.!?…]{1,8}["'”’»)\]]{0,4})(?=\s)
      | [。！？]{1,8}["'”’」』）]{0,4}
      | \n(?=[ \t]{0,8}(?:\r?\n|[-*+•|]\s|\d{1,3}[.)]\s|\|))
    """,
    re.VERBOSE,
)
_LAST_WORD = re.compile(r"[^\W\d_][\w.’'-]{0,15}\Z|[^\W\d_]\Z")
_NEXT = re.compile(r"\s+(\S)")
# Words that are written with a full stop inside a sentence (Chicago Manual of Style, 10.1 ff.: the common ones).
_ABBREVIATIONS_TEXT = (
    "mr mrs ms dr prof rev hon gen col capt lt sgt sen rep gov st mt ft jr sr vol vols fig figs eq eqs ed eds p pp ch "
    "sec al etc vs cf e.g i.e ca approx dept est inc ltd co corp jan feb mar apr jun jul aug sep sept oct nov dec u.s "
    "u.k u.n a.m p.m ph.d"
)
_ABBREVIATIONS = frozenset(_ABBREVIATIONS_TEXT.split())


def sentence_spans(text: str, start: int = 0, end: int | None = None) -> list[tuple[int, int]]:
    """Spans (start, end) of the sentences of `text[start:end]`, in order, without white space around them.

    Every character that is not white space is in exactly one span.
    """
    end = len(text) if end is None else end
    spans: list[tuple[int, int]] = []
    begin = start
    for match in _BOUNDARY.finditer(text, start, end):
        if match.group("mark") and not _ends_sentence(text, match.start(), match.end(), end):
            continue
        _append_trimmed(spans, text, begin, match.end())
        begin = match.end()
    _append_trimmed(spans, text, begin, end)
    return spans


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without white space at its ends (start == end where nothing else is in it)."""
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), max(end - len(part) + len(part.rstrip()), start)


def _ends_sentence(text: str, mark: int, after: int, end: int) -> bool:
    """Whether the punctuation at `mark` closes a sentence, judged by the word before and the letter behind."""
    following = _NEXT.match(text, after, min(end, after + 64))
    if following is None:
        return True
    if following.group(1).islower():
        return False
    if text[mark] != "." or after - mark > 1:
        return True
    word = _LAST_WORD.search(text[max(0, mark - 16) : mark])
    if word is None:
        return True
    # A single capital is an initial ("J. Smith"); "I." is taken for one, too, which only makes a longer sentence.
    return word.group().lower() not in _ABBREVIATIONS and not (len(word.group()) == 1 and word.group().isupper())


def _append_trimmed(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    first, last = trimmed(text, start, end)
    if first < last:
        spans.append((first, last))
