"""Offers the files that fit what is typed behind an `@`; finds and ranks them in a thread."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path

from fireside import paths
from fireside.errors import StorageError
from fireside.text import for_terminal
from tui.attach.attachment import size_in_words
from tui.attach.mentions import being_written, mention_of
from tui.slash import Completion

MOST = 50
_FRESH_S = 10.0
"""Seconds for which the list of files is good, while somebody types."""


class FilePicker:
    """Knows the files below the working folder, as they were a moment ago."""

    def __init__(self) -> None:
        """Nothing is looked at yet."""
        self._found: tuple[Path, float, list[str]] | None = None
        self._finding = asyncio.Lock()

    async def completions(self, text: str, cursor: int) -> list[Completion]:
        """What the name that is being written before the cursor may be, the best first."""
        name = being_written(text[:cursor])
        if name is None:
            return []
        start, typed = name
        if typed.startswith(("/", "~", "..")):
            found = await asyncio.to_thread(_beside, typed)
        else:
            found = await asyncio.to_thread(_ranked, typed, await self._files())
        return [_completion(text, start, cursor, path) for path in found]

    async def _files(self) -> Sequence[str]:
        from tui.attach.files import files_below

        async with self._finding:
            here = Path.cwd()
            if self._found is None or self._found[0] != here or time.monotonic() - self._found[1] > _FRESH_S:
                files = await asyncio.to_thread(files_below, here)
                self._found = (here, time.monotonic(), files)
            return self._found[2]


def dropped_file(text: str, cursor: int, path: str) -> Completion:
    """The file whose path was just pasted before the cursor, to go with the message."""
    completion = _completion(text, cursor - len(path), cursor, path)
    return Completion(completion.label, "let the file go with the message", completion.line, False, completion.cursor)


def folded(text: str, pasted: dict[str, str]) -> str:
    """The mark that stands for a long text; `pasted` keeps what it stands for."""
    mark = f"[pasted {len(text.splitlines())} lines]"
    number = 2
    while pasted.get(mark, text) != text:
        mark = f"[pasted {len(text.splitlines())} lines, {number}]"
        number += 1
    pasted[mark] = for_terminal(text)
    return mark


def _ranked(typed: str, files: Sequence[str]) -> list[str]:
    from tui.attach.fuzzy import best

    return best(typed, files, MOST) if typed else list(files[:MOST])


def _beside(typed: str) -> list[str]:
    """What lies in the folder that a path from the root, or from home, names, and fits what is typed of the rest."""
    from tui.attach.files import entries
    from tui.attach.fuzzy import best

    folder, _, rest = typed.rpartition("/")
    try:
        found = entries(paths.expanded(f"{folder}/"))
    except (StorageError, ValueError):
        return []
    names = [entry.name + ("/" if _is_folder(entry) else "") for entry in found]
    return [f"{folder}/{name}" for name in (best(rest, names, MOST) if rest else names[:MOST])]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _completion(text: str, start: int, cursor: int, path: str) -> Completion:
    """The text with `path` named in the place of what is typed. A folder is gone on with."""
    is_folder = path.endswith("/")
    written = f'@"{path}' if is_folder and " " in path else mention_of(path)
    rest = text[cursor:]
    named = written if is_folder or rest[:1].isspace() else f"{written} "
    before = text[:start] + named
    return Completion(f"@{path}", "" if is_folder else _size(path), before + rest, False, len(before))


def _size(path: str) -> str:
    try:
        return size_in_words(paths.expanded(path).stat().st_size)
    except (OSError, ValueError, StorageError):
        return ""
