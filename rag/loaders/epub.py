"""EPUB books: chapters in reading order, with the titles of the table of contents where they have none."""

from __future__ import annotations

import posixpath
import zipfile
from typing import TYPE_CHECKING
from urllib.parse import unquote

from fireside.errors import DocumentError
from rag.loaders import archive, html
from rag.loaders.assemble import Assembly
from rag.loaders.limits import damaged
from rag.types import Document

if TYPE_CHECKING:
    from lxml.etree import _Element

_KIND = "an EPUB book"
# Namespaces of EPUB 3.3: container (OCF 4.2.6.3), package, Dublin Core; of NCX, the EPUB 2 table of contents; of XHTML.
_CONTAINER = "{urn:oasis:names:tc:opendocument:xmlns:container}"
_OPF = "{http://www.idpf.org/2007/opf}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_NCX = "{http://www.daisy.org/z3986/2005/ncx/}"
_XHTML = "{http://www.w3.org/1999/xhtml}"
_CHAPTERS = ("application/xhtml+xml", "text/html")
_ENCRYPTION = "META-INF/encryption.xml"
_CONTENT_ENCRYPTED = b"xmlenc#aes"


def load(path: str, data: bytes) -> Document:
    """A `Document` of the chapters. Raises DocumentError for a damaged book or one with copy protection."""
    with archive.opened(path, data, _KIND) as book:
        names = set(book.namelist())
        # Fonts are often obscured (another algorithm); encrypted text means DRM.
        if _ENCRYPTION in names and _CONTENT_ENCRYPTED in archive.member(path, book, _ENCRYPTION, _KIND):
            raise DocumentError(f"{path} is copy-protected: its text is encrypted", "use a copy without protection")
        container = _parsed(path, book, "META-INF/container.xml")
        rootfile = container.find(f".//{_CONTAINER}rootfile")
        package_name = rootfile.get("full-path") if rootfile is not None else None
        if package_name is None:
            raise damaged(path, _KIND)
        package = _parsed(path, book, package_name)
        base = posixpath.dirname(package_name)
        items: dict[str, tuple[str, str, str]] = {}
        for item in package.iterfind(f"{_OPF}manifest/{_OPF}item"):
            name = _resolved(base, item.get("href", ""))
            items[item.get("id", "")] = (name, item.get("media-type", ""), item.get("properties", ""))
        labels = _labels(path, book, [name for name, kind, _ in items.values() if name in names])
        assembly = Assembly(path)
        for reference in package.iterfind(f"{_OPF}spine/{_OPF}itemref"):
            name, kind, properties = items.get(reference.get("idref", ""), ("", "", ""))
            if name not in names or kind not in _CHAPTERS or "nav" in properties.split():
                continue
            chapter = Assembly(path)
            html.add_page(chapter, archive.member(path, book, name, _KIND))
            _add_chapter(assembly, chapter.document(), labels.get(name, ""))
    return assembly.document(package.findtext(f".//{_DC}title"))


def _add_chapter(assembly: Assembly, chapter: Document, label: str) -> None:
    if not any(block.level for block in chapter.blocks):
        assembly.add(label, level=1)
    for block in chapter.blocks:
        assembly.add(chapter.text[block.start : block.end], block.level)


def _labels(path: str, book: zipfile.ZipFile, names: list[str]) -> dict[str, str]:
    """What the table of contents calls each chapter: of the EPUB 3 navigation document, or of EPUB 2's NCX."""
    labels: dict[str, str] = {}
    for name in names:
        if not name.endswith((".ncx", ".xhtml", ".html", ".htm")):
            continue
        content = archive.member(path, book, name, _KIND)
        base = posixpath.dirname(name)
        if name.endswith(".ncx"):
            for point in _tree(path, content).iter(f"{_NCX}navPoint"):
                target = point.find(f"{_NCX}content")
                text = point.findtext(f"{_NCX}navLabel/{_NCX}text") or ""
                if target is not None:
                    labels.setdefault(_resolved(base, target.get("src", "")), " ".join(text.split()))
        elif b'epub:type="toc"' in content:
            for link in _tree(path, content).iterfind(f".//{_XHTML}nav//{_XHTML}a"):
                text = "".join(map(str, link.itertext()))
                labels.setdefault(_resolved(base, link.get("href", "")), " ".join(text.split()))
    return labels


def _resolved(base: str, reference: str) -> str:
    """The archive member that a relative reference, perhaps with a fragment, means."""
    return posixpath.normpath(posixpath.join(base, unquote(reference.partition("#")[0])))


def _parsed(path: str, book: zipfile.ZipFile, name: str) -> _Element:
    return _tree(path, archive.member(path, book, name, _KIND))


def _tree(path: str, content: bytes) -> _Element:
    tree = archive.parsed_xml(content)
    if tree is None:
        raise damaged(path, _KIND)
    return tree
