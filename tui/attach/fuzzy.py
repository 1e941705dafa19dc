"""How well letters that were typed fit a path: pure, and of a time that grows with the path's length alone."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

_BREAKS = frozenset("/._- ")
# What a letter is worth more where it begins a word, follows the one before it, or stands in the file's name.
_AT_WORD, _IN_A_ROW, _IN_NAME = 0.8, 1.0, 0.5
# A letter passed over between two costs little: what is near is better, but what is far is still found.
_PASSED, _LENGTH = 0.02, 0.001


def best(query: str, paths: Iterable[str], count: int) -> list[str]:
    """The `count` paths that fit `query` best, the best first; of equals the shorter, then the first in order."""
    found = ((score(query, path), -len(path), -place, path) for place, path in enumerate(paths))
    fitting = ((points, length, place, path) for points, length, place, path in found if points is not None)
    return [path for *_, path in heapq.nlargest(count, fitting)]


def score(query: str, path: str) -> float | None:
    """How well `query` fits, None where its letters do not stand in `path` in this order. Case does not count."""
    wanted, within = query.lower(), path.lower()
    name = within.rfind("/") + 1
    # The whole stretch where there is one, else the tightest run of letters that ends first, and that begins last.
    at = within.rfind(wanted)
    if at >= 0:
        return _points(range(at, at + len(wanted)), within, name)
    places = _forwards(wanted, within, 0)
    if not places:
        return None
    tight = _backwards(wanted, within, places[-1])
    late = _forwards(wanted, within, _backwards(wanted, within, len(within) - 1)[0])
    return max(_points(tight, within, name), _points(late, within, name))


def _forwards(wanted: str, within: str, start: int) -> list[int]:
    """Where each letter stands first, from `start` on; empty where one does not."""
    places, at = [], start
    for letter in wanted:
        at = within.find(letter, at)
        if at < 0:
            return []
        places.append(at)
        at += 1
    return places


def _backwards(wanted: str, within: str, end: int) -> list[int]:
    """Where each letter stands last, up to `end`; all of them are there."""
    places, at = [], end + 1
    for letter in reversed(wanted):
        at = within.rfind(letter, 0, at)
        places.append(at)
    return places[::-1]


def _points(places: Iterable[int], within: str, name: int) -> float:
    points, before = -_LENGTH * len(within), None
    for place in places:
        points += 1 + _IN_NAME * (place >= name)
        points += _AT_WORD * (place == 0 or within[place - 1] in _BREAKS)
        if before is not None:
            points += _IN_A_ROW if place == before + 1 else -_PASSED * min(50, place - before - 1)
        before = place
    return points
