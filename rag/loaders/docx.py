"""Word (.docx): headings, paragraphs and tables in the order of the document."""

from __future__ import annotations

import io
import re
import zipfile
from typing import TYPE_CHECKING

from fireside.errors import DocumentError
from rag.loaders.assemble import Assembly
from rag.types import Document

if TYPE_CHECKING:
    from docx.table import Table
    from docx.text.paragraph import Paragraph

# A password-protected .docx, like an old .doc, is an OLE compound file ([MS-CFB] 2.2), not a zip archive.
_OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_STRICT = b"purl.oclc.org/ooxml"
_HEADING_STYLE = re.compile(r"heading ?([1-9])", re.IGNORECASE)
# What the archive may hold unpacked: more is a decompression bomb, or no text a person wrote.
_MAX_UNPACKED = 500_000_000


def load(path: str, data: bytes) -> Document:
    """A `Document` of the body's text. Raises DocumentError for an encrypted, damaged, strict or oversized file."""
    if data.startswith(_OLE_MAGIC):
        raise DocumentError(
            f"{path} is protected by a password, or an old .doc under a new name",
            "save it in Word as .docx without a password and add that",
        )
    _check_archive(path, data)
    import docx
    from docx.table import Table

    assembly = Assembly()
    try:
        word = docx.Document(io.BytesIO(data))
        for part in word.iter_inner_content():
            if isinstance(part, Table):
                assembly.add(_table(part))
            else:
                assembly.add(part.text, heading_level(part))
        title = (word.core_properties.title or "").strip()[:200]
    # python-docx lets through whatever its parts raise on a malformed package: KeyError, ValueError, lxml's errors.
    except Exception as error:
        raise DocumentError(
            f"{path} is not a Word document that can be read: it is damaged", "open it in Word and save it again"
        ) from error
    return assembly.document(path, title or None)


def heading_level(paragraph: Paragraph) -> int:
    """1 to 6 for a paragraph in a heading style (Title counts as 1), else 0."""
    style = paragraph.style
    for name in (style.style_id, style.name) if style is not None else ():
        if (name or "").lower() == "title":
            return 1
        found = _HEADING_STYLE.fullmatch(name or "")
        if found:
            return min(int(found.group(1)), 6)
    return 0


def _table(table: Table) -> str:
    """One line a row, cells between bars; a merged cell is written once."""
    rows = []
    for row in table.rows:
        cells: list[str] = []
        seen: set[int] = set()
        for cell in row.cells:
            # python-docx gives a merged cell once for each column it spans.
            if id(cell._tc) not in seen:
                seen.add(id(cell._tc))
                cells.append(" ".join(cell.text.split()))
        if any(cells):
            rows.append(" | ".join(cells))
    return "\n".join(rows)


def _check_archive(path: str, data: bytes) -> None:
    """Refuse what is no zip archive, unpacks to far too much, or is in the Strict variant python-docx cannot read."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
            if size > _MAX_UNPACKED:
                raise DocumentError(
                    f"{path} unpacks to {size / 1e6:,.0f} MB; at most {_MAX_UNPACKED / 1e6:,.0f} MB are read",
                    "check where the file comes from",
                )
            strict = _STRICT in archive.read("_rels/.rels")
    except (zipfile.BadZipFile, KeyError, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise DocumentError(
            f"{path} is not a Word document that can be read: it is damaged", "open it in Word and save it again"
        ) from error
    if strict:
        raise DocumentError(
            f"{path} is saved as Strict Open XML, which cannot be read here",
            "save it in Word as plain 'Word document (.docx)'",
        )
