"""A story as Markdown or plain text, with title page and chapters, for reading and for other programs."""

from __future__ import annotations

from pathlib import Path

from fireside import atomic
from fireside.errors import StorageError
from fireside.stories.book import Book, from_text
from fireside.stories.manuscript import Manuscript, text
from fireside.text import for_terminal_line

_WIDTH = 72  # columns that titles are centred in, as text files are set
_SCENE_BREAK = "* * *"


def markdown(book: Book) -> str:
    """The title as the first heading, chapters below it, one blank line between paragraphs. Safe for a terminal."""
    blocks = [f"# {_line(book.title)}"]
    if book.author:
        blocks.append(f"*{_line(book.author)}*")
    for chapter in book.chapters:
        if chapter.title:
            blocks.append(f"## {_line(chapter.title)}")
        for number, scene in enumerate(chapter.scenes):
            blocks += ([_SCENE_BREAK] if number else []) + [_paragraph(_line(paragraph)) for paragraph in scene]
    return "\n\n".join(blocks) + "\n"


def plain_text(book: Book) -> str:
    """The book without any markup: a title page, then the chapters. Lines are as long as paragraphs are."""
    blocks = ["\n\n" + "\n\n".join(_centred(_line(each)) for each in (book.title.upper(), book.author) if each)]
    for chapter in book.chapters:
        blocks.append("\n" + (_centred(_line(chapter.title)) if chapter.title else ""))
        for number, scene in enumerate(chapter.scenes):
            blocks += ([_centred(_SCENE_BREAK)] if number else []) + [_line(paragraph) for paragraph in scene]
    return "\n\n".join(blocks).rstrip() + "\n"


def to_markdown(title: str, manuscript: Manuscript) -> str:
    """What is read of a manuscript, as `markdown`, without chapters."""
    return markdown(from_text(title, text(manuscript)))


def write_markdown(file: Path, title: str, manuscript: Manuscript, *, force: bool = False) -> None:
    """Write `to_markdown` to `file`. Raises StorageError as `write` does."""
    write(file, to_markdown(title, manuscript).encode(), force=force)


def write(file: Path, content: bytes, *, force: bool = False) -> None:
    """Write an export to `file`, whole or not at all.

    Raises StorageError, also for a file that exists already, unless `force`.
    """
    if file.is_dir():
        raise StorageError(f"{file} is a folder", "name a file in it")
    if not force and file.exists():
        raise StorageError(f"{file} exists already", "choose another name, or say --force to replace it")
    atomic.write_bytes(file, content)


def _line(text: str) -> str:
    return for_terminal_line(text, limit=len(text) + 1)


def _centred(line: str) -> str:
    return line.center(_WIDTH).rstrip()


def _paragraph(line: str) -> str:
    """A paragraph that Markdown would take for a heading, a list or a rule stays one; emphasis is left to it."""
    return "\\" + line if line.startswith(("#", ">", "- ", "+ ", "* ", "---", "***", "===", "```", "~~~")) else line
