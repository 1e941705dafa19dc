"""Reads an object of untrusted JSON field by field, and remembers what was not taken over."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from fireside.text import for_terminal, for_terminal_line

LONGEST_TEXT = 1_000_000
"""Characters of one text; the rest is cut off, and said."""

MOST_RECORDS = 10_000
"""Entries of one list."""

MOST_WORDS = 500
"""Keys of one entry."""

_LONGEST_WORD = 1_000
_MOST_NAMED = 5
_MOST_PROBLEMS = 200
_LARGEST = 1_000_000_000

Instead = TypeVar("Instead")


class Findings:
    """What could not be taken over, each reason once, with those it is true of."""

    def __init__(self) -> None:
        self._names: dict[str, list[str]] = {}

    def add(self, reason: str, name: str = "") -> None:
        """`reason` is true of what is called `name` (nothing: of the whole file)."""
        if reason in self._names or len(self._names) < _MOST_PROBLEMS:
            self._names.setdefault(reason, []).append(name)

    def lines(self) -> tuple[str, ...]:
        """One line a reason, in the order they came up."""
        return tuple(_line(reason, [name for name in names if name]) for reason, names in self._names.items())


def _line(reason: str, names: list[str]) -> str:
    if not names:
        return reason
    shown = ", ".join(names[:_MOST_NAMED])
    return f"{reason} ({shown}{f' and {len(names) - _MOST_NAMED} more' if len(names) > _MOST_NAMED else ''})"


class Record:
    """One JSON object. What is asked for is read; `unread` names what is there and was never asked for.

    A value of the wrong type is a finding, and counts as missing. Texts come out safe for a terminal.
    """

    def __init__(self, values: dict[str, Any], findings: Findings, name: str = "") -> None:
        self._values = values
        self._asked: set[str] = set()
        self.findings = findings
        self.name = name

    def has(self, field: str) -> bool:
        """Whether there is anything in `field`."""
        return self._values.get(field) is not None

    def say(self, reason: str) -> None:
        """A finding about this object."""
        self.findings.add(reason, self.name)

    def text(self, field: str) -> str:
        """`prose` without the white space around it."""
        return self.prose(field).strip()

    def prose(self, field: str) -> str:
        """The text in `field`; a number as it is written. Empty where there is none."""
        value = self._value(field)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            return "" if value is None else self._wrong(field, "no text", "")
        if len(value) > LONGEST_TEXT:
            self.say(f"{_shown(field)} is cut off after {LONGEST_TEXT:,} characters")
        return for_terminal(value[:LONGEST_TEXT])

    def line(self, field: str) -> str:
        """The text in `field` on one line."""
        return for_terminal_line(self.text(field))

    def flag(self, field: str, default: bool = False) -> bool:
        """The truth value in `field`; numbers and the words of them as other programs write them."""
        value = self._value(field)
        if isinstance(value, bool):
            return value
        if value is None:
            return default
        if value in (0, 1, "0", "1", "true", "false", ""):
            return value in (1, "1", "true")
        return self._wrong(field, "neither true nor false", default)

    def whole(self, field: str, default: int = 0) -> int:
        """The number in `field`, cut to a whole one; `default` where there is none."""
        value = self._value(field)
        if value is None or value == "":
            return default
        try:
            number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
        except (ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            return self._wrong(field, "no number", default)
        return int(max(-_LARGEST, min(_LARGEST, number)))

    def words(self, field: str) -> tuple[str, ...]:
        """The keys in `field`: a list of texts, or one text with commas between them."""
        value = self._value(field)
        if value is None:
            return ()
        if isinstance(value, str):
            value = value[:LONGEST_TEXT].split(",")
        if not isinstance(value, list):
            return self._wrong(field, "no list of keys", ())
        words = [for_terminal_line(each, _LONGEST_WORD + 1) for each in value if isinstance(each, str)]
        kept = [word for word in words if word and len(word) <= _LONGEST_WORD]
        if len(words) < len(value) or any(len(word) > _LONGEST_WORD for word in words):
            self.say(f"a key in {_shown(field)} is no text or longer than {_LONGEST_WORD} characters: left out")
        if len(kept) > MOST_WORDS:
            self.say(f"{_shown(field)} has more than {MOST_WORDS} keys: the rest is left out")
        return tuple(dict.fromkeys(kept[:MOST_WORDS]))

    def texts(self, field: str) -> tuple[str, ...]:
        """The list of texts in `field`."""
        value = self._value(field)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            return self._wrong(field, "no list of texts", ())
        if len(value) > MOST_RECORDS:
            self.say(f"{_shown(field)} has {len(value):,} texts: those after {MOST_RECORDS:,} are left out")
        return tuple(for_terminal(each[:LONGEST_TEXT]) for each in value[:MOST_RECORDS])

    def record(self, field: str) -> Record:
        """The object in `field`; an empty one where there is none."""
        value = self._value(field)
        if value is not None and not isinstance(value, dict):
            value = self._wrong(field, "no object", None)
        return Record(value or {}, self.findings, self.name)

    def records(self, field: str) -> Iterator[Record]:
        """The objects in the list, or the values of the object, in `field`, one by one."""
        value = self._value(field)
        if isinstance(value, dict):
            value = list(value.values())
        if not isinstance(value, list):
            if value is not None:
                self._wrong(field, "no list", None)
            return
        yield from records(value, self.findings)

    def value(self, field: str) -> Any:
        """Whatever is in `field`, as it is."""
        return self._value(field)

    def ignore(self, fields: Iterable[str]) -> None:
        """Count these fields as read: they say nothing about a story."""
        self._asked.update(fields)

    def unread(self, what: str = "") -> None:
        """A finding for every field that says something and that nobody asked for."""
        for field, value in self._values.items():
            if field not in self._asked and value not in (None, "", [], {}, False, 0):
                self.say(f"{what}{_shown(field)} is not supported: left out")

    def values(self) -> dict[str, Any]:
        """The whole object, as it is."""
        return self._values

    def _value(self, field: str) -> Any:
        self._asked.add(field)
        return self._values.get(field)

    def _wrong(self, field: str, is_what: str, instead: Instead) -> Instead:
        self.say(f"{_shown(field)} is {is_what}: left out")
        return instead


def records(values: list[Any], findings: Findings) -> Iterator[Record]:
    """The objects among `values`; what is no object, and what is too many, is a finding."""
    if len(values) > MOST_RECORDS:
        findings.add(f"there are {len(values):,} entries: those after {MOST_RECORDS:,} are left out")
    for number, value in enumerate(values[:MOST_RECORDS], 1):
        if isinstance(value, dict):
            yield Record(value, findings, f"entry {number}")
        else:
            findings.add("an entry is no object: left out", f"entry {number}")


def _shown(field: str) -> str:
    return for_terminal_line(field, 40)
