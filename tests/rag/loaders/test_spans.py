"""For every format and any content: blocks hold text, are in order and do not overlap, and cut without error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_documents import (
    book_file,
    check_spans,
    notebook_file,
    odt_file,
    slides_file,
    word_file,
    workbook_file,
    zip_file,
)
from made_mail import message_file
from made_pdfs import pdf_file

from fireside.errors import DocumentError
from rag.loaders.formats import document_of
from rag.loaders.limits import Allowance
from rag.types import Document

# What formats give a meaning to, white space of all kinds, wide characters, and plain words.
_PIECES = [
    "word",
    "Übung ",
    "🙂",
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    " ",
    "\t",
    "\u2028",
    "\x0b",
    "# ",
    "==\n",
    "- ",
    '"',
    "'",
]
_PIECES += [
    ",",
    ";",
    "|",
    "{",
    "}",
    "[",
    "]",
    ":",
    "\\",
    "<p>",
    "</p>",
    "<br>",
    "<table>",
    "<td>",
    "<h2>",
    "&amp;",
    "//",
]
_PIECES += [
    "def f():\n",
    "class A {",
    "function f() {}",
    "/*",
    "*/",
    "From a b c d\n",
    "Subject: x\n",
    "---\n",
    "```\n",
]
PIECES = st.sampled_from([*_PIECES, "0", "1.5", "()"])
TEXTS = st.lists(PIECES, max_size=40).map("".join)
OWN_TEXT = ["a.md", "a.txt", "a.rst", "a.py", "a.js", "a.ts", "a.rs", "a.c", "a.rb", "a.sh", "a.php"]


def read(name: str, data: bytes) -> Document | str:
    """The document, or the message that refuses the file."""
    try:
        return document_of(name, data, Allowance())
    except DocumentError as error:
        return error.message


@pytest.mark.parametrize("name", [*OWN_TEXT, "a.html", "a.csv", "a.json", "a.eml", "a.mbox", "a.ipynb"])
@given(text=TEXTS)
@settings(max_examples=40, deadline=None)
def test_spans_of_text_formats(name: str, text: str) -> None:
    document = read(name, text.encode())
    if isinstance(document, str):
        assert name in document
        return
    check_spans(document)
    if name in OWN_TEXT:
        assert document.text == text
        for block in document.blocks:
            before = text[: block.start].replace("\r\n", "\n").replace("\r", "\n")
            assert block.line == before.count("\n") + 1


def markup(text: str) -> str:
    """Without what XML 1.0 cannot hold."""
    kept = "".join(character for character in text if character >= " " or character in "\t\n")
    return kept.replace("&", "&amp;").replace("<", "&lt;")


# What would end a string in a PDF's content too early.
PARENTHESES = re.compile(r"[()\\]")


def mail_file(texts: list[str]) -> bytes:
    message = EmailMessage()
    message["Subject"] = " ".join("".join(texts).split())
    message.set_content("\n".join(texts))
    message.add_attachment("".join(texts).encode(), "text", "plain", filename="a.txt")
    return message.as_bytes()


MADE: dict[str, Callable[[list[str]], bytes]] = {
    "a.docx": lambda texts: word_file([markup(text) for text in texts]),
    "a.pptx": lambda texts: slides_file([(markup(text), markup(text)) for text in texts]),
    "a.xlsx": lambda texts: workbook_file({"S": [[markup(text), 1] for text in texts]}),
    "a.odt": lambda texts: odt_file("".join(f"<text:p>{markup(text)}</text:p>" for text in texts)),
    "a.epub": lambda texts: book_file({f"{index}.xhtml": text for index, text in enumerate(texts)}),
    "a.zip": lambda texts: zip_file({f"{index}.md": text for index, text in enumerate(texts)}),
    "a.msg": lambda texts: message_file("subject", "\n\n".join(texts)[:1000], ("a.txt", b"attached")),
    "a.ipynb": lambda texts: notebook_file([("markdown", text) for text in texts], printed="1"),
    "a.json": lambda texts: json.dumps({text[:9]: [{"a": text * 50}] for text in texts}).encode(),
    "a.eml": mail_file,
    "a.pdf": lambda texts: pdf_file([[(50, 700, 10, PARENTHESES.sub("", text))] for text in texts]),
}


@pytest.mark.parametrize("name", MADE)
@given(texts=st.lists(TEXTS, min_size=1, max_size=4))
@settings(max_examples=10, deadline=None)
def test_spans_of_packed_formats(name: str, texts: list[str]) -> None:
    document = read(name, MADE[name](texts))
    if isinstance(document, str):
        assert "holds no text" in document or "nothing in" in document
    else:
        check_spans(document)


@pytest.mark.parametrize("name", MADE)
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_a_damaged_file_ends_as_a_document_or_as_one_line(name: str, data: st.DataObject) -> None:
    made = bytearray(MADE[name](["The stove takes birch.", "Drain the pump."]))
    for _ in range(data.draw(st.integers(1, 8))):
        made[data.draw(st.integers(0, len(made) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(made), len(made) * 2 // 3]))
    document = read(name, bytes(made[:cut]))
    if isinstance(document, str):
        assert "\n" not in document
    else:
        check_spans(document)
