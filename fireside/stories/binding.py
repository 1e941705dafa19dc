"""Binds a story into a book: chapters and scenes by its outline, with what stands before the first of them."""

from __future__ import annotations

from itertools import pairwise

from fireside.stories import book
from fireside.stories.book import Book, Chapter
from fireside.stories.manuscript import text
from fireside.stories.placing import stretches
from fireside.stories.store import Story


def bound(story: Story, author: str = "", language: str = "en") -> Book:
    """What is read of a story as a book. A story without an outline is one chapter without a title."""
    read = text(story.manuscript)
    chapters = stretches(story.outline, story.manuscript, "chapter")
    scenes = [stretch.start for stretch in stretches(story.outline, story.manuscript, "scene")]
    first = chapters[0].start if chapters else len(read)
    made = [_chapter("", read, 0, first, scenes)]
    made += [_chapter(each.node.title, read, each.start, each.end, scenes) for each in chapters]
    return Book(story.info.title, author, language, tuple(each for each in made if each.scenes))


def _chapter(title: str, read: str, start: int, end: int, scenes: list[int]) -> Chapter:
    """The chapter from `start` to `end`, divided where scenes begin and where its text says so."""
    cuts = [start, *(scene for scene in scenes if start < scene < end), end]
    parts = [book.chapter(title, read[one:other]).scenes for one, other in pairwise(cuts)]
    return Chapter(title, tuple(scene for part in parts for scene in part))
