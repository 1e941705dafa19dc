"""The lines of PDF pages by where they stand: cells of tables, paragraphs, headings by size, running heads."""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

# pdfium writes a hyphen that it takes for a line break's as U+0002 or U+FFFE.
_BROKEN_WORD = re.compile("[\x02\ufffe](?:\r?\n)?")
_LINE = re.compile(r"[^\r\n]+")
_SPACES = re.compile(r" +")
_SENTENCE_END = re.compile(r"[.!?:;][\"'”’)\]]*\Z")
# Control characters other than the mark of a broken word; what numbers a paragraph or an item; a page's number.
_CONTROLS = re.compile("[\x01-\x08\x0b-\x1f\x7f]")
_ENUMERATOR = re.compile(r"\(?(?:[\d.]{1,8}|[a-zA-Z]|[ivxIVX]+)[.)]?|[^\w\s]", re.ASCII)
_PAGE_NUMBER = re.compile(r"[-–— ]*(?:page )?\d{1,4}(?: (?:of|/) \d{1,4})?[-–— ]*", re.IGNORECASE)
_DIGITS = re.compile(r"\d+")
# A gap between words that is wider than this many heights of the line lies between cells: justified text is set with
# up to one, columns of tables with two and more.
_CELL_GAP = 1.3
# Lines stand beside each other if their middles are so near, in heights; words lie that far apart.
_BESIDE, _WORD_GAP = 0.5, 0.12
# A line whose distance to the one above is this many times the usual one begins a paragraph.
_PARAGRAPH_GAP = 1.35
_WIDEST = 2.5  # heights between lines, where text is set wide: more is the distance between paragraphs
# A line set larger than the body by this factor is a heading, if it is short.
_HEADING_SIZE = 1.15
_LONGEST_HEADING = 150
_MOST_HEADING_SIZES = 4
# A line among the first or last ones of a page that stands, but for numbers, on so many pages is no part of the text.
_RUNNING_LINES, _RUNNING_PAGES, _RUNNING_SHARE = 2, 3, 0.5


@dataclass(frozen=True)
class Line:
    """A line of a page. cells: the same text, cut where the gaps between words are wide. In points: size, its height;
    left and bottom, where it begins, from the page's lower left corner; right and end, where it ends (lower, where a
    word that a line's end broke is put together). 0 is unknown."""

    text: str
    cells: tuple[str, ...] = ()
    size: float = 0.0
    left: float = 0.0
    bottom: float = 0.0
    right: float = 0.0
    end: float = 0.0


@dataclass(frozen=True)
class Part:
    """A paragraph, a table or a heading of a page. `size` is the height of its first line."""

    text: str
    size: float = 0.0
    lines: int = 1
    table: bool = False


def page_lines(textpage: Any) -> list[Line]:
    """The lines of a pypdfium2 text page, in the order of the file; words that a line's end broke put together."""
    text: str = textpage.get_text_range()
    # Put together before the lines are cut, but at the same length: positions lead back to pdfium's characters.
    text = _BROKEN_WORD.sub(lambda match: "\x00" * len(match.group()), text)
    lines: list[Line] = []
    for match in _LINE.finditer(text):
        line = match.group()
        bare = line.rstrip()
        first = len(line) - len(line.lstrip())
        # A font without a map to Unicode comes as its glyphs' numbers, control characters among them.
        if not bare.strip("\x00 \t") or len(_CONTROLS.findall(bare)) * 10 > len(bare):
            continue
        box = _box(textpage, match.start() + first)
        size = box[3] - box[1] if box else 0.0
        cells, begin = [], first
        for space in _SPACES.finditer(bare, first) if size > 0 else ():
            before = _box(textpage, match.start() + space.start() - 1)
            after = _box(textpage, match.start() + space.end())
            if before and after and after[0] - before[2] > _CELL_GAP * size:
                cells.append(bare[begin : space.start()])
                begin = space.end()
        cells.append(bare[begin:])
        whole = tuple(_CONTROLS.sub("", cell.replace("\x00", "")).strip() for cell in cells)
        if len(whole) == 2 and _ENUMERATOR.fullmatch(whole[0]):
            whole = (" ".join(whole),)
        last = _box(textpage, match.start() + len(bare) - 1) or box
        read = Line(" ".join(whole), whole)
        if box and last:
            read = Line(" ".join(whole), whole, size, box[0], box[1], last[2], last[1])
        together = joined(lines[-1], read) if lines else None
        if together:
            lines[-1] = together
        else:
            lines.append(read)
    return lines


def joined(line: Line, more: Line) -> Line | None:
    """Two lines that stand beside each other as one: an exponent, another size of type, the next cell; else None."""
    larger = line if line.size >= more.size else more
    middles = (line.end + line.size / 2) - (more.bottom + more.size / 2)
    gap = more.left - line.right
    if not line.size or not more.size or abs(middles) > _BESIDE * larger.size or gap < -_BESIDE * larger.size:
        return None
    if gap > _CELL_GAP * larger.size:
        cells = line.cells + more.cells
    else:
        glue = " " if gap > _WORD_GAP * larger.size else ""
        cells = (*line.cells[:-1], f"{line.cells[-1]}{glue}{more.cells[0]}", *more.cells[1:])
    return Line(" ".join(cells), cells, larger.size, line.left, larger.bottom, more.right, larger.end)


def without_running_lines(pages: Sequence[list[Line]]) -> list[list[Line]]:
    """The pages without heads and feet: lines at their edges that are the same, but for numbers, on most of them."""
    counts = Counter(key for lines in pages for key in {_key(lines[index]) for index in _edges(lines)})
    needed = max(_RUNNING_PAGES, _RUNNING_SHARE * sum(1 for lines in pages if lines))
    running = {key for key, count in counts.items() if count >= needed}
    kept = []
    for lines in pages:
        left_out = {
            index
            for index in _edges(lines)
            if _key(lines[index]) in running or (len(pages) > 1 and _PAGE_NUMBER.fullmatch(lines[index].text))
        }
        kept.append([line for index, line in enumerate(lines) if index not in left_out])
    return kept


def parts(lines: Sequence[Line], titles: Sequence[str] = ()) -> list[Part]:
    """The paragraphs and tables of a page: a paragraph ends at a wide gap, another size, a short line that ends a
    sentence; a table is two lines and more that have cells. A line that is one of the titles stands alone."""
    if not lines:
        return []
    full = sorted(len(line.text) for line in lines)[len(lines) * 3 // 4]
    distances = [above.end - line.bottom for above, line in pairwise(lines) if above.end > line.bottom]
    usual = median(distances) if distances else 0.0
    found: list[Part] = []
    run: list[Line] = []

    def close() -> None:
        if run:
            found.append(Part("\n".join(line.text for line in run), run[0].size, len(run)))
            run.clear()

    index = 0
    while index < len(lines):
        table = _table_length(lines, index)
        if table:
            close()
            rows = lines[index : index + table]
            found.append(Part("\n".join(" | ".join(row.cells) for row in rows), rows[0].size, table, True))
            index += table
            continue
        line = lines[index]
        if run and (
            abs(line.size - run[-1].size) > 0.1 * max(line.size, run[-1].size)
            or (usual and run[-1].end - line.bottom > _PARAGRAPH_GAP * max(min(usual, _WIDEST * line.size), line.size))
            or (len(run[-1].text) < 0.8 * full and _SENTENCE_END.search(run[-1].text))
        ):
            close()
        titled = any(is_title(line.text, title) for title in titles)
        if titled:
            close()
        run.append(line)
        if titled:
            close()
        index += 1
    close()
    return found


def heading_levels(pages: Iterable[Sequence[Part]]) -> dict[float, int]:
    """Which sizes are those of headings, and their levels: the largest is 1. Sizes are rounded by `rounded`."""
    characters: Counter[float] = Counter()
    short: set[float] = set()
    for page in pages:
        for part in page:
            if part.size > 0:
                characters[rounded(part.size)] += len(part.text)
                if is_short(part):
                    short.add(rounded(part.size))
    if not characters:
        return {}
    body = characters.most_common(1)[0][0]
    sizes = sorted((size for size in short if size > _HEADING_SIZE * body), reverse=True)
    return {size: min(level, _MOST_HEADING_SIZES) for level, size in enumerate(sizes, start=1)}


def is_title(text: str, title: str) -> bool:
    """Whether a text is this title: the same letters, perhaps after a number."""
    wanted = _letters(title)
    return wanted != "" and len(text) <= 2 * len(title) + 10 and _letters(text).endswith(wanted)


def is_short(part: Part) -> bool:
    """Whether a part could be a heading, by its length and its letters."""
    return (
        part.lines <= 3
        and not part.table
        and len(part.text) <= _LONGEST_HEADING
        and any(map(str.isalpha, part.text))
        and not _PAGE_NUMBER.fullmatch(part.text)
    )


def rounded(size: float) -> float:
    """To half points: the same font gives heights that differ a little."""
    return round(2 * size) / 2


def _table_length(lines: Sequence[Line], index: int) -> int:
    """How many lines from here on make a table: two and more with cells, or one with three cells and more."""
    end = index
    while end < len(lines) and len(lines[end].cells) > 1:
        end += 1
    return end - index if end - index > 1 or len(lines[index].cells) > 2 else 0


def _edges(lines: Sequence[Line]) -> list[int]:
    """The places of the first and last lines of a page; of a page of few lines none, so that some are left."""
    count = min(_RUNNING_LINES, len(lines) // 4)
    return [*range(count), *range(len(lines) - count, len(lines))]


def _key(line: Line) -> str:
    return _DIGITS.sub("#", line.text)


def _box(textpage: Any, index: int) -> tuple[float, float, float, float] | None:
    """Left, bottom, right, top of the character at this place of the page's text, as high as its font."""
    import pypdfium2.raw as pdfium

    character = pdfium.FPDFText_GetCharIndexFromTextIndex(textpage, index)
    box = pdfium.FS_RECTF()
    if character < 0 or not pdfium.FPDFText_GetLooseCharBox(textpage, character, ctypes.byref(box)):
        return None
    return box.left, box.bottom, box.right, box.top


def _letters(text: str) -> str:
    return "".join(character.lower() for character in text if character.isalnum())
