"""PDF: the text of each page, cut into paragraphs, through pdfium."""

from __future__ import annotations

import re
from typing import Any

from fireside.errors import DocumentError
from rag.loaders.assemble import Assembly
from rag.types import Document

# FPDF_GetLastError in pdfium's fpdfview.h: 3 is a damaged file, 4 a wrong password, 5 an unsupported security scheme.
_PASSWORD, _SECURITY = 4, 5
# pdfium writes a hyphen that it takes for a line break's as U+0002 or U+FFFE.
_BROKEN_WORD = re.compile("[\x02\ufffe]\\n?")
_SENTENCE_END = re.compile(r"[.!?:;][\"'”’)\]]*\Z")


def load(path: str, data: bytes) -> Document:
    """A `Document` with 1-based pages. A file encrypted with an empty password opens.

    Raises DocumentError for a password, a damaged file, or a scan without any text.
    """
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        raise _explained(path, getattr(error, "err_code", None)) from error
    assembly = Assembly()
    try:
        pages = len(pdf)
        unreadable = 0
        for index in range(pages):
            try:
                text = _page_text(pdf, index)
            except pypdfium2.PdfiumError:
                unreadable += 1
                continue
            for paragraph in paragraphs(text):
                assembly.add(paragraph, page=index + 1)
    finally:
        pdf.close()
    document = assembly.document(path)
    if not document.blocks:
        if unreadable == pages:
            raise _explained(path, None)
        raise DocumentError(
            f"{path} holds no text, only pictures of {pages} page{'s' if pages != 1 else ''}",
            "run text recognition (OCR) on it first, for example with ocrmypdf",
        )
    return document


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a page's text: between empty lines, and after a short line that ends a sentence."""
    lines = [line.rstrip() for line in text.split("\n")]
    lengths = sorted(len(line) for line in lines if line)
    # Most lines of a column are full: the upper quartile is what a full line measures.
    full = lengths[len(lengths) * 3 // 4] if lengths else 0
    found: list[str] = []
    open_lines: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            open_lines.append(line)
        if open_lines and (not line.strip() or (len(line) < 0.8 * full and _SENTENCE_END.search(line))):
            found.append("\n".join(open_lines))
            open_lines = []
    return found


def _page_text(pdf: Any, index: int) -> str:
    """The text of one page, LF newlines, words that a hyphen broke at a line's end put together."""
    page = pdf[index]
    textpage = page.get_textpage()
    try:
        text: str = textpage.get_text_range()
    finally:
        textpage.close()
        page.close()
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    return _BROKEN_WORD.sub("", text)


def _explained(path: str, code: int | None) -> DocumentError:
    if code == _PASSWORD:
        return DocumentError(f"{path} is protected by a password", "save a copy without the password and add that")
    if code == _SECURITY:
        return DocumentError(
            f"{path} is encrypted in a way that cannot be read", "save an unencrypted copy and add that"
        )
    return DocumentError(f"{path} is not a PDF that can be read: it is damaged", "open it elsewhere and save it again")
