"""The file tools, confined to one folder: list, read and search."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field

from agents.builtin.changes import change_tools
from agents.builtin.inside import NotText, canonical_path, is_shared, opened_folder, place, read
from agents.builtin.matching import Line, lines_matching, lines_with
from agents.tools import Tool, Traits, tool_from_function
from fireside import paths
from fireside.errors import ToolError

_MOST_FILES = 200
_MOST_SEARCHED = 5000
_MOST_TEXT = 20_000_000
_MOST_LINES = 100
_SEARCH_S = 60.0

RelativePath = Annotated[str, Field(max_length=200)]
"""A path below the shared folder, as the model writes it."""
_LineNumber = Annotated[int, Field(ge=1, le=1_000_000)]


def file_tools(folder: Path) -> tuple[Tool, ...]:
    """`list_files`, `read_file`, `search_files`, `write_file` and `edit_file`, confined to `folder`.

    Raises ToolError or StorageError if it is not a folder.
    """
    root = paths.expanded(folder).resolve()
    if not root.is_dir():
        raise ToolError(f"{folder} is not a folder", "name an existing folder for the file tools")

    def list_files(path: RelativePath = ".") -> str:
        """List the files in a folder.

        Args:
            path: the folder, relative to the shared one; . for the shared folder itself

        Examples:
            which files are in the folder docs -> {"path": "docs"}
            what is in src/app -> {"path": "src/app"}
            show my files -> {"path": "."}
            list the directory -> {"path": "."}
        """
        try:
            with opened_folder(root, place(root, path)) as descriptor, os.scandir(descriptor) as found:
                entries = sorted((entry for entry in found if is_shared(entry.name)), key=lambda entry: entry.name)
                lines = [_listed(entry) for entry in entries]
        except OSError as error:
            raise ToolError(f"{path!r} is not a folder that can be listed") from error
        more = [f"... and {len(lines) - _MOST_FILES} more"] if len(lines) > _MOST_FILES else []
        return "\n".join(lines[:_MOST_FILES] + more) or "the folder is empty"

    def read_file(path: RelativePath, first_line: _LineNumber = 1, last_line: _LineNumber = 1_000_000) -> str:
        """Read a text file.

        Args:
            path: the file, relative to the shared folder
            first_line: where to begin; leave out for the whole file
            last_line: where to end, this line included; leave out for the whole file

        Examples:
            Read the file notes.md -> {"path": "notes.md"}
            open docs/report.txt -> {"path": "docs/report.txt"}
            what does letter.txt say -> {"path": "letter.txt"}
            what is in the file data.csv -> {"path": "data.csv"}
            Read the file settings.json -> {"path": "settings.json"}
        """
        text = _text(root, path)
        if first_line == 1 and last_line == 1_000_000:
            return text
        lines = text.splitlines(keepends=True)
        if first_line > max(len(lines), 1) or last_line < first_line:
            raise ToolError(f"{path!r} has {len(lines)} lines: there are none from {first_line} to {last_line}")
        return "".join(lines[first_line - 1 : last_line])

    def search_files(
        text: Annotated[str, Field(min_length=1, max_length=200)],
        path: RelativePath = ".",
        regular_expression: bool = False,
    ) -> str:
        """Search the text files of a folder; tells file, line number and line.

        Args:
            text: what to look for, in upper or lower case
            path: the folder, relative to the shared one; . for the shared folder itself
            regular_expression: whether text is a regular expression

        Examples:
            which files mention the rent -> {"text": "rent"}
            in which file is the word invoice -> {"text": "invoice"}
            search all files in src for load_model -> {"text": "load_model", "path": "src"}
        """
        files, unread = _texts(root, place(root, path))
        lines = lines_matching(text, files) if regular_expression else lines_with(text, files)
        note = [f"[{unread} files were not searched: too many, or too large]"] if unread else []
        return "\n".join([*_shown(lines), *note]) or "nothing found"

    looking = Traits(untrusted=True, canonical=canonical_path(root))
    searching = Traits(untrusted=True, timeout_s=_SEARCH_S, canonical=canonical_path(root))
    return (
        tool_from_function(list_files, looking),
        tool_from_function(read_file, looking),
        tool_from_function(search_files, searching),
        *change_tools(root),
    )


def _listed(entry: os.DirEntry[str]) -> str:
    """Of a link, which may lead out of the folder or nowhere, only its own size is told."""
    if entry.is_dir(follow_symlinks=False):
        return f"{entry.name}/"
    return f"{entry.name} ({entry.stat(follow_symlinks=False).st_size} bytes)"


def _text(root: Path, path: str) -> str:
    try:
        return read(root, place(root, path), path).decode("utf-8", "replace")
    except FileNotFoundError:
        raise ToolError(f"there is no file {path!r}") from None


def _shown(lines: list[Line]) -> list[str]:
    shown = [f"{line.file}:{line.number}: {line.text.strip()[:200]}" for line in lines[:_MOST_LINES]]
    return [*shown, f"... and {len(lines) - _MOST_LINES} more lines"] if len(lines) > _MOST_LINES else shown


def _texts(root: Path, parts: tuple[str, ...]) -> tuple[dict[str, str], int]:
    """The shared text files below a folder by their paths, and how many were left out. Links are not followed."""
    texts: dict[str, str] = {}
    size = unread = 0
    waiting = [parts]
    while waiting:
        folder = waiting.pop()
        try:
            with opened_folder(root, folder) as descriptor, os.scandir(descriptor) as found:
                entries = [(entry.name, entry.is_dir(follow_symlinks=False), entry.is_symlink()) for entry in found]
        except OSError as error:
            if folder == parts:
                raise ToolError(f"{'/'.join(parts)!r} is not a folder") from error
            unread += 1
            continue
        for name, is_folder, is_link in sorted(entries, reverse=True):
            if not is_shared(name) or is_link:
                continue
            if is_folder:
                waiting.append((*folder, name))
            elif len(texts) >= _MOST_SEARCHED or size > _MOST_TEXT:
                unread += 1
            else:
                shown = "/".join((*folder, name))
                try:
                    texts[shown] = read(root, (*folder, name), shown).decode("utf-8", "replace")
                    size += len(texts[shown])
                except NotText:
                    continue
                except (ToolError, FileNotFoundError):
                    unread += 1
    return dict(sorted(texts.items())), unread
