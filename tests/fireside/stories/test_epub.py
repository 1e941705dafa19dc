"""EPUB files, held to epubcheck's rules as far as a test can.

Held here: the first entry is `mimetype`, stored, with its exact content and no extra field; no entry twice; META-INF/
container.xml names the package document; XML is well-formed, without entities and characters that XML forbids; the
package has one unique identifier that its attribute points to, a title, a language and one `dcterms:modified` of the
exact form; manifest ids and hrefs are unique, every href exists, every file is in the manifest, each media type is
right; there is one `nav`; the spine names manifest items, each once; the navigation document has a `toc` of one list
whose links exist and have text, in the order of the spine; pages hold only elements and attributes that XHTML allows
there, ids are unique in a page, and style sheets exist. epubcheck itself found no error or warning in such books.
"""

from __future__ import annotations

import io
import re
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from fireside.stories.book import Book, Chapter, chapter, from_text
from fireside.stories.epub import epub

OPF = "{http://www.idpf.org/2007/opf}"
DC = "{http://purl.org/dc/elements/1.1/}"
XHTML = "{http://www.w3.org/1999/xhtml}"
OPS = "{http://www.idpf.org/2007/ops}"
CONTAINER = "{urn:oasis:names:tc:opendocument:xmlns:container}"
LANG = "{http://www.w3.org/XML/1998/namespace}lang"
FLOW = {"section", "h1", "p", "hr", "nav", "ol"}
PHRASING = {"em", "strong", "a"}
INSIDE = {
    "html": {"head", "body"}, "head": {"meta", "title", "link"}, "body": FLOW, "section": FLOW, "nav": FLOW,
    "ol": {"li"}, "li": PHRASING, "p": PHRASING, "h1": PHRASING, "em": PHRASING, "strong": PHRASING, "a": PHRASING,
}  # fmt: skip
ATTRIBUTES = {
    "html": {"lang", LANG, "dir"}, "meta": {"charset"}, "link": {"rel", "type", "href"}, "a": {"href"},
    "section": {"class", f"{OPS}type"}, "nav": {f"{OPS}type", "id"},
}  # fmt: skip
BOOK = Book(
    "The Sea",
    "Jo & Co",
    "en-GB",
    (chapter("One", "She *ran*.\n\n***\n\n**Far**."), chapter("", "And _on_ <she> went.")),
)


def strictly(data: bytes) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=False, load_dtd=False)
    return etree.fromstring(data, parser)


def check(data: bytes) -> list[str]:
    """Hold the rules; the texts of the chapters' pages."""
    assert data[30:58] == b"mimetypeapplication/epub+zip"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.infolist()[0].compress_type == zipfile.ZIP_STORED
        assert not archive.infolist()[0].extra
        names = archive.namelist()
        files = {name: archive.read(name) for name in names}
    assert len(names) == len(set(names))
    (root,) = strictly(files["META-INF/container.xml"]).iter(f"{CONTAINER}rootfile")
    assert root.attrib == {"full-path": "EPUB/package.opf", "media-type": "application/oebps-package+xml"}
    spine = check_package(files)
    pages = [check_page(files[f"EPUB/{href}"], set(files)) for href in spine]
    check_navigation(files["EPUB/nav.xhtml"], [href for href in spine if href != "nav.xhtml"])
    return pages[2:]


def check_package(files: dict[str, bytes]) -> list[str]:
    """The hrefs of the spine."""
    package = strictly(files["EPUB/package.opf"])
    assert package.get("version") == "3.0"
    (identifier,) = package.iter(f"{DC}identifier")
    assert identifier.get("id") == package.get("unique-identifier")
    assert identifier.text is not None
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", identifier.text)
    assert [each.text for each in package.iter(f"{DC}title")] != [None]
    (language,) = package.iter(f"{DC}language")
    assert re.fullmatch(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", str(language.text))
    (modified,) = [each for each in package.iter(f"{OPF}meta") if each.get("property") == "dcterms:modified"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(modified.text))
    items = list(package.iter(f"{OPF}item"))
    ids = {str(each.get("id")): str(each.get("href")) for each in items}
    assert len(ids) == len(set(ids.values())) == len(items)
    assert {f"EPUB/{href}" for href in ids.values()} | {
        "mimetype",
        "META-INF/container.xml",
        "EPUB/package.opf",
    } == set(files)
    types = {"xhtml": "application/xhtml+xml", "css": "text/css"}
    assert all(each.get("media-type") == types[str(each.get("href")).split(".")[1]] for each in items)
    assert [each.get("href") for each in items if each.get("properties") == "nav"] == ["nav.xhtml"]
    spine = [ids[str(each.get("idref"))] for each in package.iter(f"{OPF}itemref")]
    assert len(spine) == len(set(spine))
    assert set(spine) == {href for href in ids.values() if href.endswith(".xhtml")}
    return spine


def check_page(data: bytes, files: set[str]) -> str:
    assert data.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html>\n<html ')
    assert b"<!ENTITY" not in data
    page = strictly(data)
    found_ids = []
    for element in page.iter():
        name = str(element.tag).removeprefix(XHTML)
        assert all(str(child.tag).removeprefix(XHTML) in INSIDE.get(name, set()) for child in element)
        assert set(element.attrib) <= ATTRIBUTES.get(name, set())
        found_ids += [element.get("id")] if element.get("id") else []
        if element.get("href"):
            assert f"EPUB/{element.get('href')}" in files
    assert len(found_ids) == len(set(found_ids))
    assert page.get("lang") == page.get(LANG)
    (title,) = page.iter(f"{XHTML}title")
    assert title.text
    assert title.text.strip()
    return "\n".join("".join(each.itertext()) for each in page.iter(f"{XHTML}h1", f"{XHTML}p"))


def check_navigation(data: bytes, pages: list[str]) -> None:
    (nav,) = strictly(data).iter(f"{XHTML}nav")
    assert nav.get(f"{OPS}type") == "toc"
    assert [str(child.tag).removeprefix(XHTML) for child in nav] == ["h1", "ol"]
    links = list(nav.iter(f"{XHTML}a"))
    assert all("".join(link.itertext()).strip() for link in links)
    assert [link.get("href") for link in links] == pages


def test_a_book_keeps_the_rules_and_its_text() -> None:
    pages = check(epub(BOOK, modified=1_700_000_000))
    assert pages == ["One\nShe ran.\nFar.", "And on <she> went."]


def test_the_same_book_is_the_same_bytes() -> None:
    assert epub(BOOK, modified=5.5) == epub(BOOK, modified=5.5)
    assert epub(BOOK, modified=5.5) != epub(BOOK, modified=99)
    assert epub(BOOK, modified=5, identifier="a") != epub(BOOK, modified=5, identifier="b")


@pytest.mark.parametrize(
    "book",
    [
        Book(""),
        Book("A", chapters=(Chapter(), Chapter("Only a title"))),
        Book("A", language="no language"),
        from_text("שיר", "שלום", language="he"),
        Book("A", chapters=(chapter("x", "a * b ** c _d_ *e **f* g** _h **i_ j** snake_case ***k***"),)),
    ],
)
def test_odd_books_keep_the_rules(book: Book) -> None:
    check(epub(book, modified=0))


def test_emphasis_is_shown_and_not_invented() -> None:
    book = Book("A", chapters=(chapter("", "*one* **two** _three_ snake_case 2 * 3 * 4 & <b>"),))
    with zipfile.ZipFile(io.BytesIO(epub(book, modified=0))) as archive:
        page = archive.read("EPUB/chapter-001.xhtml").decode()
    assert "<p><em>one</em> <strong>two</strong> <em>three</em> snake_case 2 * 3 * 4 &amp; &lt;b&gt;</p>" in page


NASTY = st.text(
    st.characters(codec=None)
    | st.sampled_from("*_<>&\"'\n\x00\x1b\ufffe\uffff\x0b\x0c\x85\u2028\ud800\U0001f600\u202e"),
    max_size=30,
)


@settings(max_examples=40)
@given(NASTY, NASTY, NASTY, st.lists(st.tuples(NASTY, NASTY), max_size=3))
def test_any_text_keeps_the_rules(title: str, author: str, language: str, parts: list[tuple[str, str]]) -> None:
    check(epub(Book(title, author, language, tuple(chapter(name, text) for name, text in parts)), modified=1.0))


def test_a_long_line_of_marks_takes_no_time() -> None:
    check(epub(Book("A", chapters=(chapter("", "*a _b " * 50_000 + "**" * 50_000),)), modified=0))
