"""A story as the file of a reader: Markdown, EPUB 3 or plain text."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

from fireside.errors import FiresideError
from fireside.stories.binding import bound
from fireside.stories.epub import epub
from fireside.stories.export import markdown, plain_text
from fireside.stories.store import Story

Format = Literal["md", "epub", "txt"]
"""By the endings of their files."""

_ENDINGS: dict[str, Format] = {".md": "md", ".markdown": "md", ".epub": "epub", ".txt": "txt"}


def format_of(ending: str) -> Format:
    """The format that files with this ending (`.md`) have. Raises FiresideError where it is none."""
    found = _ENDINGS.get(ending.lower())
    if found is None:
        raise FiresideError(
            f"a story is not saved as {ending or 'a file without an ending'}",
            f"name a {', '.join(f'.{each}' for each in get_args(Format))} file",
        )
    return found


def published(story: Story, form: Format, *, title: str = "", author: str = "", language: str = "en") -> bytes:
    """What is read of a story as a file, with title page and chapters. title: the story's own where empty."""
    book = bound(story, author, language)
    if title:
        book = replace(book, title=title)
    info = story.info
    match form:
        case "md":
            return markdown(book).encode()
        case "txt":
            return plain_text(book).encode()
        case "epub":
            return epub(book, modified=info.updated, identifier=f"{info.name}-{info.created}")
