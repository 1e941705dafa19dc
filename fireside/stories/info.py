"""What goes with a manuscript: its title, what the model is told of it, and how it is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from fireside.stories.lore import LoreEntry

NOTE_DEPTH = 3
"""Paragraphs between the author's note and the story's end, where nothing else is set."""

NOTE_STRENGTHS = (1, 2, 3)
"""How often the author's note is said; see `context.note_depths`."""


@dataclass(frozen=True)
class StoryInfo:
    """What goes with a manuscript.

    memory: what always holds, at the top of the prompt. note: the author's note, how to go on now, `note_depth`
    paragraphs (1 or more) before the end, and nearer to it again with a `note_strength` of 2 or 3. Times are seconds
    since the epoch. synopsis: the whole story in short, which outlines are made from. style: the adapter it is written
    with, as `adapters.resolve` reads it. preset: the name of its sampling settings. bans: phrases that the model never
    writes. goal: words aimed at, 0 for none. summary: of the first `summary_until` characters of what is read, which
    need not be shown any more. lore: the lorebook.
    """

    name: str
    title: str
    memory: str
    note: str
    note_depth: int
    created: float
    updated: float
    synopsis: str = ""
    style: str | None = None
    preset: str | None = None
    bans: tuple[str, ...] = ()
    goal: int = 0
    summary: str = ""
    summary_until: int = 0
    note_strength: int = 1
    lore: tuple[LoreEntry, ...] = ()


class StoryChanges(TypedDict, total=False):
    """The fields of a story that can be changed."""

    title: str
    memory: str
    note: str
    note_depth: int
    synopsis: str
    style: str | None
    preset: str | None
    bans: tuple[str, ...]
    goal: int
    summary: str
    summary_until: int
    note_strength: int
    lore: tuple[LoreEntry, ...]
