"""Each format becomes a document with exact blocks; each bad file becomes one clear line."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import docx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.errors import DocumentError
from rag.loaders import html, markdown, pdf, plain
from rag.loaders.formats import read_document
from rag.types import Document


def outline(document: Document) -> list[tuple[int, str]]:
    return [(block.level, document.text[block.start : block.end]) for block in document.blocks]


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


# Markdown


def test_markdown_headings_paragraphs_items_and_code() -> None:
    source = (
        "Intro\r\n\r\n# The *Cabin* [rules](x.html) ##\r\nline one\r\nline two\r\n\r\n- birch\r\n- pine\r\n\r\n"
        "Water\r\n-----\r\n```\r\n# no heading\r\n\r\ncode\r\n```\r\n***\r\nend"
    )
    document = markdown.load("a/cabin.md", source.encode())
    assert document.text == source
    assert outline(document) == [
        (0, "Intro"),
        (1, "# The *Cabin* [rules](x.html) ##"),
        (0, "line one\r\nline two"),
        (0, "- birch"),
        (0, "- pine"),
        (2, "Water\r\n-----"),
        (0, "```\r\n# no heading\r\n\r\ncode\r\n```"),
        (0, "end"),
    ]
    assert document.title == "The Cabin rules"
    assert document.blocks[-1].heading == ("The Cabin rules", "Water")


def test_markdown_front_matter_gives_the_title_and_is_no_heading() -> None:
    document = markdown.load("x.md", b'---\ntitle: "Boats"\ntags: a\n---\n\ntext\n')
    assert document.title == "Boats"
    assert outline(document) == [(0, 'title: "Boats"\ntags: a'), (0, "text")]


def test_a_deeper_heading_closes_when_a_higher_one_begins() -> None:
    document = markdown.load("x.md", b"# A\n## B\n### C\nc\n## D\nd\n# E\ne\n")
    assert [block.heading for block in document.blocks if not block.level] == [("A", "B", "C"), ("A", "D"), ("E",)]


@given(st.text(st.sampled_from("#-=`~* |a>1.\n\r\t["), max_size=120))
def test_markdown_blocks_are_ordered_and_hold_all_but_rules(text: str) -> None:
    document = markdown.load("x.md", text.encode())
    assert document.text == text
    end = 0
    for block in document.blocks:
        assert end <= block.start < block.end
        # Between blocks there is only white space and rules (***, ---, ___).
        assert not document.text[end : block.start].strip("*-_ \t\r\n")
        end = block.end


# Plain text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "latin-1"])
def test_text_in_any_usual_encoding(encoding: str) -> None:
    text = "Café au lait – 3 €\r\n\r\nzwei" if encoding != "latin-1" else "Caf\xe9 \x81\r\n\r\nzwei"
    document = plain.load("a.txt", text.encode(encoding))
    assert document.text == text
    assert outline(document) == [(0, text.split("\r\n")[0]), (0, "zwei")]


# HTML


def test_html_keeps_the_main_text_only() -> None:
    page = b"""<html><head><title>Owls &amp; co</title><style>p{}</style></head><body><nav>Home About</nav>
      <main><h1>Owls</h1><p>They <b>nest</b>\n in barns.<br><br>And hunt.</p><script>alert(1)</script>
      <ul><li>barn owl</li><li>tawny owl</li></ul><pre>a\n  b</pre><div hidden>secret</div>
      <table><tr><th>kind</th><th>weight</th></tr><tr><td>barn</td><td>500 g</td></tr></table></main>
      <footer>Imprint</footer></body></html>"""
    document = html.load("owls.html", page)
    assert document.title == "Owls & co"
    assert outline(document) == [
        (1, "Owls"),
        (0, "They nest in barns."),
        (0, "And hunt."),
        (0, "barn owl"),
        (0, "tawny owl"),
        (0, "a\n  b"),
        (0, "kind | weight\nbarn | 500 g"),
    ]


def test_html_in_another_encoding_and_nested_deep() -> None:
    assert html.load("a.html", '<meta charset="cp1252"><p>Café'.encode("cp1252")).text == "Café"
    assert html.load("a.html", "<p>Café".encode("utf-16")).text == "Café"
    assert "deep" in html.load("a.html", b"<div>" * 5000 + b"deep").text


# PDF


def pdf_file(pages: list[str], password: bytes | None = None) -> bytes:
    """A PDF of one line a page. With a password: encrypted, 40-bit RC4, and that user password (may be empty)."""
    key, encryption = b"", b""
    if password is not None:
        padding = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
        owner = rc4(hashlib.md5(padding).digest()[:5], (password + padding)[:32])
        key = hashlib.md5((password + padding)[:32] + owner + b"\xfc\xff\xff\xff" + b"id").digest()[:5]
        user = rc4(key, padding)
        encryption = b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>" % (
            owner.hex().encode(),
            user.hex().encode(),
        )
    kids = b" ".join(b"%d 0 R" % (4 + 2 * index) for index in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, len(pages)),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for text in pages:
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 300] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % (len(objects) + 2)
        )
        content = b"BT /F1 12 Tf 20 100 Td (%s) Tj ET" % text.encode() if text else b"0 0 9 9 re f"
        if key:
            number = len(objects) + 1
            content = rc4(hashlib.md5(key + number.to_bytes(3, "little") + b"\0\0").digest()[:10], content)
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    if encryption:
        objects.append(encryption)
    data, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    extra = b"/Encrypt %d 0 R /ID [<6964> <6964>]" % len(objects) if encryption else b""
    return (
        data
        + b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF"
        % (
            len(objects) + 1,
            table,
            len(objects) + 1,
            extra,
            len(data),
        )
    )


def rc4(key: bytes, data: bytes) -> bytes:
    box, at = list(range(256)), 0
    for index in range(256):
        at = (at + box[index] + key[index % len(key)]) % 256
        box[index], box[at] = box[at], box[index]
    out, first, second = bytearray(), 0, 0
    for byte in data:
        first = (first + 1) % 256
        second = (second + box[first]) % 256
        box[first], box[second] = box[second], box[first]
        out.append(byte ^ box[(box[first] + box[second]) % 256])
    return bytes(out)


@pytest.mark.parametrize("password", [None, b""])
def test_pdf_pages_and_an_empty_password(password: bytes | None) -> None:
    document = pdf.load("a.pdf", pdf_file(["Wood is dry.", "", "Water is cold."], password))
    assert [(block.page, document.text[block.start : block.end]) for block in document.blocks] == [
        (1, "Wood is dry."),
        (3, "Water is cold."),
    ]


def test_pdf_paragraphs_end_at_short_lines_that_end_a_sentence() -> None:
    text = "The stove takes birch wood and nothing\nbut birch wood.\nDrain the pump before the frost comes in\nOctober."
    assert pdf.paragraphs(text) == [
        "The stove takes birch wood and nothing\nbut birch wood.",
        "Drain the pump before the frost comes in\nOctober.",
    ]


# Word


def word_file() -> bytes:
    word = docx.Document()
    word.add_heading("Cabin", 1)
    word.add_paragraph("Before the table.")
    table = word.add_table(rows=1, cols=2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "pump", "drain"
    word.add_heading("After", 2)
    word.add_paragraph("After the table.")
    stream = io.BytesIO()
    word.save(stream)
    return stream.getvalue()


def test_docx_in_the_order_of_the_document(tmp_path: Path) -> None:
    document = read_document(written(tmp_path / "a.docx", word_file()))
    assert outline(document) == [
        (1, "Cabin"),
        (0, "Before the table."),
        (0, "pump | drain"),
        (2, "After"),
        (0, "After the table."),
    ]
    assert document.blocks[-1].heading == ("Cabin", "After")


def strict_word_file() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(word_file())) as source, zipfile.ZipFile(stream, "w") as target:
        for name in source.namelist():
            strict = source.read(name).replace(
                b"http://schemas.openxmlformats.org/officeDocument/2006", b"http://purl.oclc.org/ooxml/officeDocument"
            )
            target.writestr(name, strict)
    return stream.getvalue()


# Bad files


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.md", b"", "is empty"),
        ("a.txt", b" \n\n ", "holds no text"),
        ("a.md", b"\x7fELF\x00\x01\x02\x03" * 40, "content is binary"),
        ("a.txt", b"\xff\xfe\x00\xd8a", "is damaged"),
        ("a.csv", b"a,b", "of a kind that cannot be read"),
        ("a.html", b"<script>alert(1)</script>", "holds no text"),
        ("a.pdf", b"%PDF-1.4 and then nothing", "is damaged"),
        ("a.pdf", pdf_file([""]), "no text, only pictures of 1 page"),
        ("a.pdf", pdf_file(["secret"], b"open sesame"), "protected by a password"),
        ("a.docx", b"PK\x03\x04 broken", "is damaged"),
        ("a.docx", word_file()[:-200], "is damaged"),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "protected by a password"),
        ("a.docx", strict_word_file(), "Strict Open XML"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_document(written(tmp_path / name, data))
    assert said in caught.value.message
    assert str(tmp_path / name) in caught.value.message
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_missing_file_folder_and_too_big(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DocumentError, match="there is no file"):
        read_document(tmp_path / "none.md")
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(DocumentError, match="is not a file"):
        read_document(tmp_path / "folder.md")
    monkeypatch.setattr("rag.loaders.formats.MAX_BYTES", 3)
    with pytest.raises(DocumentError, match="at most"):
        read_document(written(tmp_path / "big.md", b"four"))


def test_a_word_file_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.loaders.docx._MAX_UNPACKED", 1000)
    with pytest.raises(DocumentError, match="unpacks to"):
        read_document(written(tmp_path / "bomb.docx", word_file()))
