"""Office files, books and archives made for tests, and what is checked of every document."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence

from rag.types import Document

_STRICT = (
    (b"http://schemas.openxmlformats.org/officeDocument/2006/extended-properties",
     b"http://purl.oclc.org/ooxml/officeDocument/extendedProperties"),
    (b"http://schemas.openxmlformats.org/officeDocument/2006/", b"http://purl.oclc.org/ooxml/officeDocument/"),
    (b"http://schemas.openxmlformats.org/wordprocessingml/2006/", b"http://purl.oclc.org/ooxml/wordprocessingml/"),
    (b"http://schemas.openxmlformats.org/spreadsheetml/2006/", b"http://purl.oclc.org/ooxml/spreadsheetml/"),
    (b"http://schemas.openxmlformats.org/presentationml/2006/", b"http://purl.oclc.org/ooxml/presentationml/"),
    (b"http://schemas.openxmlformats.org/drawingml/2006/", b"http://purl.oclc.org/ooxml/drawingml/"),
)  # fmt: skip


def outline(document: Document) -> list[tuple[int, str]]:
    """The level and the text of every block."""
    return [(block.level, document.text[block.start : block.end]) for block in document.blocks]


def check_spans(document: Document) -> None:
    """Blocks hold text, are in order and do not overlap; a heading block ends its own path."""
    end = 0
    for block in document.blocks:
        assert end <= block.start < block.end <= len(document.text)
        assert document.text[block.start : block.end].strip()
        assert not block.level or block.heading
        end = block.end


def zip_file(members: Mapping[str, bytes | str]) -> bytes:
    """A zip archive of these members, compressed."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def word_file(paragraphs: Sequence[str] = ("Before the table.",), title: str = "") -> bytes:
    """A heading, the paragraphs, a table of one row, a lower heading, and one paragraph more."""
    import docx

    word = docx.Document()
    word.core_properties.title = title
    word.add_heading("Cabin", 1)
    for paragraph in paragraphs:
        word.add_paragraph(paragraph)
    table = word.add_table(rows=1, cols=2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "pump", "drain"
    word.add_heading("After", 2)
    word.add_paragraph("After the table.")
    stream = io.BytesIO()
    word.save(stream)
    return stream.getvalue()


def strict(office_file: bytes) -> bytes:
    """The same in the Strict variant of Office Open XML."""
    with zipfile.ZipFile(io.BytesIO(office_file)) as source:
        members = {}
        for name in source.namelist():
            content = source.read(name)
            for plain, renamed in _STRICT:
                content = content.replace(plain, renamed)
            members[name] = content
    return zip_file(members)


def slides_file(slides: Sequence[tuple[str, str]] = (("Stove", "Birch only."),)) -> bytes:
    """A slide for each title and text."""
    import pptx

    deck = pptx.Presentation()
    for title, text in slides:
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        assert slide.shapes.title is not None
        slide.shapes.title.text_frame.text = title
        slide.placeholders[1].text_frame.text = text
    stream = io.BytesIO()
    deck.save(stream)
    return stream.getvalue()


def workbook_file(sheets: Mapping[str, Sequence[Sequence[object]]]) -> bytes:
    """A sheet for each name, with these rows."""
    import openpyxl

    workbook = openpyxl.Workbook()
    workbook.remove(workbook.worksheets[0])
    for name, rows in sheets.items():
        sheet = workbook.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    stream = io.BytesIO()
    workbook.save(stream)
    return stream.getvalue()


def odt_file(body: str) -> bytes:
    """An OpenDocument text with this markup in `office:text`."""
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "text", "table")
    )
    content = f"<office:document-content {names}><office:body><office:text>{body}</office:text></office:body>"
    return zip_file(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "content.xml": f"<?xml version='1.0' encoding='UTF-8'?>{content}</office:document-content>",
        }
    )


def book_file(chapters: Mapping[str, str], labels: Mapping[str, str] | None = None) -> bytes:
    """An EPUB of these chapters (file name to body); labels: what its table of contents calls them."""
    items = "".join(
        f'<item id="c{index}" href="{name}" media-type="application/xhtml+xml"/>' for index, name in enumerate(chapters)
    )
    spine = "".join(f'<itemref idref="c{index}"/>' for index in range(len(chapters)))
    points = "".join(
        f"<navPoint><navLabel><text>{label}</text></navLabel><content src='{name}'/></navPoint>"
        for name, label in (labels or {}).items()
    )
    members = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
        "OEBPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        "<metadata><dc:title>The Cabin</dc:title></metadata><manifest>"
        f'{items}<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/></manifest>'
        f"<spine>{spine}</spine></package>",
        "OEBPS/toc.ncx": f'<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{points}</navMap></ncx>',
    }
    members.update({f"OEBPS/{name}": f"<html><body>{body}</body></html>" for name, body in chapters.items()})
    return zip_file(members)


def notebook_file(cells: Sequence[tuple[str, str]], printed: str = "") -> bytes:
    """A notebook of cells (type and source); every code cell printed the same."""
    outputs = [{"output_type": "stream", "name": "stdout", "text": printed.splitlines(True)}]
    made = [
        {"cell_type": kind, "source": source.splitlines(True), "outputs": outputs if kind == "code" else []}
        for kind, source in cells
    ]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()
