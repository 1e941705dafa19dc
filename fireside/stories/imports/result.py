"""What came of an import: the parts of a story, and one line for everything that could not be taken over."""

from __future__ import annotations

from dataclasses import dataclass

from fireside.stories.lore import LoreEntry


@dataclass(frozen=True)
class Imported:
    """Parts of a story. All texts are safe for a terminal.

    kind: the format, for the person. memory, note: for a story's memory and author's note. opening: how the story
    begins; alternatives: other openings. entries: the lore. about: what the file says to its reader (creator's notes),
    no part of a prompt. problems: one line each for what is left out or changed, and why.
    """

    kind: str
    title: str = ""
    memory: str = ""
    note: str = ""
    opening: str = ""
    alternatives: tuple[str, ...] = ()
    entries: tuple[LoreEntry, ...] = ()
    about: str = ""
    problems: tuple[str, ...] = ()
