"""Word (.docx): headings, paragraphs, list items, tables, text boxes and notes in the order of the document."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rag.loaders import archive
from rag.loaders.assemble import Assembly
from rag.loaders.docx_numbers import Numbers
from rag.loaders.rows import plain_table
from rag.types import Document

if TYPE_CHECKING:
    from docx.document import Document as Word
    from lxml.etree import _Element

_HEADING_STYLE = re.compile(r"heading ?([1-9])", re.IGNORECASE)
# Namespaces of Office Open XML Transitional (ISO/IEC 29500-4): text, and its formulas; markup compatibility.
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
# A text box is in its paragraph's markup, and once more in an older form for old programs.
_TEXT_BOX = f"{_W}txbxContent"
# w:tabs, in a paragraph's properties, holds the tab stops under the name of a tab.
_LEFT_OUT = {f"{_W}tabs", f"{_W}del", f"{_W}moveFrom", f"{_W}instrText", _FALLBACK, _TEXT_BOX}
# What is written before a part of a formula: x^2, x_1, 1/2.
_IN_FORMULAS = {f"{_M}sup": "^", f"{_M}sub": "_", f"{_M}den": "/"}
_LONGEST_DESCENT = 10  # styles that a style may come from, one from the other
_NOTES = {"footnotes": "Footnotes", "endnotes": "Endnotes", "comments": "Comments"}
_BODY_TEXT_LEVEL = 9  # w:outlineLvl counts from 0; 9 is body text (17.3.1.20)


def load(path: str, data: bytes) -> Document:
    """A `Document` of the body's text; Strict Office Open XML, too.

    Raises DocumentError for an encrypted, damaged or oversized file, and whatever python-docx raises on a broken one.
    """
    import docx

    word = docx.Document(io.BytesIO(archive.transitional(path, data, "a Word document")))
    parts = {str(part.partname): part for part in word.part.package.iter_parts()}
    numbering = parts.get("/word/numbering.xml")
    numbers = Numbers(archive.parsed_xml(numbering.blob) if numbering else None, word.styles.element)
    styles = _Styles(_heading_levels(word), numbers)
    assembly = Assembly(path)
    _walk(word.element.body, assembly, styles)
    for name, title in _NOTES.items():
        part = parts.get(f"/word/{name}.xml")
        root = archive.parsed_xml(part.blob) if part else None
        if root is not None:
            notes = [" ".join(_text(each) for each in note.iter(f"{_W}p")).strip() for note in root]
            if any(notes):
                assembly.add(title, level=1)
            for note in notes:
                assembly.add(note)
    return assembly.document(word.core_properties.title)


@dataclass(frozen=True)
class _Styles:
    """The heading level of each style that has one, and the counts of the numbered paragraphs."""

    levels: dict[str, int]
    numbers: Numbers


def _heading_levels(word: Word) -> dict[str, int]:
    """The heading level of each paragraph style that has one, by style id (Title counts as 1)."""
    levels: dict[str, int] = {}
    based: dict[str, str] = {}
    for style in word.styles.element.iter(f"{_W}style"):
        identity = style.get(f"{_W}styleId") or ""
        named = style.find(f"{_W}name")
        level = 0
        for name in (identity, named.get(f"{_W}val") if named is not None else ""):
            found = _HEADING_STYLE.fullmatch(name or "")
            level = level or (int(found.group(1)) if found else int((name or "").lower() == "title"))
        outline = _outline_level(style)
        if level or outline is not None:
            levels[identity] = level or outline or 0
        elif (parent := style.find(f"{_W}basedOn")) is not None:
            based[identity] = parent.get(f"{_W}val") or ""
    for identity in based:
        parent_name = based[identity]
        for _ in range(_LONGEST_DESCENT):
            parent_name = based.get(parent_name, parent_name)
        if levels.get(parent_name):
            levels[identity] = levels[parent_name]
    return levels


def _outline_level(element: _Element) -> int | None:
    """1 to 9 where a style's or paragraph's properties put it into the document's outline, 0 where they put it out of
    it, None where they say nothing."""
    found = element.find(f"{_W}pPr/{_W}outlineLvl")
    value = found.get(f"{_W}val") if found is not None else None
    if not value or not value.isdigit():
        return None
    return int(value) + 1 if int(value) < _BODY_TEXT_LEVEL else 0


def _walk(parent: _Element, assembly: Assembly, styles: _Styles) -> None:
    """Paragraphs and tables, also where content controls and the like lie around them."""
    for element in parent:
        if element.tag == f"{_W}p":
            style = element.find(f"{_W}pPr/{_W}pStyle")
            styled = styles.levels.get(style.get(f"{_W}val") or "", 0) if style is not None else 0
            outline = _outline_level(element)
            assembly.add(_numbered(element, styles), styled if outline is None else outline)
            for box in _text_boxes(element):
                _walk(box, assembly, styles)
        elif element.tag == f"{_W}tbl":
            assembly.add(_table(element, styles))
        elif element.tag not in _LEFT_OUT:
            _walk(element, assembly, styles)


def _text(paragraph: _Element) -> str:
    """The paragraph's text: links, insertions and formulas included; deletions, field codes and text boxes not."""
    parts: list[str] = []
    stack = [paragraph]
    while stack:
        element = stack.pop()
        if element.tag in (f"{_W}t", f"{_M}t"):
            parts.append(element.text or "")
        elif element.tag in (f"{_W}tab", f"{_W}ptab"):
            parts.append("\t")
        elif element.tag in (f"{_W}br", f"{_W}cr"):
            parts.append("\n")
        elif element.tag == f"{_W}noBreakHyphen":
            parts.append("-")
        elif element.tag not in _LEFT_OUT:
            parts.append(_IN_FORMULAS.get(str(element.tag), ""))
            stack.extend(reversed(element))
    return "".join(parts)


def _numbered(paragraph: _Element, styles: _Styles) -> str:
    """A paragraph's text behind its number, if it has one."""
    text = _text(paragraph).strip()
    return f"{styles.numbers.label(paragraph)} {text}" if text else ""


def _text_boxes(paragraph: _Element) -> Iterator[_Element]:
    """The text boxes in a paragraph, each once, those within another left to it."""
    stack = list(reversed(paragraph))
    while stack:
        element = stack.pop()
        if element.tag == _TEXT_BOX:
            yield element
        elif element.tag != _FALLBACK:
            stack.extend(reversed(element))


def _table(table: _Element, styles: _Styles) -> str:
    """One line a row, cells between bars; a cell merged over columns is written once, one merged over rows in each."""
    rows = []
    above: dict[int, str] = {}
    # A table within a cell adds its rows after the row that it lies in.
    for row in table.iter(f"{_W}tr"):
        texts: list[str] = []
        column = 0
        for cell in row.iterchildren(f"{_W}tc", f"{_W}sdt"):
            text = _cell(cell, styles)
            merged = cell.find(f"{_W}tcPr/{_W}vMerge")
            # Without a value, or with "continue", the cell goes on with the one above (17.4.84).
            if merged is not None and merged.get(f"{_W}val") != "restart":
                text = text or above.get(column, "")
            above[column] = text
            texts.append(text)
            span = cell.find(f"{_W}tcPr/{_W}gridSpan")
            width = span.get(f"{_W}val", "1") if span is not None else "1"
            column += int(width) if width.isdigit() else 1
        rows.append(texts)
    return plain_table(rows)


def _cell(cell: _Element, styles: _Styles) -> str:
    """The text of a cell's own paragraphs, not those of a table within it."""
    texts: list[str] = []
    stack = list(reversed(cell))
    while stack:
        element = stack.pop()
        if element.tag == f"{_W}p":
            texts.append(_numbered(element, styles))
            texts += [_text(inner) for box in _text_boxes(element) for inner in box.iter(f"{_W}p")]
        elif element.tag != f"{_W}tbl":
            stack.extend(reversed(element))
    return " ".join(texts)
