"""Finds where a story speaks of something: its text is a library of documents too, kept beside its file."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fireside.stories.store import Story
    from rag.types import Passage

_CHUNK_TOKENS = 120  # about a paragraph: the place is wanted, not the page


def found(story: Story, query: str, k: int) -> list[Passage]:
    """The `k` places of what is read that fit `query` best; `start` and `end` are in its characters.

    The story's text and its index lie beside its file; only paragraphs that changed are embedded again. Takes a while
    at first: not for a thread that draws. Raises StorageError, DocumentError.
    """
    from fireside import atomic, paths
    from fireside.errors import DocumentError
    from fireside.stories.manuscript import text
    from rag import ingest
    from rag.library import Library

    folder = paths.stories_folder() / f"{story.info.name}.search"
    paths.ensure_folder(folder)
    file = folder / "story.txt"
    read = text(story.manuscript)
    if not read.strip():
        return []
    atomic.write_text(file, read)
    with closing(Library(folder / "library")) as library:
        report = ingest.sync(library, [file], _CHUNK_TOKENS)
        if report.failed:
            raise DocumentError(f"the story could not be indexed: {report.failed[0].reason}")
        return library.search(query, k)


def scene_at(story: Story, start: int) -> str:
    """The title of the scene that the character `start` of what is read belongs to; "" where it belongs to none."""
    from fireside.stories.placing import stretches

    scenes = stretches(story.outline, story.manuscript, "scene")
    return next((scene.node.title for scene in scenes if scene.start <= start < scene.end), "")
