"""Which files a folder's own rules leave out: `.gitignore` and `.firesideignore`, with git's meaning of the patterns.

The patterns are those of https://git-scm.com/docs/gitignore, matched by characters where git matches bytes. A path is
matched part by part, and no step goes back over more than one star: time is bounded for any pattern, so that a folder
of somebody else's cannot hang an ingest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fireside.errors import DocumentError

IGNORE_FILES = (".gitignore", ".firesideignore")
"""Read in every folder, in this order: of several rules that fit, the last decides."""

_MAX_BYTES = 1_000_000
# POSIX classes in brackets, for ASCII as git has them (wildmatch.c).
_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": " \t",
    "cntrl": "\0-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": "\t-\r ",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}

_ANY_DEPTH = None
"""The part `**`: any number of folders, none included."""

_NOTHING = re.compile(r"(?!)")

_Part = re.Pattern[str] | None


@dataclass(frozen=True)
class _Rule:
    """One line: `parts` of the path below the rule's folder, or one part that fits a name at any depth."""

    parts: tuple[_Part, ...]
    any_depth: bool
    folders_only: bool
    keeps: bool

    def fits(self, below: Sequence[str], is_folder: bool) -> bool:
        if self.folders_only and not is_folder:
            return False
        return _fits(self.parts, below[-1:] if self.any_depth else below)


@dataclass(frozen=True)
class Rules:
    """The rules that hold in one folder: its own, after those of the indexed folders above it."""

    folder: Path
    levels: tuple[tuple[int, tuple[_Rule, ...]], ...] = ()

    def ignores(self, name: str, is_folder: bool) -> bool:
        """Whether the rules leave out the file or folder `name` that lies in this folder."""
        parts = (*self.folder.parts, name)
        for depth, rules in reversed(self.levels):
            for rule in reversed(rules):
                if rule.fits(parts[depth:], is_folder):
                    return not rule.keeps
        return False


def rules_in(folder: Path, above: Rules | None = None) -> Rules:
    """The rules that hold in `folder`; `above` are those of the folder it lies in, where that is indexed too.

    Raises DocumentError where a file of rules is there and cannot be read: what it would keep out is then unknown.
    """
    own = tuple(rule for name in IGNORE_FILES for rule in parse(_text(folder / name)))
    levels = above.levels if above else ()
    return Rules(folder, (*levels, (len(folder.parts), own)) if own else levels)


def parse(text: str) -> list[_Rule]:
    """The rules in the text of a `.gitignore`, in order. A pattern that can fit nothing is left out, as git does."""
    rules = []
    for line in text.removeprefix("\ufeff").split("\n"):
        pattern = _without_trailing_spaces(line.removesuffix("\r"))
        if not pattern or pattern.startswith("#"):
            continue
        keeps = pattern.startswith("!")
        pattern = pattern.removeprefix("!")
        folders_only = pattern.endswith("/")
        pattern = pattern.removesuffix("/")
        any_depth = "/" not in pattern
        parts = _parts(pattern.removeprefix("/"), any_depth)
        if parts:
            rules.append(_Rule(parts, any_depth, folders_only, keeps))
    return rules


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return ""
    except OSError as error:
        raise DocumentError(
            f"cannot read {file}, which says what to leave out: {error.strerror}", "fix its permissions"
        ) from error
    if len(data) > _MAX_BYTES:
        raise DocumentError(f"{file} has more than {_MAX_BYTES:,} bytes: these are no rules", "move it away")
    # The way names of files are decoded, so that one that is not UTF-8 can be named.
    return data.decode("utf-8", "surrogateescape")


def _without_trailing_spaces(line: str) -> str:
    """A space at the end counts where a backslash stands before it."""
    stripped = line.rstrip(" ")
    backslashes = len(stripped) - len(stripped.rstrip("\\"))
    return stripped + " " if backslashes % 2 and len(stripped) < len(line) else stripped


def _fits(parts: Sequence[_Part], names: Sequence[str]) -> bool:
    """Whether the parts of a pattern fit all `names`, from the outermost on.

    After each `**` the first place where the parts up to the next one fit is as good as any later one, so that only
    the last `**` is ever moved.
    """
    at = name = 0
    star: tuple[int, int] | None = None
    while name < len(names):
        part = parts[at] if at < len(parts) else _NOTHING
        if part is _ANY_DEPTH:
            # At the end it stands for what lies in a folder, and so for one name at least.
            if at == len(parts) - 1:
                return True
            star = at + 1, name
            at += 1
        elif part.fullmatch(names[name]):
            at, name = at + 1, name + 1
        elif star:
            star = star[0], star[1] + 1
            at, name = star
        else:
            return False
    return at == len(parts)


def _parts(pattern: str, any_depth: bool) -> tuple[_Part, ...]:
    """The parts of a pattern between its slashes; none where the pattern can fit nothing."""
    parts: list[_Part] = []
    pieces: list[str] = []
    at = start = 0
    while at <= len(pattern):
        if at == len(pattern) or pattern[at] == "/" or pattern.startswith("\\/", at):
            if pattern[start:at] == "**" and not any_depth:
                parts.append(_ANY_DEPTH)
            else:
                parts.append(re.compile(_regular_expression(pieces), re.DOTALL))
            pieces = []
            at += 2 if pattern.startswith("\\", at) else 1
            start = at
            continue
        piece, at = _piece(pattern, at)
        if not piece:
            return ()
        pieces.append(piece)
    return tuple(parts) if pattern else ()


def _piece(pattern: str, at: int) -> tuple[str, int]:
    """The regular expression of one element of a pattern (a star is `*`), and where the next one begins; an empty one
    where the pattern is broken."""
    match pattern[at]:
        case "*":
            return "*", at + 1
        case "?":
            return ".", at + 1
        case "[":
            return _brackets(pattern, at + 1)
        case "\\":
            return (re.escape(pattern[at + 1]), at + 2) if at + 1 < len(pattern) else ("", at)
        case character:
            return re.escape(character), at + 1


def _regular_expression(pieces: Sequence[str]) -> str:
    """Stars between fixed stretches. The first place where a stretch fits is as good as any later one, so all but the
    last are taken for good: an atomic group is never entered again."""
    runs: list[list[str]] = [[]]
    for piece in pieces:
        if piece == "*":
            runs.append([])
        else:
            runs[-1].append(piece)
    first, *middle = ["".join(run) for run in runs]
    if not middle:
        return first
    *middle, last = middle
    return first + "".join(f"(?>.*?{run})" for run in middle if run) + f".*{last}"


def _brackets(pattern: str, at: int) -> tuple[str, int]:
    """What stands from behind a `[` to its `]`: a set of characters, never the slash."""
    negated = pattern[at : at + 1] in ("!", "^")
    at += negated
    members: list[str] = []
    begun = at
    while at < len(pattern):
        if pattern[at] == "]" and at > begun:
            inner = "".join(members)
            outside = f"(?!/)[^{inner}]" if inner else "[^/]"
            return (outside if negated else f"(?!/)[{inner}]" if inner else "(?!)"), at + 1
        if pattern.startswith("[:", at) and (end := pattern.find(":]", at + 2)) > 0:
            name = pattern[at + 2 : end]
            if name not in _CLASSES:
                return "", at
            members.append(_CLASSES[name])
            at = end + 2
            continue
        low, at = _member(pattern, at)
        members.append(_escaped(low))
        if pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in ("", "]"):
            high, at = _member(pattern, at + 1)
            if low <= high:
                members.append(f"{_escaped(low)}-{_escaped(high)}")
    return "", at


def _member(pattern: str, at: int) -> tuple[str, int]:
    """One character in brackets, a backslash before it taken off."""
    if pattern[at] == "\\":
        at += 1
    return pattern[at : at + 1], at + 1


def _escaped(character: str) -> str:
    # In a set `re.escape` leaves alone what has a meaning only there.
    return f"\\{character}" if character in "\\]^-[&~|" else character
