"""What a message says that an argument may be: its numbers, its lists of numbers, its names and pieces of its text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agents.words import same_word, telling_words

_NUMBER = re.compile(
    r"(?<![\w.^])(?:-(?=\d))?\d+(?:,\d{3})+(?:\.\d+)?(?![\d])"  # 1,250.50
    r"|(?<![\w.^])-?\d+(?:\.\d+)?(?:[eE]-?\d+)?(?!\d|[.]\d)"
)
_TIMES = {"hundred": 100, "thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000}
_TIMES_WORD = re.compile(r"\s*(hundred|thousand|million|billion)\b", re.IGNORECASE)
_NUMBER_WORDS = "zero one two three four five six seven eight nine ten eleven twelve"
_IN_WORDS = _NUMBER_WORDS.split()
_WORD_NUMBER = re.compile(rf"\b(?:{_NUMBER_WORDS.replace(' ', '|')})\b", re.IGNORECASE)
_BETWEEN = re.compile(r"\s*(?:,|,?\s*and\b|;)\s*")
_QUOTED = re.compile(r""""([^"]+)"|(?<!\w)'([^']+)'(?!\w)|`([^`]+)`|“([^”]+)”""")
_ENTITY = re.compile(r"(?<=[a-z,] )[A-Z]\w+|\b[A-Za-z]+\d\w*|\b\w+\.[A-Za-z]{2,4}\b")
_EDGE_WORDS = """
a an the of in on at for to from by with and or is are was were be this that it its my me i you your what which who how
when where
"""
_EDGES = frozenset(_EDGE_WORDS.split())
_WORD = re.compile(r"[A-Za-z]+")
_NEAR = 40
_NAME_GOES_ON = re.compile(r" [A-Z]\w|, [A-Z]\.?[A-Z]\b")
_NAME_BEFORE = re.compile(r"(?<=\s)[A-Z]\w* $")  # not the first word of a message
_MOST_WORDS = 8
_MOST_PIECES = 300

Number = int | float


def numbers_in(message: str) -> list[Number]:
    """The numbers of `message`, in order: digits (2,500; 8.5; 3e8; 5 million) and the words zero to twelve.

    The digits of `DNA123` are none.
    """
    return [number for _, _, number in _placed(message)]


def numbers_named(message: str, names: Sequence[str]) -> dict[str, Number]:
    """The numbers that the message gives to parameters by name: `a mass of 45 kg` is mass = 45.

    A word that only this one of `names` holds stands up to 40 characters before the number, no other number between.
    """
    placed = _placed(message)
    words = {name: set(telling_words(name)) for name in names}
    named: dict[str, Number] = {}
    for name, own in words.items():
        others = set().union(*(each for other, each in words.items() if other != name))
        found = set()
        for match in _WORD.finditer(message):
            unit = message[: match.start()].rstrip()[-1:].isdigit()
            if unit or not any(same_word(match.group().lower(), word) for word in own - others):
                continue
            after = next(((begin, number) for begin, _, number in placed if begin >= match.end()), None)
            if after is not None and after[0] - match.end() <= _NEAR:
                found.add(after[1])
        if len(found) == 1:
            named[name] = found.pop()
    return named if len(set(named.values())) == len(named) else {}


def lists_in(message: str) -> list[list[Number]]:
    """The lists of two or more numbers of `message`: those with commas and "and" between them."""
    lists: list[list[Number]] = []
    end = None
    for begin, after, number in _placed(message):
        if end is not None and _BETWEEN.fullmatch(message, end, begin):
            lists[-1].append(number)
        else:
            lists.append([number])
        end = after
    return [each for each in lists if len(each) > 1]


def names_in(message: str) -> int:
    """How many names the message holds: what is quoted, `todo.txt`, `rs7412`, a word with a capital inside a
    sentence."""
    return len(_QUOTED.findall(message)) + len(_ENTITY.findall(_QUOTED.sub("", message)))


def pieces_of(message: str) -> list[str]:
    """The pieces that a text could be copied from: what the message quotes, and its runs of up to 8 words.

    A run neither begins nor ends with a word such as "the", and has no punctuation at its ends. At most 300 pieces.
    """
    pieces = [quoted for groups in _QUOTED.findall(message) for quoted in groups if quoted]
    words = list(re.finditer(r"\S+", message))
    for first, word in enumerate(words):
        if _bare(word.group()).lower() in _EDGES:
            continue
        for last in words[first : first + _MOST_WORDS]:
            if _bare(last.group()).lower() not in _EDGES and not _cuts_name(message, word.start(), last.end()):
                pieces.append(_bare(message[word.start() : last.end()]))
    return [piece for piece in dict.fromkeys(pieces) if piece][:_MOST_PIECES]


def _placed(message: str) -> list[tuple[int, int, Number]]:
    """Where each number begins and ends, and the number."""
    found: list[tuple[int, int, Number]] = []
    for match in _NUMBER.finditer(message):
        number, end = float(match.group().replace(",", "")), match.end()
        if times := _TIMES_WORD.match(message, end):
            number, end = number * _TIMES[times.group(1).lower()], times.end()
        found.append((match.start(), end, int(number) if number.is_integer() and abs(number) < 1e15 else number))
    found += [(each.start(), each.end(), _IN_WORDS.index(each[0].lower())) for each in _WORD_NUMBER.finditer(message)]
    return sorted(found)


def _cuts_name(message: str, begin: int, end: int) -> bool:
    """Whether a name goes on before or behind: `New York` in `New York City`, `Boston` in `Boston, MA`."""
    end = begin + len(message[begin:end].rstrip(".,?!;:"))
    last = message[begin:end].rsplit(maxsplit=1)[-1:]
    goes_on = bool(last) and last[0][0].isupper() and _NAME_GOES_ON.match(message, end)
    return bool(goes_on) or (message[begin].isupper() and bool(_NAME_BEFORE.search(message[:begin])))


def _bare(text: str) -> str:
    return text.strip(".,?!;:`\"'()“”")
