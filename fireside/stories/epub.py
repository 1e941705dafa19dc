"""A book as EPUB 3: a ZIP file of XHTML that reading systems open.

By EPUB 3.3 (W3C Recommendation): section 4 the container, 5 the package document, 6.1 XHTML, 7 the navigation document.
"""

from __future__ import annotations

import io
import re
import uuid
import zipfile
from datetime import UTC, datetime
from html import escape

from fireside.stories.book import Book, Chapter
from fireside.text import for_terminal_line

# Within `fireside` a name is always the same book: readers then replace it instead of keeping both.
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "fireside:story")
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest a ZIP can say: the same book is the same bytes
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,4}")
_RIGHT_TO_LEFT = frozenset(("ar", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"))
# What XML 1.0 forbids (section 2.2, Char) and `for_terminal_line` lets through.
_NOT_XML = re.compile("[\ufffe\uffff]")
# One kind within another stays as it is written: pairs that cross would be no XML.
_EMPHASIS = re.compile(r"\*\*(?=\S)([^*]+)(?<=\S)\*\*|\*(?=\S)([^*]+)(?<=\S)\*|(?<!\w)_(?=\S)([^_]+)(?<=\S)_(?!\w)")

_CONTAINER = """<?xml version="1.0" encoding="UTF-8"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles>
<rootfile full-path="EPUB/package.opf" media-type="application/oebps-package+xml"/>
</rootfiles>
</container>
"""

_STYLE = """body { margin: 5%; line-height: 1.4; }
h1 { margin: 3em 0 2em; text-align: center; font-weight: normal; }
p { margin: 0; text-indent: 1.2em; }
h1 + p, hr + p, p:first-child { text-indent: 0; }
hr { width: 20%; margin: 1.5em auto; border: 0; border-top: 1px solid; }
.title { margin-top: 25%; text-align: center; }
.title p { text-indent: 0; }
nav ol { list-style: none; padding: 0; }
"""


def is_language(tag: str) -> bool:
    """Whether `tag` has the form of a language tag (BCP 47) that a book can have."""
    return _LANGUAGE.fullmatch(tag) is not None


def epub(book: Book, *, modified: float, identifier: str = "") -> bytes:
    """The bytes of an `.epub` file; the same for the same arguments.

    modified: when the book was last changed, in seconds since the epoch. identifier: what makes this book another than
    all others, such as its story's name; title and author where it is empty. Characters that XML forbids are left out,
    and `*emphasis*`, `_emphasis_` and `**strong**` become italic and bold.
    """
    language = book.language if is_language(book.language) else "und"
    title = _line(book.title) or "Untitled"
    chapters = {f"chapter-{number:03}": chapter for number, chapter in enumerate(book.chapters, 1)}
    # A chapter needs something that can be pointed at in the table of contents.
    names = {
        name: _line(chapter.title) or (str(number) if len(chapters) > 1 else title)
        for number, (name, chapter) in enumerate(chapters.items(), 1)
    }
    pages = {
        "title": _page(title, language, _title_page(title, _line(book.author))),
        "nav": _page(title, language, _navigation(title, names)),
        **{name: _page(names[name], language, _chapter(chapter)) for name, chapter in chapters.items()},
    }
    unique = str(uuid.uuid5(_NAMESPACE, _line(identifier) or f"{title}\n{_line(book.author)}"))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        # First and stored, so that the bytes at its beginning tell what the file is (section 4.3.3).
        archive.writestr(zipfile.ZipInfo("mimetype", _ZIP_TIME), "application/epub+zip", zipfile.ZIP_STORED)
        _add(archive, "META-INF/container.xml", _CONTAINER)
        _add(archive, "EPUB/package.opf", _package(book, title, language, unique, modified, list(chapters)))
        _add(archive, "EPUB/style.css", _STYLE)
        for name, page in pages.items():
            _add(archive, f"EPUB/{name}.xhtml", page)
    return content.getvalue()


def _add(archive: zipfile.ZipFile, name: str, text: str) -> None:
    archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), text.encode(), zipfile.ZIP_DEFLATED)


def _package(book: Book, title: str, language: str, unique: str, modified: float, chapters: list[str]) -> str:
    author = _line(book.author)
    creator = f"<dc:creator>{_escaped(author)}</dc:creator>\n" if author else ""
    when = datetime.fromtimestamp(int(modified), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    items = "\n".join(
        f'<item id="{name}" href="{name}.xhtml" media-type="application/xhtml+xml"/>' for name in ["title", *chapters]
    )
    spine = "\n".join(f'<itemref idref="{name}"/>' for name in ["title", "nav", *chapters])
    direction = ' page-progression-direction="rtl"' if _right_to_left(language) else ""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="book-id" xml:lang="{language}">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier id="book-id">urn:uuid:{unique}</dc:identifier>
<dc:title>{_escaped(title)}</dc:title>
<dc:language>{language}</dc:language>
{creator}<meta property="dcterms:modified">{when}</meta>
<meta property="schema:accessMode">textual</meta>
<meta property="schema:accessModeSufficient">textual</meta>
<meta property="schema:accessibilityFeature">tableOfContents</meta>
<meta property="schema:accessibilityHazard">none</meta>
</metadata>
<manifest>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="style" href="style.css" media-type="text/css"/>
{items}
</manifest>
<spine{direction}>
{spine}
</spine>
</package>
"""


def _page(title: str, language: str, body: str) -> str:
    direction = ' dir="rtl"' if _right_to_left(language) else ""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" lang="{language}" \
xml:lang="{language}"{direction}>
<head>
<meta charset="UTF-8"/>
<title>{_escaped(title)}</title>
<link rel="stylesheet" type="text/css" href="style.css"/>
</head>
<body>
{body}
</body>
</html>
"""


def _title_page(title: str, author: str) -> str:
    line = f"\n<p>{_escaped(author)}</p>" if author else ""
    return f'<section class="title" epub:type="titlepage">\n<h1>{_escaped(title)}</h1>{line}\n</section>'


def _navigation(title: str, names: dict[str, str]) -> str:
    points = {"title": title, **names}
    links = "\n".join(f'<li><a href="{name}.xhtml">{_escaped(shown)}</a></li>' for name, shown in points.items())
    return f'<nav epub:type="toc" id="toc">\n<h1>{_escaped(title)}</h1>\n<ol>\n{links}\n</ol>\n</nav>'


def _chapter(chapter: Chapter) -> str:
    heading = f"<h1>{_escaped(_line(chapter.title))}</h1>\n" if _line(chapter.title) else ""
    scenes = ["\n".join(f"<p>{_inline(_line(each))}</p>" for each in scene) for scene in chapter.scenes]
    paragraphs = "\n<hr/>\n".join(scenes)
    return f'<section epub:type="chapter">\n{heading}{paragraphs}\n</section>'


def _inline(line: str) -> str:
    return _EMPHASIS.sub(
        lambda found: f"<strong>{found[1]}</strong>" if found[1] else f"<em>{found[2] or found[3]}</em>", _escaped(line)
    )


def _line(text: str) -> str:
    return _NOT_XML.sub("", for_terminal_line(text, limit=len(text) + 1))


def _escaped(text: str) -> str:
    return escape(text, quote=False)


def _right_to_left(language: str) -> bool:
    return language.partition("-")[0].lower() in _RIGHT_TO_LEFT
