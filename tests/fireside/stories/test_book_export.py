"""Books as Markdown and plain text, and how a text becomes a book."""

from __future__ import annotations

from pathlib import Path

import pytest

from fireside.errors import StorageError
from fireside.stories.book import Book, Chapter, chapter, from_text
from fireside.stories.export import markdown, plain_text, write

BOOK = Book("The Sea", "Jo", chapters=(chapter("One", "A.\nB.\n* * *\n# C."), chapter("", "D\x1b[2J.")))


def test_a_text_is_cut_into_paragraphs_and_scenes() -> None:
    assert chapter("T", "a  b\n\n\nc\n ***\n---\nd") == Chapter("T", (("a b", "c"), ("d",)))
    assert chapter("T", " \n") == Chapter("T")
    assert chapter("T", "He paused -\n— No.").scenes == (("He paused -", "— No."),)
    assert from_text("T", "").chapters == ()


def test_markdown_has_title_author_chapters_and_scene_breaks() -> None:
    assert markdown(BOOK) == "# The Sea\n\n*Jo*\n\n## One\n\nA.\n\nB.\n\n* * *\n\n\\# C.\n\nD.\n"


def test_plain_text_has_a_title_page_and_no_markup() -> None:
    lines = plain_text(BOOK).split("\n")
    assert [line.strip() for line in lines if line.strip()] == [
        "THE SEA", "Jo", "One", "A.", "B.", "* * *", "# C.", "D.",
    ]  # fmt: skip
    assert lines[2].startswith(" " * 30)


def test_a_file_is_not_overwritten_unasked(tmp_path: Path) -> None:
    file = tmp_path / "a.epub"
    write(file, b"1")
    with pytest.raises(StorageError, match="exists already"):
        write(file, b"2")
    write(file, b"3", force=True)
    assert file.read_bytes() == b"3"
