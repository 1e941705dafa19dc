"""Finds lines by a text, or by a regular expression in a process of its own: one that never ends is ended there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from fireside.errors import ToolError

_SECONDS = 5.0
_MOST_FOUND = 2000
# The child gets an expression and texts, and nothing of this program.
_PROGRAM = """
import json, re, sys
expression, texts, most = json.load(sys.stdin)
pattern = re.compile(expression, re.IGNORECASE)
found = []
for name, text in texts.items():
    for number, line in enumerate(text.splitlines(), 1):
        if len(found) < most and pattern.search(line):
            found.append((name, number, line[:1000]))
json.dump(found, sys.stdout)
"""


@dataclass(frozen=True)
class Line:
    """A line that was found. number: from 1."""

    file: str
    number: int
    text: str


def lines_with(text: str, files: Mapping[str, str]) -> list[Line]:
    """The lines of the files (texts by path) that hold `text`, in whatever case, 2000 at most."""
    wanted = text.casefold()
    found: list[Line] = []
    for name, content in files.items():
        if wanted not in content.casefold():
            continue
        for number, line in enumerate(content.splitlines(), 1):
            if wanted in line.casefold() and len(found) < _MOST_FOUND:
                found.append(Line(name, number, line))
    return found


def lines_matching(expression: str, files: Mapping[str, str], seconds: float = _SECONDS) -> list[Line]:
    """The lines that a regular expression (Python's) matches, in whatever case, 2000 at most.

    Raises ToolError where it is none, or where it takes longer than `seconds`.
    """
    try:
        re.compile(expression)
    except (re.error, RecursionError, OverflowError) as error:
        raise ToolError(f"{expression!r} is not a regular expression: {error}") from error
    try:
        run = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _PROGRAM],
            input=json.dumps([expression, dict(files), _MOST_FOUND]),
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=seconds,
            start_new_session=True,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(
            f"{expression!r} takes longer than {seconds:g} seconds", "make it simpler, or search fewer files"
        ) from error
    except subprocess.CalledProcessError as error:
        raise ToolError(f"{expression!r} cannot be searched for") from error
    return [Line(*row) for row in json.loads(run.stdout)]
