"""The tools that come with Fireside: calculator, clock, files in one folder, and the attached document library."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from agents.calculator import calculate
from agents.tools import Tool, tool_from_function
from fireside import paths
from fireside.errors import ToolError
from rag.types import Passage

_LARGEST_FILE = 1_000_000
_MOST_FILES = 200

RelativePath = Annotated[str, Field(max_length=200)]
"""A path below the shared folder, as the model writes it."""


def calculator(expression: Annotated[str, Field(max_length=120)]) -> str:
    """Work out arithmetic exactly: sums, products, percentages, powers, roots.

    Args:
        expression: the arithmetic to work out, such as 12*(3+4) or 15% of 80

    Examples:
        What is 12*(3+4)? -> {"expression": "12*(3+4)"}
        how much is 20% of 150 -> {"expression": "20% of 150"}
        add 7 and 9.5 -> {"expression": "7 + 9.5"}
        calculate (2 + 8) / 5 -> {"expression": "(2 + 8) / 5"}
        compute 3 to the power of 4 -> {"expression": "3**4"}
        what is 6 times 8 -> {"expression": "6*8"}
        the square root of 2 -> {"expression": "sqrt(2)"}
    """
    return f"{expression.strip()} = {calculate(expression)}"


def now() -> str:
    """Tell the current date, weekday and time.

    Examples:
        what time is it now -> {}
        which date is today -> {}
        what day of the week is it -> {}
    """
    moment = datetime.datetime.now().astimezone()
    return moment.strftime("%A, %Y-%m-%d, %H:%M:%S %Z")


def file_tools(folder: Path) -> tuple[Tool, ...]:
    """`list_files` and `read_file`, confined to `folder`. Raises ToolError or StorageError if it is not a folder."""
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
        target = _inside(root, path)
        if not target.is_dir():
            raise ToolError(f"{path!r} is not a folder")
        entries = sorted(entry for entry in target.iterdir() if not entry.name.startswith("."))
        # Of a link, which may lead out of the folder or nowhere, only its own size is told.
        lines = [
            f"{entry.name}/" if entry.is_dir() else f"{entry.name} ({entry.lstat().st_size} bytes)" for entry in entries
        ]
        more = [f"... and {len(lines) - _MOST_FILES} more"] if len(lines) > _MOST_FILES else []
        return "\n".join(lines[:_MOST_FILES] + more) or "the folder is empty"

    def read_file(path: RelativePath) -> str:
        """Read a text file.

        Args:
            path: the file, relative to the shared folder

        Examples:
            Read the file notes.md -> {"path": "notes.md"}
            open docs/report.txt -> {"path": "docs/report.txt"}
            what does letter.txt say -> {"path": "letter.txt"}
            what is in the file data.csv -> {"path": "data.csv"}
            Read the file settings.json -> {"path": "settings.json"}
        """
        target = _inside(root, path)
        if not target.is_file():
            raise ToolError(f"there is no file {path!r}")
        # The path has been resolved: a link that appears there now must not be followed.
        with os.fdopen(os.open(target, os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:
            data = stream.read(_LARGEST_FILE + 1)
        if len(data) > _LARGEST_FILE:
            raise ToolError(f"{path!r} is larger than {_LARGEST_FILE} bytes")
        if b"\0" in data:
            raise ToolError(f"{path!r} is not a text file")
        return data.decode("utf-8", "replace")

    return tool_from_function(list_files), tool_from_function(read_file)


def search_tool(search: Callable[[str], Sequence[Passage]]) -> Tool:
    """`search_documents` over the library behind `search`, which returns passages, best first."""

    def search_documents(query: Annotated[str, Field(max_length=120)]) -> str:
        """Search the person's documents.

        Args:
            query: what to look for

        Examples:
            search my documents for the rent -> {"query": "rent"}
            what do my documents say about fire insurance -> {"query": "fire insurance"}
            find the opening hours in my notes -> {"query": "opening hours"}
        """
        passages = search(query)
        if not passages:
            return "nothing found"
        return "\n\n".join(f"{passage.document}: {passage.text}" for passage in passages)

    return tool_from_function(search_documents)


def builtin_tools(folder: Path | None, search: Callable[[str], Sequence[Passage]] | None) -> tuple[Tool, ...]:
    """All built-in tools that have what they need: file tools a folder, document search a library."""
    tools = [tool_from_function(calculator), tool_from_function(now)]
    if folder is not None:
        tools += file_tools(folder)
    if search is not None:
        tools.append(search_tool(search))
    return tuple(tools)


def _inside(root: Path, path: str) -> Path:
    """The resolved `path` below `root`. Raises ToolError if it, or a link on the way, leads out, or if it is hidden."""
    try:
        target = (root / path).resolve()
    except (OSError, ValueError, RuntimeError):
        raise ToolError(f"{path!r} is not a usable path") from None
    if not target.is_relative_to(root):
        raise ToolError(f"{path!r} is outside the shared folder")
    if any(part.startswith(".") for part in target.relative_to(root).parts):
        raise ToolError(f"{path!r} is hidden, and hidden files are not shared")
    return target
