"""What a file is, whatever its name says; each bad file becomes one clear line."""

from __future__ import annotations

import os
from pathlib import Path, PurePath

import pytest
from made_documents import book_file, odt_file, slides_file, word_file, workbook_file, zip_file
from made_mail import compound_file, message_file
from made_pdfs import pdf_file

from fireside.errors import DocumentError
from rag.loaders.formats import is_supported, kind_of, read_document

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.txt", pdf_file(["text"]), "PDF"),
        ("a.doc", word_file(), "Word"),
        ("a.zip", slides_file(), "PowerPoint"),
        ("a.csv", workbook_file({"a": [[1]]}), "Excel"),
        ("a.zip", book_file({}), "EPUB"),
        ("a", odt_file(""), "OpenDocument"),
        ("a.docx", zip_file({"b.txt": "text"}), "Word"),
        ("a.bin", zip_file({"b.txt": "text"}), "zip"),
        ("a.eml", message_file("s", "b"), "Outlook"),
        ("a.xls", b"\r\n<!DOCTYPE HTML><table>", "HTML"),
        ("a.txt", b"<html> is how a page begins", "text"),
        ("a.py", b"%PDF", "code"),
        ("a.JSON", b"{}", "JSON"),
        ("Makefile", b"all:\n", "text"),
        ("a.unknown", b"plain words", "text"),
    ],
    ids=lambda value: value if isinstance(value, str) else "data",
)
def test_what_a_file_holds_decides_over_its_name(name: str, data: bytes, kind: str) -> None:
    assert kind_of(name, data) == kind


def test_which_names_are_indexed() -> None:
    supported = "a.md a.PDF a.docx a.pptx a.xlsx a.csv a.epub a.odt a.eml a.mbox a.msg a.ipynb a.rst a.jsonl a.py a.zip"
    assert all(is_supported(PurePath(name)) for name in supported.split())
    # These get a line that says what to save them as.
    assert is_supported(PurePath("old.doc"))
    assert is_supported(PurePath("README"))
    assert not any(is_supported(PurePath(name)) for name in ("a.jpg", "a.exe", "a", "a.gguf", ".txt"))


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.md", b"", "is empty"),
        ("a.txt", b" \n\n ", "holds no text"),
        ("a.md", b"\x7fELF\x00\x01\x02\x03" * 40, "content is binary"),
        ("a.txt", b"\xff\xfe\x00\xd8a", "is damaged"),
        ("a.bin", bytes(range(256)), "of a kind that cannot be read"),
        ("a.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(99), "of a kind that cannot be read"),
        ("a.rtf", b"{\\rtf1 text}", "in a format that is not read (.rtf)"),
        ("a.doc", OLE + bytes(600) + "WordDocument".encode("utf-16-le"), "in a format that is not read (.doc)"),
        ("a.docx", compound_file({"EncryptedPackage": b"x"}), "protected by a password"),
        ("a.html", b"<script>alert(1)</script>", "holds no text"),
        ("a.csv", b",,,\n,,,\n", "holds no text"),
        ("a.json", b"[]", "holds no text"),
        ("a.json", b"[" * 100_000, "is damaged"),
        ("a.ipynb", b"{}", "is damaged"),
        ("a.pdf", b"%PDF-1.4 and then nothing", "is damaged"),
        ("a.pdf", pdf_file([None]), "no text, only pictures on page 1"),
        ("a.pdf", pdf_file([""]), "holds no text"),
        ("a.pdf", pdf_file(["secret"], b"open sesame"), "protected by a password"),
        ("a.docx", b"PK\x03\x04 broken", "is damaged"),
        ("a.docx", word_file()[:-200], "is damaged"),
        ("a.docx", zip_file({"_rels/.rels": "<x/>"}), "is damaged"),
        ("a.pptx", slides_file()[:9000], "is damaged"),
        ("a.xlsx", b"no workbook", "is damaged"),
        ("a.odt", zip_file({"content.xml": "<x/>"}), "is damaged"),
        ("a.epub", b"no book", "is damaged"),
        ("a.msg", OLE + bytes(600), "protected by a password"),
        ("a.zip", b"PK\x03\x04", "is damaged"),
    ],
    ids=lambda value: value if isinstance(value, str) else "data",
)  # fmt: skip
@pytest.mark.usefixtures("no_ocr")
def test_a_bad_file_is_one_clear_line(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(DocumentError) as caught:
        read_document(path)
    assert said in caught.value.message
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="there is no file"):
        read_document(tmp_path / "none.md")
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(DocumentError, match="is not a file"):
        read_document(tmp_path / "folder.md")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(DocumentError, match="is not a file"):
        read_document(tmp_path / "pipe.txt")


def test_a_text_of_two_gigabytes_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "big.txt").open("wb") as file:
        file.truncate(2 << 30)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail("it was read"))
    with pytest.raises(DocumentError, match=r"is 2,147 MB; at most 100 MB are read"):
        read_document(tmp_path / "big.txt")
