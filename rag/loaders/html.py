"""HTML: the main text without navigation, scripts and styles; headings, paragraphs, lists and tables as blocks."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

from fireside.errors import DocumentError
from rag.loaders.assemble import Assembly
from rag.loaders.plain import decoded
from rag.types import Document

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

# Not part of what a page says (WHATWG HTML, 4.3 and 4.11): code, page furniture, things that are not text.
_DROPPED_TEXT = (
    "script style noscript template svg math canvas iframe object nav footer aside form button select textarea dialog "
    "menu"
)
_DROPPED = _DROPPED_TEXT.split()
_BLOCKS_TEXT = (
    "address article blockquote body caption center dd details div dl dt fieldset figcaption figure header h1 h2 h3 "
    "h4 h5 h6 hgroup hr html legend li main ol p pre section summary table tbody td tfoot th thead title tr ul"
)
_BLOCKS = frozenset(_BLOCKS_TEXT.split())
# A line break is noted as a form feed, which is white space like any other; two of them end a paragraph.
_BREAK = "\f"
_BREAKS = re.compile(r"\f\s*\f")
_HEADINGS = {f"h{level}": level for level in range(1, 7)}


def load(path: str, data: bytes) -> Document:
    """A `Document` of the page's main text. Raises DocumentError where the page holds none."""
    from bs4 import BeautifulSoup

    with warnings.catch_warnings():
        # bs4 warns of XML and of text that looks like a file name; both are read all the same.
        warnings.simplefilter("ignore")
        source: str | bytes = data
        if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data[:65536]:
            source = decoded(path, data)
        soup = BeautifulSoup(source, "lxml")
    title = " ".join(soup.title.get_text().split())[:200] if soup.title else ""
    root = _main_part(soup)
    if root is None:
        raise DocumentError(f"{path} holds no text", "check that it is the page you meant")
    assembly = Assembly()
    _walk(root, assembly)
    return assembly.document(path, title or None)


def _main_part(soup: BeautifulSoup) -> Tag | None:
    """The element with the page's main text, with everything that is not text taken out."""
    for tag in soup.find_all(_DROPPED):
        tag.decompose()
    for tag in soup.select('[hidden], [aria-hidden="true"]'):
        if not tag.decomposed:
            tag.decompose()
    candidates = soup.find_all("main") or soup.select('[role="main"]') or soup.find_all("article")
    body = soup.body or soup
    if not candidates:
        return body
    best = max(candidates, key=lambda tag: len(tag.get_text()))
    # A page whose <article> is a teaser among much else is taken whole.
    return best if len(best.get_text()) * 3 > len(body.get_text()) else body


def _walk(root: Tag, assembly: Assembly) -> None:
    """Add a block for each stretch of text between the borders of block elements. No recursion: pages nest deep."""
    from bs4 import Tag
    from bs4.element import CData, NavigableString

    inline: list[str] = []

    def flush(level: int = 0) -> None:
        for paragraph in _BREAKS.split("".join(inline)):
            assembly.add(" ".join(paragraph.split()), level)
        inline.clear()

    # None as a node marks the end of the element beside it.
    stack: list[tuple[object, Tag | None]] = [(root, None)]
    while stack:
        node, ended = stack.pop()
        if ended is not None:
            flush(_HEADINGS.get(ended.name, 0))
        elif isinstance(node, Tag):
            if node.name == "br":
                inline.append(_BREAK)
            elif node.name == "pre":
                flush()
                assembly.add(node.get_text())
            elif node.name == "table" and node.find("table") is None:
                flush()
                assembly.add(_table(node))
            else:
                if node.name in _BLOCKS:
                    flush()
                    stack.append((None, node))
                stack.extend((child, None) for child in reversed(node.contents))
        elif type(node) in (NavigableString, CData):
            inline.append(str(node).replace(_BREAK, " "))
    flush()


def _table(table: Tag) -> str:
    """One line a row, cells between bars."""
    rows = []
    for row in table.find_all("tr"):
        cells = [" ".join(cell.get_text(" ").split()) for cell in row.find_all(["td", "th"])]
        if any(cells):
            rows.append(" | ".join(cells))
    return "\n".join(rows) if rows else " ".join(table.get_text(" ").split())
