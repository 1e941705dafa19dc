"""Zip archives and books: their members as parts, bombs refused, damaged members left out."""

from __future__ import annotations

import io
import struct
import time
import zipfile
from pathlib import Path

import pytest
from made_documents import book_file, outline, word_file, zip_file

from fireside.errors import DocumentError
from rag.loaders import epub
from rag.loaders import zip as zip_archive
from rag.loaders.formats import document_of, read_document
from rag.loaders.limits import Allowance


def test_a_zip_is_one_document_of_its_members() -> None:
    members = {
        "notes/a.md": "# A\n\n## Fire\n\nbirch",
        "b.txt": "pump",
        "photo.jpg": "x",
        "__MACOSX/b.txt": "no",
        ".c.txt": "no",
    }
    document = zip_archive.load("papers.zip", zip_file(members), Allowance())
    assert outline(document) == [
        (1, "notes/a.md"),
        (2, "# A"),
        (3, "## Fire"),
        (0, "birch"),
        (1, "b.txt"),
        (0, "pump"),
    ]
    assert document.blocks[3].heading == ("notes/a.md", "A", "Fire")
    assert document.title == "papers"


def test_a_member_that_cannot_be_read_is_noted_and_the_rest_goes_on() -> None:
    members = {"a.txt": "one", "b.docx": b"PK\x03\x04", "c.zip": zip_file({"d.txt": "two", "e.pdf": b"%PDF-"})}
    document = zip_archive.load("p.zip", zip_file(members), Allowance())
    assert [text for _, text in outline(document)] == ["a.txt", "one", "c.zip", "d.txt", "two"]
    assert [note.partition(" is not ")[0] for note in document.notes] == ["p.zip/b.docx", "p.zip/c.zip/e.pdf"]
    with pytest.raises(DocumentError, match=r"nothing in p\.zip can be read: p\.zip/b\.docx is not"):
        zip_archive.load("p.zip", zip_file({"b.docx": b"PK\x03\x04"}), Allowance())
    with pytest.raises(DocumentError, match=r"nothing in p.zip can be read\Z"):
        zip_archive.load("p.zip", zip_file({"b.exe": b"MZ"}), Allowance())


def test_a_member_under_a_password_or_with_wrong_bytes_is_noted() -> None:
    data = bytearray(zip_file({"a.txt": "one", "b.txt": "two" * 50, "c.txt": "three" * 50}))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        second, third = archive.infolist()[1:]
        start = second.header_offset + 30 + len("b.txt")
        data[start : start + 4] = b"\xff\xff\xff\xff"
    # Bit 0 of the general purpose flag, in the central directory: encrypted.
    entry = data.rindex(b"PK\x01\x02")
    assert third.filename.encode() in data[entry:]
    data[entry + 8] |= 1
    document = zip_archive.load("p.zip", bytes(data), Allowance())
    assert document.text.endswith("one")
    assert document.notes == (
        "p.zip/b.txt is damaged; it was left out",
        "p.zip/c.txt is protected by a password; it was left out",
    )


@pytest.mark.parametrize("name", ["bomb.zip", "bomb.docx", "bomb.xlsx", "bomb.pptx", "bomb.epub", "bomb.odt"])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, name: str) -> None:
    data = bytearray(zip_file({"a.txt": bytes(1000)}))
    # The size that the central directory declares (PKWARE APPNOTE 4.3.12).
    struct.pack_into("<I", data, data.rindex(b"PK\x01\x02") + 24, 3_000_000_000)
    (tmp_path / name).write_bytes(data)
    began = time.process_time()
    with pytest.raises(DocumentError, match="unpacks to more than the 500 MB"):
        read_document(tmp_path / name)
    assert time.process_time() - began < 2


def test_a_bomb_of_archives_in_archives_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = zip_file({f"{number}.txt": b"ice and snow " * 1000 for number in range(10)})
    middle = zip_file({f"{number}.zip": inner for number in range(10)})
    bomb = zip_file({f"{number}.zip": middle for number in range(10)})
    with pytest.raises(DocumentError, match="unpacks to more"):
        zip_archive.load("bomb.zip", bomb, Allowance(unpacked=1_000_000))
    with pytest.raises(DocumentError, match="more than 10,000 files"):
        zip_archive.load("bomb.zip", bomb, Allowance(members=50))
    monkeypatch.setattr("rag.loaders.limits.MAX_CHARACTERS", 1_000_000)
    with pytest.raises(DocumentError, match="at most 1,000,000 are indexed"):
        zip_archive.load("bomb.zip", bomb, Allowance())


def test_a_quine_of_a_zip_ends(tmp_path: Path) -> None:
    data = b"the innermost"
    for _ in range(30):
        data = zip_file({"next.zip": data})
    (tmp_path / "deep.zip").write_bytes(data)
    with pytest.raises(DocumentError, match=r"nothing in .* can be read"):
        read_document(tmp_path / "deep.zip")


def test_book_chapters_in_reading_order_with_the_titles_of_its_contents() -> None:
    chapters = {"one.xhtml": "<h1>Fire</h1><p>birch</p>", "two%20a.xhtml": "<p>pump</p>", "three.xhtml": "<h2>End</h2>"}
    made = book_file(
        {name.replace("%20", " "): body for name, body in chapters.items()}, {"two%20a.xhtml#top": "Water"}
    )
    document = epub.load("a.epub", made)
    assert document.title == "The Cabin"
    assert outline(document) == [(1, "Fire"), (0, "birch"), (1, "Water"), (0, "pump"), (2, "End")]


def test_a_damaged_or_protected_book_is_refused() -> None:
    with pytest.raises(DocumentError, match="is damaged"):
        epub.load("a.epub", zip_file({"META-INF/container.xml": "<container/>"}))
    with pytest.raises(DocumentError, match="copy-protected"):
        epub.load("a.epub", zip_file({"META-INF/encryption.xml": "http://www.w3.org/2001/04/xmlenc#aes128-cbc"}))


def test_entities_that_grow_are_not_expanded() -> None:
    lines = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "ha" * 10}">' for n in range(12))
    content = f"<!DOCTYPE p [{lines}]><p>&e11;</p>"
    with zipfile.ZipFile(io.BytesIO(word_file())) as source:
        members: dict[str, bytes | str] = {name: source.read(name) for name in source.namelist()}
    members["word/document.xml"] = content
    began = time.process_time()
    with pytest.raises(DocumentError):
        document_of("a.docx", zip_file(members), Allowance())
    assert time.process_time() - began < 2
