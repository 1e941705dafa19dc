"""A story as Markdown: its title and its paragraphs, for reading and for other programs."""

from __future__ import annotations

from pathlib import Path

from fireside import atomic
from fireside.errors import StorageError
from fireside.stories.manuscript import Manuscript, text
from fireside.text import for_terminal, for_terminal_line


def to_markdown(title: str, manuscript: Manuscript) -> str:
    """The title as a heading, then what is read, one blank line between paragraphs. Safe for a terminal."""
    lines = (line.strip() for line in for_terminal(text(manuscript)).split("\n"))
    return "\n\n".join([f"# {for_terminal_line(title)}", *(_plain(line) for line in lines if line)]) + "\n"


def write_markdown(file: Path, title: str, manuscript: Manuscript, *, force: bool = False) -> None:
    """Write `to_markdown` to `file`, whole or not at all.

    Raises StorageError, also for a file that exists already, unless `force`.
    """
    if file.is_dir():
        raise StorageError(f"{file} is a folder", "name a file in it")
    if not force and file.exists():
        raise StorageError(f"{file} exists already", "choose another name, or say --force to replace it")
    atomic.write_text(file, to_markdown(title, manuscript))


def _plain(line: str) -> str:
    """A paragraph that Markdown would take for a heading, a list or a rule stays one; emphasis is left to it."""
    return "\\" + line if line.startswith(("#", ">", "- ", "+ ", "* ", "---", "***", "===", "```", "~~~")) else line
