"""The text of a fetched page: of HTML and PDF the main text, read in the documents' child process; text as it is."""

from __future__ import annotations

import codecs
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from agents.fetch.client import Fetched
from agents.fetch.urls import quoted_host
from fireside.errors import DocumentError, ToolError
from rag.loaders.charset import decoded, is_text
from rag.reader import Reader

_SECONDS = 15
_FAMILIES = ("application", "audio", "font", "image", "message", "model", "multipart", "text", "video")
_PAGES = ("text/html", "application/xhtml+xml")
_TEXTS = re.compile(
    r"text/(?:plain|markdown|x-markdown|csv|xml)|application/(?:json|xml|x-ndjson|yaml|ld\+json)"
    r"|(?:application|text)/[\w.-]+\+(?:json|xml)"
)
# By Python's names; others (punycode, unicode_escape) are no encodings of pages.
_CHARSETS = re.compile(
    r"utf-8|utf-16(?:-[bl]e)?|ascii|iso8859-\d+|cp125\d|cp874|cp932|koi8-[ru]|gb2312|gbk|gb18030|big5|euc_jp|shift_jis"
    r"|iso2022_jp|euc_kr|cp949|mac-roman"
)


@dataclass(frozen=True)
class Page:
    """What a page says. title: "" where it has none."""

    url: str
    title: str
    text: str


def page_of(fetched: Fetched) -> Page:
    """The page's text. Blocks for as long as the page takes to read.

    Raises ToolError, with nothing of what the server wrote but its host: the rest of a URL may be its words, too.
    """
    data, host = fetched.data, quoted_host(urlsplit(fetched.url).hostname or "")
    if not data.strip():
        raise ToolError(f"the page of {host} is empty")
    kind = fetched.kind or _sniffed(data)
    try:
        if kind == "application/pdf" and data.startswith(b"%PDF-"):
            return _read(fetched, data, ".pdf", host)
        if kind in _PAGES and not data.startswith(b"%PDF-") and _is_textual(fetched):
            text = _decoded(fetched)
            # A byte order mark wins over what the page itself declares, as the server's word does in browsers.
            whole = data if text is None else codecs.BOM_UTF8 + text.encode("utf-8", "replace")
            return _read(fetched, whole, ".html", host)
        if _TEXTS.fullmatch(kind) and _is_textual(fetched):
            text = _decoded(fetched)
            return Page(fetched.url, "", decoded(f"the page of {host}", data) if text is None else text)
    except DocumentError as error:
        raise ToolError(error.message, error.hint) from error
    family = kind.partition("/")[0]
    raise ToolError(
        f"what {host} sent is not a page that can be read{f' ({family})' if family in _FAMILIES else ''}",
        "HTML, plain text, Markdown, JSON, XML and PDF are read",
    )


def _read(fetched: Fetched, data: bytes, suffix: str, host: str) -> Page:
    with tempfile.TemporaryDirectory(prefix="fireside-page-") as folder, Reader(_SECONDS) as reader:
        file = Path(folder) / f"page{suffix}"
        file.write_bytes(data)
        try:
            document = reader.read(file)
        except DocumentError as error:
            # Of the page, not of the file it lay in for a moment.
            raise ToolError(error.message.replace(str(file), f"the page of {host}")) from error
    return Page(fetched.url, "" if document.title == file.stem else document.title, document.text)


def _decoded(fetched: Fetched) -> str | None:
    """The text in the encoding that the server names; None where it names none, or one that is not known."""
    try:
        name = codecs.lookup(fetched.charset).name if fetched.charset else ""
    except LookupError:
        return None
    return fetched.data.decode(name, "replace") if _CHARSETS.fullmatch(name) else None


def _is_textual(fetched: Fetched) -> bool:
    return is_text(fetched.data)


def _sniffed(data: bytes) -> str:
    """The media type of a page whose server does not name one."""
    head = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(b"%pdf-"):
        return "application/pdf"
    if head.startswith((b"<!doctype html", b"<html")):
        return "text/html"
    return "text/plain" if is_text(data) else "application/octet-stream"
