"""HTML: the main text without navigation, scripts and styles; headings, paragraphs, lists and tables as blocks."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

from rag.loaders.assemble import Assembly
from rag.loaders.charset import decoded
from rag.loaders.rows import plain_table
from rag.types import Document

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

# Not part of what a page says (WHATWG HTML, 4.3 and 4.11): code, page furniture, things that are not text.
_DROPPED_TEXT = (
    "script style noscript template svg math canvas iframe object nav footer aside form button select textarea dialog "
    "menu"
)
_DROPPED = _DROPPED_TEXT.split()
# What a page's markup calls its furniture, as a word of a class or an id; ARIA landmarks (WAI-ARIA 1.2, 5.3.4).
_FURNITURE = re.compile(
    r"(?:\A|[-_ ])(?:nav|navbar|navbox|navigation|menu|breadcrumbs?|sidebar|footer|cookies?|toc|editsection|catlinks|"
    r"noprint|share|social|newsletter|pagination)(?:[-_ ]|\Z)",
    re.IGNORECASE,
)
_LANDMARKS = frozenset(("navigation", "banner", "contentinfo", "search", "complementary"))
# A list of at least so many links, short ones, that says little beside them is one of languages or pages.
_MANY_LINKS, _SHORT_LINK, _LINKED = 12, 30, 0.9
# A cell with more than this is no cell of data: the table arranges the page.
_LONGEST_CELL = 1000
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
    """A `Document` of the page's main text."""
    source: str | bytes = data
    # bs4 reads the encoding that a page declares; it does not find UTF-16 without a mark.
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data[:65536]:
        source = decoded(path, data)
    assembly = Assembly(path)
    title = add_page(assembly, source)
    return assembly.document(title)


def add_page(assembly: Assembly, source: str | bytes) -> str:
    """Append the blocks of a page's main text; the page's title."""
    from bs4 import BeautifulSoup

    with warnings.catch_warnings():
        # bs4 warns of XML and of text that looks like a file name; both are read all the same.
        warnings.simplefilter("ignore")
        soup = BeautifulSoup(source, "lxml")
    title = soup.title.get_text() if soup.title else ""
    _walk(_main_part(soup), assembly)
    return title


def _main_part(soup: BeautifulSoup) -> Tag:
    """The element with the page's main text, with everything that is not text taken out."""
    for tag in soup.find_all(_DROPPED):
        tag.decompose()
    body = soup.body or soup
    whole = len(body.get_text())
    waiting: list[Tag] = [body]
    while waiting:
        for child in waiting.pop().find_all(True, recursive=False):
            if _is_furniture(child) and len(child.get_text()) * 2 < whole:
                child.decompose()
            else:
                waiting.append(child)
    candidates = soup.find_all("main") or soup.select('[role="main"]') or soup.find_all("article")
    if not candidates:
        return body
    best = max(candidates, key=lambda tag: len(tag.get_text()))
    # A page whose <article> is a teaser among much else is taken whole.
    return best if len(best.get_text()) * 3 > len(body.get_text()) else body


def _is_furniture(tag: Tag) -> bool:
    """Whether an element is hidden, navigation, or another thing that stands around a page's text."""
    attributes = tag.attrs
    if "hidden" in attributes or attributes.get("aria-hidden") == "true" or attributes.get("role") in _LANDMARKS:
        return True
    for name in ("class", "id"):
        value = attributes.get(name)
        if value and _FURNITURE.search(value if isinstance(value, str) else " ".join(value)):
            return True
    if tag.name not in ("ul", "ol"):
        return False
    links = [link.get_text() for link in tag.find_all("a")]
    linked = sum(map(len, links))
    return len(links) >= _MANY_LINKS and linked < _SHORT_LINK * len(links) and linked > _LINKED * len(tag.get_text())


def _walk(root: Tag, assembly: Assembly) -> None:
    """Add a block for each stretch of text between the borders of block elements. No recursion: pages nest deep."""
    from bs4 import Tag
    from bs4.element import CData, NavigableString

    inline: list[str] = []
    numbers: dict[int, int] = {}  # of the last item, by the identity of its list

    number = ""  # of the item whose text is to come

    def flush(level: int = 0) -> None:
        nonlocal number
        for paragraph in _BREAKS.split("".join(inline)):
            text = " ".join(paragraph.split())
            if text:
                assembly.add(number + text, level)
                number = ""
        inline.clear()

    # None as a node marks the end of the element beside it.
    stack: list[tuple[object, Tag | None]] = [(root, None)]
    while stack:
        node, ended = stack.pop()
        if ended is not None:
            flush(_HEADINGS.get(ended.name, 0))
            if ended.name == "li":
                number = ""
        elif isinstance(node, Tag):
            if node.name == "br":
                inline.append(_BREAK)
            elif node.name == "pre":
                flush()
                assembly.add(node.get_text())
            elif node.name == "table" and _holds_data(node):
                flush()
                assembly.add(_table(node))
            else:
                if node.name in _BLOCKS:
                    flush()
                    stack.append((None, node))
                if node.name == "li" and node.parent is not None and node.parent.name == "ol":
                    numbers[id(node.parent)] = numbers.get(id(node.parent), _span(node.parent, "start") - 1) + 1
                    number = f"{numbers[id(node.parent)]}. "
                stack.extend((child, None) for child in reversed(node.contents))
        elif type(node) in (NavigableString, CData):
            inline.append(str(node).replace(_BREAK, " "))
    flush()


def _holds_data(table: Tag) -> bool:
    """Whether a table is one, and not there to arrange a page."""
    rows = [row.find_all(["td", "th"]) for row in table.find_all("tr")]
    return (
        table.find("table") is None
        and max(map(len, rows), default=0) > 1
        and all(len(cell.get_text()) <= _LONGEST_CELL for row in rows for cell in row)
    )


def _table(table: Tag) -> str:
    """The caption, then one line a row, cells between bars; a cell over several rows is written in each."""
    caption = table.find("caption")
    rows: list[list[str]] = [[caption.get_text(" ")] if caption else []]
    # By column: the text of a cell from a row above, and how many rows it still reaches into.
    reaching: dict[int, tuple[str, int]] = {}
    for row in table.find_all("tr"):
        cells: list[str] = []
        waiting = row.find_all(["td", "th"])
        column = 0
        while waiting or column in reaching:
            if column in reaching:
                text, more = reaching.pop(column)
                more, width = more - 1, 1
            else:
                cell = waiting.pop(0)
                text, more = cell.get_text(" "), _span(cell, "rowspan") - 1
                width = _span(cell, "colspan")
            if more:
                reaching[column] = (text, more)
            cells.append(text)
            column += width
        rows.append(cells)
    return plain_table(rows)


def _span(cell: Tag, name: str) -> int:
    value = str(cell.get(name, "1"))
    # The most that browsers take (WHATWG HTML 4.9.11).
    return min(max(int(value), 1), 1000) if value.isdigit() and len(value) < 6 else 1
