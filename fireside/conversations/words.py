"""What a search asks for, as full-text search takes it, and where a text holds it. Pure functions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fireside.database import storable
from fireside.text import for_terminal, for_terminal_line

_WORD = re.compile(r"[^\W_]+")
_PIECE = re.compile(r'"([^"]*)"?|([^\s"]+)')
_MARKS = "[\u0300-\u036f]*"
_SHORTEST_BEGINNING = 2
_BEFORE, _AFTER = 40, 140  # characters of an excerpt around the first word that was found


@dataclass(frozen=True)
class Words:
    """Phrases of words without case and accents, all of which a text must hold; the last may be a beginning."""

    phrases: tuple[tuple[str, ...], ...]
    beginning: bool

    @property
    def match(self) -> str:
        """The query in FTS5's language, every word quoted, so that none is taken for one of its operators."""
        quoted = " ".join(f'"{" ".join(phrase)}"' for phrase in self.phrases)
        return quoted + ("*" if self.beginning else "")


def asked(query: str) -> Words | None:
    """The words of `query`, and its phrases in double quotes; None where it holds no word.

    The last word may be the beginning of one, unless it is quoted or a single letter.
    """
    phrases: list[tuple[str, ...]] = []
    quoted = False
    for piece in _PIECE.finditer(folded_words(storable(query))):
        words = tuple(_WORD.findall(piece.group()))
        if words:
            phrases.append(words)
            quoted = piece.group(1) is not None
    if not phrases:
        return None
    return Words(tuple(phrases), not quoted and len(phrases[-1][-1]) >= _SHORTEST_BEGINNING)


def occurrences(text: str, words: Words) -> Iterator[tuple[int, int]]:
    """Where each of the phrases begins and ends in `text`, in order, without overlap."""
    yield from (found.span() for found in _pattern(words).finditer(text.translate(_FOLDING)))


def excerpt(text: str, words: Words) -> tuple[str, tuple[tuple[int, int], ...], int]:
    """The surroundings of the first occurrence on one line that is safe for a terminal, where the words are in it, and
    the offset of the first occurrence in `text` (0 where there is none: folding differs for a few rare letters)."""
    start, end = next(occurrences(text, words), (0, 0))
    begin = _word_edge(text, start - _BEFORE) if start > _BEFORE else 0
    finish = end + _AFTER
    line = for_terminal_line(text[begin:finish], _BEFORE + _AFTER + (end - start) + 2)
    line = ("…" if begin > 0 else "") + line + ("…" if finish < len(text) and not line.endswith("…") else "")
    return line, tuple(occurrences(line, words)), start


def folded_words(text: str) -> str:
    """`text` without accents and in small letters."""
    plain = unicodedata.normalize("NFD", for_terminal(text))
    return "".join(each for each in plain if not unicodedata.combining(each)).lower()


def _word_edge(text: str, place: int) -> int:
    """The beginning of the first word at or after `place`, or `place` where none begins soon."""
    space = re.compile(r"\s").search(text, place, place + _BEFORE // 2)
    return space.end() if space else place


class _Folding(dict[int, str | int]):
    """A table for `str.translate`: each character without its accent and case, always one character for one."""

    def __missing__(self, code: int) -> str | int:
        character = chr(code)
        plain = unicodedata.normalize("NFD", character)[0].lower()
        self[code] = result = plain if len(plain) == 1 else code
        return result


_FOLDING = _Folding()


def _pattern(words: Words) -> re.Pattern[str]:
    def one(phrase: Sequence[str], whole: bool) -> str:
        letters = (_MARKS.join(map(re.escape, word)) + _MARKS for word in phrase)
        return r"(?<![^\W_])" + r"[\W_]+".join(letters) + (r"(?![^\W_])" if whole else "")

    last = len(words.phrases) - 1
    patterns = [one(phrase, not (words.beginning and place == last)) for place, phrase in enumerate(words.phrases)]
    # The longer first, so that `tie` does not hide `tie a knot`.
    return re.compile("|".join(sorted(patterns, key=len, reverse=True)))
