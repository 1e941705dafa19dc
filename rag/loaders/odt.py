"""OpenDocument text (.odt): headings, paragraphs, list items and tables in the order of the document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rag.loaders import archive
from rag.loaders.assemble import Assembly
from rag.loaders.limits import damaged
from rag.loaders.rows import plain_table
from rag.types import Document

if TYPE_CHECKING:
    from lxml.etree import _Element

_KIND = "an OpenDocument text"
# Namespaces of OpenDocument 1.3, part 3.
_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"
# Deleted text, comments, and the contents that the program itself made.
_LEFT_OUT = {
    f"{_TEXT}tracked-changes",
    f"{_OFFICE}annotation",
    f"{_TEXT}table-of-content",
    f"{_TEXT}alphabetical-index",
    f"{_TEXT}illustration-index",
    f"{_TEXT}sequence-decls",
}
_MOST_REPEATED = 100


def load(path: str, data: bytes) -> Document:
    """A `Document` of the body's text. Raises DocumentError for an encrypted or damaged file."""
    with archive.opened(path, data, _KIND) as package:
        root = archive.parsed_xml(archive.member(path, package, "content.xml", _KIND))
        title = None
        if "meta.xml" in package.namelist():
            meta = archive.parsed_xml(archive.member(path, package, "meta.xml", _KIND))
            title = meta.findtext(f".//{_TITLE}") if meta is not None else None
    body = root.find(f"{_OFFICE}body") if root is not None else None
    if body is None:
        raise damaged(path, _KIND)
    assembly = Assembly(path)
    _walk(body, assembly)
    return assembly.document(title)


def _walk(parent: _Element, assembly: Assembly) -> None:
    for element in parent.iterchildren():
        if element.tag == f"{_TEXT}h":
            level = element.get(f"{_TEXT}outline-level", "1")
            assembly.add(_text(element), level=int(level) if level.isdigit() and level != "0" else 1)
        elif element.tag == f"{_TEXT}p":
            assembly.add(_text(element))
        elif element.tag == f"{_TABLE}table":
            assembly.add(_table(element))
        elif element.tag not in _LEFT_OUT:
            _walk(element, assembly)


def _text(element: _Element) -> str:
    """A paragraph's text; runs of spaces, tabs and breaks are elements in OpenDocument."""
    if element.tag in _LEFT_OUT or not isinstance(element.tag, str):
        return ""
    if element.tag == f"{_TEXT}s":
        count = element.get(f"{_TEXT}c", "1")
        return " " * (min(int(count), _MOST_REPEATED) if count.isdigit() else 1)
    if element.tag == f"{_TEXT}tab":
        return "\t"
    if element.tag == f"{_TEXT}line-break":
        return "\n"
    parts = [element.text or ""]
    for child in element.iterchildren():
        parts += (_text(child), child.tail or "")
    text = "".join(parts)
    # A note stands where its number does: its words are set apart from the sentence.
    return f" [{text.strip()}]" if element.tag == f"{_TEXT}note-body" else text


def _table(table: _Element) -> str:
    rows = []
    for row in table.iter(f"{_TABLE}table-row"):
        cells = []
        for cell in row.iterchildren(f"{_TABLE}table-cell"):
            texts = [_text(paragraph) for paragraph in cell.iter(f"{_TEXT}p", f"{_TEXT}h")]
            cells.append(" ".join(texts))
        rows.append(cells)
    return plain_table(rows)
