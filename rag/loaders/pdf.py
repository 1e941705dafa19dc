"""PDF: the text of each page in paragraphs and tables, under the headings of the outline, through pdfium."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from fireside.errors import DocumentError
from rag.loaders.assemble import Assembly
from rag.loaders.limits import damaged
from rag.loaders.ocr import recognised
from rag.loaders.pdf_layout import (
    Line,
    Part,
    heading_levels,
    is_short,
    is_title,
    page_lines,
    parts,
    rounded,
    without_running_lines,
)
from rag.types import Document

# FPDF_GetLastError in pdfium's fpdfview.h: 3 is a damaged file, 4 a wrong password, 5 an unsupported security scheme.
_PASSWORD, _SECURITY = 4, 5
_MOST_BOOKMARKS = 5000
_FILE_SUFFIX = re.compile(r"\.[a-z]{2,4}\Z")
_FEW_CHARACTERS = 20
_OCR_HINT = "install Fireside's extra for text recognition (OCR), fireside[ocr], or run ocrmypdf on it first"


def load(path: str, data: bytes) -> Document:
    """A `Document` with 1-based pages. A file encrypted with an empty password opens.

    Scanned pages are recognised where the extra for it is installed, else noted. Raises DocumentError for a password, a
    damaged file, or one without any text.
    """
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise _explained(path, getattr(error, "err_code", None)) from error
    try:
        found = _read(pdf)
        bookmarks = _bookmarks(pdf)
        title = pdf.get_metadata_value("Title")
    finally:
        pdf.close()
    assembly = Assembly(path)
    pages = [
        parts(lines, [title for title, _ in bookmarks.get(number, ())])
        for number, lines in enumerate(without_running_lines(found.lines), start=1)
    ]
    _add_pages(assembly, pages, bookmarks)
    if not len(assembly):
        if len(found.damaged) == len(pages):
            raise damaged(path, "a PDF")
        if found.pictures:
            raise DocumentError(f"{path} holds no text, only pictures on {_numbered(found.pictures)}", _OCR_HINT)
        raise DocumentError(f"{path} holds no text", "check that it is the file you meant")
    for pages_told, told in (
        (found.recognised, "was recognised, perhaps with mistakes, from pictures"),
        (found.pictures, "holds pictures and no text"),
        (found.damaged, "is damaged"),
    ):
        if pages_told:
            assembly.note(f"{path} {told} on {_numbered(pages_told)}")
    return assembly.document(title if _is_title(title) else None)


@dataclass(frozen=True)
class _Found:
    """The lines of every page, and the numbers of the pages whose text was recognised, that hold pictures and no text,
    and that cannot be read."""

    lines: list[list[Line]]
    recognised: list[int]
    pictures: list[int]
    damaged: list[int]


def _read(pdf: Any) -> _Found:
    import pypdfium2

    lines: list[list[Line]] = []
    pictures: list[int] = []
    unreadable: list[int] = []
    for index in range(len(pdf)):
        try:
            page, pictured = _read_page(pdf, index)
        except pypdfium2.PdfiumError:
            page, pictured = [], False
            unreadable.append(index + 1)
        lines.append(page)
        if pictured:
            pictures.append(index + 1)
    read = recognised(pdf, pictures) if pictures else {}
    for number, page in read.items():
        lines[number - 1] = page
    return _Found(lines, list(read), [number for number in pictures if number not in read], unreadable)


def _read_page(pdf: Any, index: int) -> tuple[list[Line], bool]:
    """The lines of a page, and whether it holds pictures and next to no text."""
    import pypdfium2.raw as pdfium

    page = pdf[index]
    textpage = page.get_textpage()
    try:
        lines = page_lines(textpage)
        # A scan may carry a printed page number or a stamp as text, and nothing else.
        few = sum(len(line.text) for line in lines) < _FEW_CHARACTERS
        pictured = few and any(True for _ in page.get_objects(filter=(pdfium.FPDF_PAGEOBJ_IMAGE,)))
    finally:
        textpage.close()
        page.close()
    return lines, pictured


def _bookmarks(pdf: Any) -> dict[int, list[tuple[str, int]]]:
    """The outline: titles and levels from 1, by page from 1."""
    found: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for number, bookmark in enumerate(pdf.get_toc()):
        if number == _MOST_BOOKMARKS:
            break
        target = bookmark.get_dest()
        page = target.get_index() if target is not None else None
        title = " ".join(bookmark.get_title().split())
        if page is not None and title:
            found[page + 1].append((title, bookmark.level + 1))
    return found


def _add_pages(assembly: Assembly, pages: list[list[Part]], bookmarks: dict[int, list[tuple[str, int]]]) -> None:
    """Headings are what the outline names; in a file without one, what is set larger than the rest."""
    levels = {} if bookmarks else heading_levels(pages)
    for number, page in enumerate(pages, start=1):
        waiting = bookmarks.get(number, [])
        places = _places(page, [title for title, _ in waiting])
        # A title that does not stand on its page begins it.
        for (title, level), place in zip(waiting, places, strict=True):
            if place is None:
                assembly.add(title, level, number)
        for index, part in enumerate(page):
            named = [level for (_, level), place in zip(waiting, places, strict=True) if place == index]
            size = levels.get(rounded(part.size), 0) if is_short(part) else 0
            assembly.add(part.text, named[0] if named else size, number)


def _places(page: list[Part], titles: list[str]) -> list[int | None]:
    """Which part of a page is the heading with each title: the same letters, perhaps after a number; each part once."""
    found: list[int | None] = []
    for title in titles:
        fitting = (
            index
            for index, part in enumerate(page)
            if index not in found and is_short(part) and is_title(part.text, title)
        )
        found.append(next(fitting, None))
    return found


def _is_title(title: str) -> bool:
    """Whether a file's title says more than the name of the program or the file it was made from."""
    name = title.strip().lower()
    programs = ("(anonymous)", "untitled", "microsoft word", "microsoft powerpoint")
    return bool(name) and not name.startswith(programs) and not _FILE_SUFFIX.search(name)


def _numbered(pages: list[int]) -> str:
    """`page 3`, or `pages 1, 3-5`."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and page == runs[-1][-1] + 1:
            runs[-1].append(page)
        else:
            runs.append([page])
    shown = ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs[:20])
    return f"page{'s' if len(pages) > 1 else ''} {shown}{', ...' if len(runs) > 20 else ''}"


def _explained(path: str, code: int | None) -> DocumentError:
    if code == _PASSWORD:
        return DocumentError(f"{path} is protected by a password", "save a copy without the password and add that")
    if code == _SECURITY:
        return DocumentError(
            f"{path} is encrypted in a way that cannot be read", "save an unencrypted copy and add that"
        )
    return damaged(path, "a PDF")
