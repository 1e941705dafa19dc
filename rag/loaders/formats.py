"""Chooses the loader by a file's suffix, reads the file, and refuses what cannot become a document."""

from __future__ import annotations

from pathlib import Path

from fireside.errors import DocumentError
from rag.types import Document

MARKDOWN = frozenset({".md", ".markdown", ".mdown", ".mkd"})
TEXT = frozenset({".txt", ".text", ".rst", ".log"})
HTML = frozenset({".html", ".htm", ".xhtml"})
PDF = frozenset({".pdf"})
WORD = frozenset({".docx"})
SUFFIXES = MARKDOWN | TEXT | HTML | PDF | WORD
"""What can be indexed, by suffix in lower case."""

MAX_BYTES = 100_000_000
"""The largest file that is read. A text of this size would already be a library of books."""

MAX_CHARACTERS = 30_000_000
"""The longest extracted text that is indexed."""

_KINDS = "Markdown (.md), text (.txt), HTML (.html), PDF (.pdf) or Word (.docx)"


def is_supported(path: Path) -> bool:
    """Whether the suffix is one that can be indexed."""
    return path.suffix.lower() in SUFFIXES


def read_document(path: Path) -> Document:
    """The document in the file at `path`. Raises DocumentError that says what is wrong with the file."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DocumentError(f"{path} is of a kind that cannot be read here", f"give {_KINDS}")
    data = read_bytes(path)
    if suffix in MARKDOWN:
        from rag.loaders import markdown

        document = markdown.load(str(path), data)
    elif suffix in TEXT:
        from rag.loaders import plain

        document = plain.load(str(path), data)
    elif suffix in HTML:
        from rag.loaders import html

        document = html.load(str(path), data)
    elif suffix in PDF:
        from rag.loaders import pdf

        document = pdf.load(str(path), data)
    else:
        from rag.loaders import docx

        document = docx.load(str(path), data)
    if not any(block.end > block.start for block in document.blocks):
        raise DocumentError(f"{path} holds no text", "check that it is the file you meant")
    if len(document.text) > MAX_CHARACTERS:
        raise DocumentError(
            f"{path} holds {len(document.text):,} characters, more than the {MAX_CHARACTERS:,} that are indexed",
            "split it into smaller files",
        )
    return document


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
