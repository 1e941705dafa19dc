"""Finds the files that paths given by a person stand for: a file itself, a folder with all that is read in it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fireside import paths
from fireside.errors import DocumentError
from rag.ignore import Rules, rules_in
from rag.loaders.formats import is_supported


@dataclass(frozen=True)
class Failure:
    """A file or folder that was not indexed, why, and what to do. `named`: it was given, not found in a folder."""

    document: str
    reason: str
    named: bool
    hint: str | None = None


@dataclass
class Found:
    """Files to index, in order (the value says whether it was named itself), what could not be looked at and why, and
    the folders and files of which nothing is known for that."""

    files: dict[str, bool] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)

    def hides(self, path: str) -> bool:
        """Whether `path` lies where nothing could be seen, so that it may well be there."""
        return any(path.startswith(folder.rstrip("/") + "/") for folder in self.unseen)


def find(given: Sequence[str | Path]) -> Found:
    """The files meant by these paths: named ones whatever the rules say, of folders what `rag.ignore` leaves in."""
    found = Found()
    for each in given:
        path = absolute(each)
        try:
            is_folder, is_there = path.is_dir(), path.exists()
        except OSError as error:  # a name that is too long, a folder above it that may not be entered
            reason = f"cannot look at {path}: {error.strerror}"
            found.failures.append(Failure(str(path), reason, True, "check the path and its permissions"))
            found.unseen.append(str(path.parent))
            continue
        if is_folder:
            for file in _walk(path, found):
                found.files.setdefault(file, False)
        elif is_there:
            found.files[str(path)] = True
        else:
            found.failures.append(Failure(str(path), f"there is no file or folder {path}", True, "check the path"))
            # A file gone from a folder that is there has vanished; of a folder that is gone nothing is known.
            found.unseen.append(str(path if path.parent.is_dir() else path.parent))
    return found


def absolute(path: str | Path) -> Path:
    """The path from the root, "." and ".." taken out, links left in: the name the person knows the file by."""
    return Path(os.path.normpath(paths.expanded(path).absolute()))


def _walk(root: Path, found: Found) -> Iterator[str]:
    """The files below `root` that are read, in order. Hidden ones are left out, and links that lead out of it."""
    real_root = root.resolve()
    above: dict[str, Rules] = {}

    def refused(error: OSError) -> None:
        found.failures.append(Failure(str(error.filename), f"cannot open the folder: {error.strerror}", False))
        found.unseen.append(str(error.filename))

    for folder, folders, files in os.walk(root, onerror=refused):
        try:
            rules = rules_in(Path(folder), above.pop(folder, None))
        except DocumentError as error:
            found.failures.append(Failure(folder, error.message, False, error.hint))
            found.unseen.append(folder)
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not (name.startswith(".") or rules.ignores(name, True)))
        above.update({os.path.join(folder, name): rules for name in folders})  # noqa: PTH118 - what os.walk will say
        for name in sorted(files):
            file = Path(folder) / name
            if name.startswith(".") or not is_supported(file) or rules.ignores(name, False):
                continue
            if file.is_symlink() and not _leads_into(file, real_root):
                continue
            yield str(file)


def _leads_into(link: Path, root: Path) -> bool:
    try:
        return link.resolve().is_relative_to(root)
    except RuntimeError:  # a link that leads round to itself
        return False
