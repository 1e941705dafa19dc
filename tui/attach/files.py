"""The files below a folder that a person may want to name: nothing hidden, nothing that its rules leave out."""

from __future__ import annotations

import os
import time
from collections import deque
from pathlib import Path

from fireside.errors import DocumentError
from rag.ignore import Rules, rules_in

MOST_FILES = 20_000
_MOST_ENTRIES = 5_000  # of one folder: what holds more was filled by a program, and is no place to choose from
_MOST_SECONDS = 3.0
_MADE_BY_PROGRAMS = frozenset(("__pycache__", "node_modules"))


def files_below(folder: Path, most: int = MOST_FILES) -> list[str]:
    """Paths below `folder`, relative to it, the nearest folders first; at most so many, of at most three seconds.

    Left out: what is hidden, what `.gitignore` and `.firesideignore` leave out, links to folders, huge folders, folders
    whose rules cannot be read, and names that cannot be shown.
    """
    found: list[str] = []
    ends = time.monotonic() + _MOST_SECONDS
    waiting: deque[tuple[Path, str, Rules | None]] = deque([(folder, "", None)])
    while waiting and len(found) < most and time.monotonic() < ends:
        here, before, above = waiting.popleft()
        listed = entries(here)
        try:
            rules = rules_in(here, above)
        except DocumentError:
            continue
        for entry in listed:
            try:
                is_folder = entry.is_dir(follow_symlinks=False)
                is_file = not is_folder and entry.is_file()
            except OSError:
                continue
            if rules.ignores(entry.name, is_folder):
                continue
            if is_folder and entry.name not in _MADE_BY_PROGRAMS:
                waiting.append((here / entry.name, f"{before}{entry.name}/", rules))
            elif is_file:
                found.append(before + entry.name)
    return found[:most]


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder and can be shown, by name; nothing where it is huge or cannot be read."""
    found: list[os.DirEntry[str]] = []
    try:
        with os.scandir(folder) as scanned:
            for count, entry in enumerate(scanned):
                if count >= _MOST_ENTRIES:
                    return []
                if not entry.name.startswith(".") and entry.name.isprintable() and '"' not in entry.name:
                    found.append(entry)
    except OSError:
        return []
    return sorted(found, key=lambda entry: entry.name)
