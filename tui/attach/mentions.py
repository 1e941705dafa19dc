"""How a file is named in a message: `@path`, or `@"a path"` where it holds spaces. Pure."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from itertools import islice
from urllib.parse import unquote, urlsplit

_MENTION = re.compile(r'(?<![^\s(])@(?:"(?P<quoted>[^"\n]{1,1024})"|(?P<bare>[^\s"]\S{0,1023}))')
# What is being written may lack its closing mark.
_OPEN = re.compile(r'(?<![^\s(])@(?:"(?P<quoted>[^"\n]*)|(?P<bare>[^\s"]*))$')
_CLOSING = ".,;:!?)]}'\"”’"
_LONGEST = 1024
_MOST = 100
"""Names that are looked for in one message."""


@dataclass(frozen=True)
class Mention:
    """A name as it is `written` in the text, `@` and all, and the path it may stand for."""

    written: str
    path: str


def mentions(text: str) -> list[list[Mention]]:
    """The names in `text`, in order; of each the ways to read it, the longest first: a sentence's full stop may be the
    end of a name, or of the sentence."""
    found = []
    for match in islice(_MENTION.finditer(text), _MOST):
        if match["quoted"]:
            found.append([Mention(match.group(), match["quoted"])])
            continue
        bare = match["bare"]
        if not text[match.end() : match.end() + 1].isspace() and match.end() < len(text):
            continue  # longer than any name
        readings = [bare]
        while bare and bare[-1] in _CLOSING and len(readings) < 4:
            bare = bare[:-1]
            readings.append(bare)
        found.append([Mention(f"@{each}", each) for each in readings if each])
    return found


def mention_of(path: str) -> str:
    """How `path` is written in a message."""
    return f'@"{path}"' if re.search(r"\s", path) or path[-1:] in _CLOSING else f"@{path}"


def being_written(before: str) -> tuple[int, str] | None:
    """Of the text before the cursor: where the `@` of an unfinished name stands, and what follows it; None for none."""
    match = _OPEN.search(before, max(0, len(before) - _LONGEST))
    if match is None:
        return None
    return match.start(), match["quoted"] if match["quoted"] is not None else match["bare"]


def pasted_path(text: str) -> str | None:
    """The one absolute path that `text` is, as terminals paste a dropped file: quoted, with backslashes or as a file's
    URL; None where it is anything else."""
    line = text.strip()
    if "\n" in line or not line or len(line) > 4096:
        return None
    if line.startswith("file://"):
        return unquote(urlsplit(line).path) or None
    if line.startswith(("/", "~/")) and "\\" not in line:
        return line
    try:
        words = shlex.split(line)
    except ValueError:
        return None
    return words[0] if len(words) == 1 and words[0].startswith(("/", "~/")) else None
