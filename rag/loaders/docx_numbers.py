"""The numbers that Word shows before list items and headings, and does not keep in their text."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.etree import _Element

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_PLACE = re.compile(r"%([1-9])")
_NO_LIST = "0"  # w:numId 0 takes a paragraph out of the list of its style (ISO/IEC 29500-1, 17.9.18)
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
          (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip


@dataclass(frozen=True)
class _Level:
    """How one level of a list counts (17.9.6): the number's form, `%1.%2` with the numbers of levels, the first one."""

    form: str
    text: str
    start: int


class Numbers:
    """Counts the numbered paragraphs of a document, which are to be asked for in order."""

    def __init__(self, numbering: _Element | None, styles: _Element) -> None:
        """numbering: the root of word/numbering.xml, where there is one; styles: that of word/styles.xml."""
        self._levels: dict[str, dict[int, _Level]] = {}  # by w:abstractNumId
        self._list_of: dict[str, str] = {}  # w:numId to w:abstractNumId
        self._restarts: dict[str, dict[int, int]] = {}  # by w:numId, used up at its first paragraph
        self._styled: dict[str, tuple[str, int]] = {}  # style id to w:numId and level
        self._counts: dict[str, dict[int, int]] = defaultdict(dict)
        levels_of_styles: dict[str, int] = {}
        for abstract in numbering.iterchildren(f"{_W}abstractNum") if numbering is not None else ():
            levels = {}
            for level in abstract.iterchildren(f"{_W}lvl"):
                index = _number(level.get(f"{_W}ilvl"), 0)
                start = _number(_value(level, "start"), 1)
                levels[index] = _Level(_value(level, "numFmt") or "decimal", _value(level, "lvlText") or "", start)
                if style := _value(level, "pStyle"):
                    levels_of_styles[style] = index
            self._levels[abstract.get(f"{_W}abstractNumId") or ""] = levels
        for number in numbering.iterchildren(f"{_W}num") if numbering is not None else ():
            identity = number.get(f"{_W}numId") or ""
            self._list_of[identity] = _value(number, "abstractNumId") or ""
            for override in number.iterchildren(f"{_W}lvlOverride"):
                if (start_again := _value(override, "startOverride")) is not None:
                    level_index = _number(override.get(f"{_W}ilvl"), 0)
                    self._restarts.setdefault(identity, {})[level_index] = _number(start_again, 1)
        for each in styles.iter(f"{_W}style"):
            found = each.find(f"{_W}pPr/{_W}numPr")
            if found is not None:
                style = each.get(f"{_W}styleId") or ""
                level_index = levels_of_styles.get(style, _number(_value(found, "ilvl"), 0))
                self._styled[style] = (_value(found, "numId") or "", level_index)

    def label(self, paragraph: _Element) -> str:
        """What stands before this paragraph: `3.`, `2.1`, `(b)`; empty for none and for a bullet."""
        own = paragraph.find(f"{_W}pPr/{_W}numPr")
        style = paragraph.find(f"{_W}pPr/{_W}pStyle")
        styled = self._styled.get(style.get(f"{_W}val") or "") if style is not None else None
        identity, level = styled or ("", 0)
        if own is not None:
            identity = _value(own, "numId") or identity
            level = _number(_value(own, "ilvl"), level)
        levels = self._levels.get(self._list_of.get(identity, ""), {})
        if identity == _NO_LIST or level not in levels:
            return ""
        counts = self._counts[self._list_of[identity]]
        for index, start in self._restarts.pop(identity, {}).items():
            counts[index] = start - 1
        counts[level] = counts.get(level, levels[level].start - 1) + 1
        for deeper in [index for index in counts if index > level]:
            del counts[deeper]
        if levels[level].form in ("bullet", "none"):
            return ""

        def shown(match: re.Match[str]) -> str:
            index = int(match.group(1)) - 1
            described = levels.get(index, levels[level])
            return formatted(counts.get(index, described.start), described.form)

        return _PLACE.sub(shown, levels[level].text)


def formatted(number: int, form: str) -> str:
    """A number as w:numFmt says (17.18.59); forms of other scripts are written in figures."""
    if form in ("lowerLetter", "upperLetter") and number > 0:
        # a to z, then aa, bb: the letter is repeated.
        text = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
    elif form in ("lowerRoman", "upperRoman") and 0 < number < 4000:
        text = ""
        for value, letters in _ROMAN:
            text += letters * (number // value)
            number %= value
    else:
        return f"{number:02}" if form == "decimalZero" else str(number)
    return text.upper() if form.startswith("upper") else text


def _value(parent: _Element, name: str) -> str | None:
    found = parent.find(f"{_W}{name}")
    return found.get(f"{_W}val") if found is not None else None


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isdigit() and len(text) < 7 else otherwise
