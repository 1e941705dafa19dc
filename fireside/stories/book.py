"""A finished book: title, author, chapters, scenes, paragraphs. What exports are made from."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SCENE_BREAK = re.compile(r"(?:[*#~⁂–—_-]\s*){1,9}")


@dataclass(frozen=True)
class Chapter:
    """title: empty where it has none. scenes: each a tuple of paragraphs, of one line each."""

    title: str = ""
    scenes: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Book:
    """language: a tag of BCP 47, such as `en` or `pt-BR`."""

    title: str
    author: str = ""
    language: str = "en"
    chapters: tuple[Chapter, ...] = ()


def chapter(title: str, text: str) -> Chapter:
    """A chapter from its text: a paragraph is a line, and a line of asterisks or dashes alone divides scenes."""
    scenes: list[list[str]] = [[]]
    for line in text.splitlines():
        paragraph = " ".join(line.split())
        if len(paragraph) < 20 and _SCENE_BREAK.fullmatch(paragraph):
            scenes.append([])
        elif paragraph:
            scenes[-1].append(paragraph)
    return Chapter(title, tuple(tuple(scene) for scene in scenes if scene))


def from_text(title: str, text: str, author: str = "", language: str = "en") -> Book:
    """A book of one chapter without a title, or of none where there is no text."""
    only = chapter("", text)
    return Book(title, author, language, (only,) if only.scenes else ())
