"""Which formats are read, by suffix and by what a file's first bytes say; reads a file into a document."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePath

from fireside.errors import DocumentError
from rag.loaders import (
    charset,
    code,
    csv,
    docx,
    email,
    epub,
    html,
    ipynb,
    json,
    markdown,
    msg,
    odt,
    pdf,
    plain,
    pptx,
    rst,
    xlsx,
)
from rag.loaders import zip as zip_archive
from rag.loaders.archive import OLE_MAGIC, ZIP_MAGIC, member_names
from rag.loaders.limits import MAX_BYTES, Allowance, check_length, damaged
from rag.types import Document

_TEXT = (
    ".txt .text .log .tex .org .adoc .asciidoc .yaml .yml .toml .xml .sql .srt .vtt .bib .kt .swift .scala .lua .r .jl "
    ".pl .ps1 .zig .dart .ex .exs .hs .vue .svelte .proto .graphql"
)

_BY_KIND = {
    "markdown": ".md .markdown .mdown .mkd .qmd .rmd",
    "text": _TEXT,
    "reStructuredText": ".rst .rest",
    "code": code.suffixes(),
    "HTML": ".html .htm .xhtml",
    "PDF": ".pdf",
    "Word": ".docx .docm",
    "PowerPoint": ".pptx .pptm",
    "Excel": ".xlsx .xlsm",
    "OpenDocument": ".odt",
    "EPUB": ".epub",
    "table": ".csv .tsv",
    "JSON": ".json .jsonl .ndjson",
    "notebook": ".ipynb",
    "mail": ".eml",
    "mailbox": ".mbox",
    "Outlook": ".msg",
    "zip": ".zip",
}
_KIND_OF = {suffix: kind for kind, suffixes in _BY_KIND.items() for suffix in suffixes.split()}
# Files that are known by their whole name, in lower case.
_NAMED = {"readme": "text", "license": "text", "changelog": "text", "makefile": "text", "dockerfile": "text"}
# Formats that are not read, and what to save such a file as: said in a line each, where other kinds are passed over.
_UNREAD = {
    ".doc": ".docx",
    ".rtf": ".docx",
    ".pages": ".docx",
    ".xls": ".xlsx",
    ".ods": ".xlsx",
    ".numbers": ".xlsx",
    ".ppt": ".pptx",
    ".odp": ".pptx",
    ".key": ".pptx",
}
SUFFIXES = frozenset(_KIND_OF)
"""What can be indexed, by suffix in lower case."""

_LOADERS: dict[str, Callable[[str, bytes], Document]] = {
    "markdown": markdown.load,
    "text": plain.load,
    "reStructuredText": rst.load,
    "code": code.load,
    "HTML": html.load,
    "PDF": pdf.load,
    "Word": docx.load,
    "PowerPoint": pptx.load,
    "Excel": xlsx.load,
    "OpenDocument": odt.load,
    "EPUB": epub.load,
    "table": csv.load,
    "JSON": json.load,
    "notebook": ipynb.load,
}
# Formats in which other files lie: their loaders hand on what may still be unpacked.
_CONTAINERS: dict[str, Callable[[str, bytes, Allowance], Document]] = {
    "mail": email.load,
    "mailbox": email.load_mailbox,
    "Outlook": msg.load,
    "zip": zip_archive.load,
}
# What tells a zip archive's kind: a member that only that kind has.
_ZIP_KINDS = {
    "word/document.xml": "Word",
    "ppt/presentation.xml": "PowerPoint",
    "xl/workbook.xml": "Excel",
    "META-INF/container.xml": "EPUB",
    "content.xml": "OpenDocument",
}
# What tells a compound file's kind: the name of a stream that only that kind has ([MS-CFB] keeps names in UTF-16).
_OLE_KINDS = {
    "__properties_version1.0": "Outlook",
    "EncryptedPackage": "encrypted",
    "WordDocument": ".doc",
    "Workbook": ".xls",
    "PowerPoint Document": ".ppt",
}
_HINT = "give text, Markdown, HTML, PDF, Word, PowerPoint, Excel, OpenDocument, EPUB, CSV, JSON, mail, code or a zip"


def is_supported(path: PurePath) -> bool:
    """Whether the name is of a kind that is indexed, or of one that is worth a line saying that it is not."""
    suffix = path.suffix.lower()
    return suffix in SUFFIXES or suffix in _UNREAD or path.name.lower() in _NAMED


def read_document(path: Path) -> Document:
    """The document in the file at `path`. Raises DocumentError that says what is wrong with the file."""
    return document_of(str(path), read_bytes(path), Allowance())


def document_of(path: str, data: bytes, allowance: Allowance) -> Document:
    """The document in `data`, of a file named `path`. allowance: what may still be unpacked, itself included.

    Raises DocumentError that says what is wrong with the file, MemoryError where it takes too much.
    """
    kind = kind_of(path, data)
    try:
        contained = _CONTAINERS.get(kind)
        document = contained(path, data, allowance) if contained else _LOADERS[kind](path, data)
    except (DocumentError, MemoryError):
        raise
    # The libraries let through whatever a malformed file makes their parts raise: KeyError, RecursionError...
    except Exception as error:
        raise damaged(path, f"a file of its kind ({kind})") from error
    if not any(block.end > block.start for block in document.blocks):
        raise DocumentError(f"{path} holds no text", "check that it is the file you meant")
    check_length(path, len(document.text))
    return document


def kind_of(path: str, data: bytes) -> str:
    """The kind of a file: what its first bytes say, where they say it, else its suffix.

    Raises DocumentError for a kind that is not read.
    """
    name = PurePath(path)
    suffix = name.suffix.lower()
    kind = _KIND_OF.get(suffix) or _NAMED.get(name.name.lower())
    if data.startswith(b"%PDF-"):
        return "PDF"
    if data.startswith(ZIP_MAGIC):
        names = member_names(data)
        return next((found for member, found in _ZIP_KINDS.items() if member in names), kind or "zip")
    if data.startswith(OLE_MAGIC):
        found = next((kind for name, kind in _OLE_KINDS.items() if name.encode("utf-16-le") in data), suffix)
        if found in _LOADERS or found in _CONTAINERS:
            return found
        if found in _UNREAD:
            raise _unread(path, found)
        raise DocumentError(f"{path} is protected by a password", "save it without a password and add that")
    if data.startswith(b"{\\rtf"):
        raise _unread(path, ".rtf")
    if kind not in ("text", "code", "markdown", "reStructuredText", "JSON", "mail", "mailbox") and _is_page(data):
        return "HTML"
    if kind is not None:
        return kind
    if suffix in _UNREAD:
        raise _unread(path, suffix)
    if not charset.is_text(data):
        raise DocumentError(f"{path} is of a kind that cannot be read here", _HINT)
    return "text"


def _is_page(data: bytes) -> bool:
    """Whether a file is HTML, whatever its name says: reports called .xls often are."""
    head = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return head.startswith((b"<!doctype html", b"<html"))


def _unread(path: str, suffix: str) -> DocumentError:
    return DocumentError(
        f"{path} is in a format that is not read ({suffix})", f"save it as {_UNREAD[suffix]} and add that"
    )


def read_bytes(path: Path) -> bytes:
    """The file's bytes. Raises DocumentError where it is missing, no plain file, empty, too big or not readable."""
    try:
        if not path.exists():
            raise DocumentError(f"there is no file {path}", "check the path")
        if not path.is_file():
            raise DocumentError(f"{path} is not a file", "give a file, or a folder of files")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise DocumentError(
                f"{path} is {size / 1e6:,.0f} MB; at most {MAX_BYTES / 1e6:,.0f} MB are read",
                "split it into smaller files",
            )
        data = path.read_bytes()
    except OSError as error:
        raise DocumentError(f"cannot read {path}: {error.strerror}", "check the file and its permissions") from error
    except ValueError as error:  # a NUL character in the name
        raise DocumentError(f"{str(path)!r} is not a usable file name", "check the path") from error
    if not data:
        raise DocumentError(f"{path} is empty", "check that it is the file you meant")
    return data
