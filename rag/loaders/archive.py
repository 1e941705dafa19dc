"""Opens the zip archives that Office, OpenDocument and EPUB files are, within limits; makes Strict ones plain."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from typing import TYPE_CHECKING

from fireside.errors import DocumentError
from rag.loaders.limits import Allowance, damaged

if TYPE_CHECKING:
    from lxml.etree import _Element

OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""How an OLE compound file begins ([MS-CFB] 2.2): an old Office file, an encrypted new one, or an Outlook message."""

ZIP_MAGIC = b"PK\x03\x04"
# The namespaces of Strict Office Open XML (ISO/IEC 29500-1) and the ones of Transitional (ISO/IEC 29500-4) differ in
# little more than their beginnings, and the libraries know the latter only.
_STRICT = b"http://purl.oclc.org/ooxml/"
_STRICT_NAMESPACE = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")
_RENAMED = ((b"extendedProperties", b"extended-properties"), (b"customProperties", b"custom-properties"))
# What may go wrong in reading a damaged archive: its directory, a member's data, an unknown or encrypted method.
ZIP_ERRORS = (zipfile.BadZipFile, KeyError, OSError, EOFError, NotImplementedError, RuntimeError, ValueError)


def opened(path: str, data: bytes, kind: str) -> zipfile.ZipFile:
    """The archive. kind: what the file should be, with its article.

    Raises DocumentError for a password, a damaged archive, or one that unpacks to too much.
    """
    if data.startswith(OLE_MAGIC):
        raise DocumentError(
            f"{path} is protected by a password, or of an old format under a new name",
            "save it without a password in the program's present format and add that",
        )
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except ZIP_ERRORS as error:
        raise damaged(path, kind) from error
    allowance = Allowance()
    for member in archive.infolist():
        allowance.spend(path, member.file_size)
    return archive


def member(path: str, archive: zipfile.ZipFile, name: str, kind: str) -> bytes:
    """The content of one member. Raises DocumentError where it is missing or damaged."""
    try:
        return archive.read(name)
    except (*ZIP_ERRORS, zlib.error) as error:
        raise damaged(path, kind) from error


def transitional(path: str, data: bytes, kind: str) -> bytes:
    """An Office Open XML file that the libraries can read: a Strict one rewritten, any other as it is.

    Raises DocumentError as `opened` does.
    """
    with opened(path, data, kind) as archive:
        if _STRICT not in member(path, archive, "_rels/.rels", kind):
            return data
        rewritten = io.BytesIO()
        with zipfile.ZipFile(rewritten, "w") as target:
            for info in archive.infolist():
                content = member(path, archive, info.filename, kind)
                if info.filename.endswith((".xml", ".rels")):
                    content = _STRICT_NAMESPACE.sub(rb"http://schemas.openxmlformats.org/\1/2006/", content)
                    for strict, plain in _RENAMED:
                        content = content.replace(strict, plain)
                target.writestr(info.filename, content)
    return rewritten.getvalue()


def parsed_xml(content: bytes) -> _Element | None:
    """The root of an XML file; None where it is none. Entities stay as they are, and nothing is fetched."""
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, remove_comments=True)
    try:
        return etree.fromstring(content, parser)
    except etree.XMLSyntaxError:
        return None


def member_names(data: bytes) -> frozenset[str]:
    """The names of a zip archive's members; none where it is damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return frozenset(archive.namelist())
    except ZIP_ERRORS:
        return frozenset()
