"""The tools that change files, `write_file` and `edit_file`, and the differences that the person approves."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from agents.builtin.inside import LARGEST_FILE, canonical_path, place, read, write
from agents.tools import Tool, Traits, tool_from_function
from fireside.errors import ToolError

_Path = Annotated[str, Field(min_length=1, max_length=200)]
# difflib takes time by the square of what differs; more than this is shown as all old lines and all new ones.
_MOST_COMPARED = 2000
_AROUND = 3


def change_tools(root: Path) -> tuple[Tool, ...]:
    """Both tools, confined to `root`, a resolved folder."""

    def write_file(path: _Path, content: Annotated[str, Field(max_length=LARGEST_FILE)]) -> str:
        """Write a text file, in the place of what was in it.

        Args:
            path: the file, relative to the shared folder
            content: the whole new text of the file

        Examples:
            write hello into greeting.txt -> {"path": "greeting.txt", "content": "hello"}
            create a file todo.md with buy milk -> {"path": "todo.md", "content": "buy milk"}
        """
        parts = _file(root, path)
        before = _content(root, parts, path)
        _save(root, parts, content, path)
        return f"{path} was {'created' if before is None else 'replaced'}: {len(content.splitlines())} lines"

    def edit_file(
        path: _Path,
        old: Annotated[str, Field(min_length=1, max_length=100_000)],
        new: Annotated[str, Field(max_length=100_000)],
    ) -> str:
        """Replace one piece of text in a file; it must be in there exactly once.

        Args:
            path: the file, relative to the shared folder
            old: the text to replace, exactly as it stands in the file, with enough around it to be the only one
            new: the text to put there

        Examples:
            change 2024 to 2025 in title.txt -> {"path": "title.txt", "old": "2024", "new": "2025"}
        """
        parts = _file(root, path)
        before, after = _edited(root, parts, path, old, new)
        _save(root, parts, after, path)
        line = before[
            : len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False))))
        ]
        return f"{path} was changed at line {line.count(chr(10)) + 1}"

    def preview_write(arguments: Mapping[str, Any]) -> str:
        path = str(arguments["path"])
        before = _content(root, _file(root, path), path)
        return difference(path, before, str(arguments["content"]))

    def preview_edit(arguments: Mapping[str, Any]) -> str:
        path = str(arguments["path"])
        before, after = _edited(root, _file(root, path), path, str(arguments["old"]), str(arguments["new"]))
        return difference(path, before, after)

    traits = Traits(risk="writes", sequential=True, canonical=canonical_path(root))
    return (
        tool_from_function(write_file, replace(traits, preview=_safely(preview_write))),
        tool_from_function(edit_file, replace(traits, preview=_safely(preview_edit))),
    )


def difference(path: str, before: str | None, after: str) -> str:
    """What changes in a file, as a unified diff; before: None for a file that is new."""
    if before == after:
        return f"{path}: nothing changes"
    old, new = _lines(before or ""), _lines(after)
    start = len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False))))
    end = len(
        list(
            itertools.takewhile(lambda p: p[0] == p[1], zip(reversed(old[start:]), reversed(new[start:]), strict=False))
        )
    )
    names = ("/dev/null" if before is None else f"a/{path}", f"b/{path}")
    if max(len(old), len(new)) - start - end <= _MOST_COMPARED:
        return "\n".join(difflib.unified_diff(old, new, *names, lineterm="", n=_AROUND))
    removed, added = old[start : len(old) - end], new[start : len(new) - end]
    where = f"@@ -{start + 1},{len(removed)} +{start + 1},{len(added)} @@"
    return "\n".join(
        [
            f"--- {names[0]}",
            f"+++ {names[1]}",
            where,
            *(f"-{line}" for line in removed),
            *(f"+{line}" for line in added),
        ]
    )


def _lines(text: str) -> list[str]:
    """Its lines, and a mark where the last one has no end: git's words for it."""
    lines = text.split("\n")
    if lines[-1] == "":
        return lines[:-1]
    return [*lines[:-1], f"{lines[-1]}\n\\ No newline at end of file"]


def _file(root: Path, path: str) -> tuple[str, ...]:
    parts = place(root, path)
    if not parts or path.endswith("/"):
        raise ToolError(f"{path!r} names no file")
    return parts


def _content(root: Path, parts: tuple[str, ...], path: str) -> str | None:
    """The file's text, None where there is no file. Raises ToolError: one that is not UTF-8 would not survive."""
    try:
        return read(root, parts, path).decode("utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise ToolError(f"{path!r} is not in UTF-8, and is left as it is") from error


def _edited(root: Path, parts: tuple[str, ...], path: str, old: str, new: str) -> tuple[str, str]:
    """The text before and after. Raises ToolError where `old` is not in it exactly once."""
    before = _content(root, parts, path)
    if before is None:
        raise ToolError(f"there is no file {path!r}")
    if old not in before and "\r\n" in before:
        # Models write plain newlines.
        old, new = (text.replace("\r\n", "\n").replace("\n", "\r\n") for text in (old, new))
    count = before.count(old)
    if count == 0:
        raise ToolError(f"{path!r} does not hold that text", "read the file, and copy the text exactly")
    if before.find(old, before.find(old) + 1) != -1:
        raise ToolError(f"{path!r} holds that text more than once", "give more of the text around it")
    return before, before.replace(old, new, 1)


def _save(root: Path, parts: tuple[str, ...], text: str, path: str) -> None:
    data = text.encode("utf-8", "replace")
    if len(data) > LARGEST_FILE:
        raise ToolError(f"{path!r} would be larger than {LARGEST_FILE} bytes")
    if b"\0" in data:
        raise ToolError("a text file holds no NUL characters")
    write(root, parts, data, path)


def _safely(preview: Any) -> Any:
    """A preview that says why the call will fail, where it will."""

    def shown(arguments: Mapping[str, Any]) -> str:
        try:
            return str(preview(arguments))
        except ToolError as error:
            return f"nothing is written: {error.message}"

    return shown
