"""Whether what was mounted is what was looked at: between the two, another program in the folder may have moved it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_FLAGS = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def identities(folder: str, paths: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Device and inode of each of `paths`, which lie below `folder` with no link on the way. Raises OSError."""
    return {path: _identity(folder, path) for path in paths}


def check_identities(expected: Mapping[str, Sequence[int]]) -> None:
    """Raise OSError where one of these paths is not, or not any more, what it was."""
    for path, identity in expected.items():
        found = Path(path).lstat()
        if [found.st_dev, found.st_ino] != list(identity):
            raise OSError(0, f"{path} was changed while the sandbox was set up")


def _identity(folder: str, path: str) -> tuple[int, int]:
    descriptor = os.open(folder, _FLAGS)
    try:
        for part in Path(path).relative_to(folder).parts:
            inner = os.open(part, _FLAGS, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        found = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    return found.st_dev, found.st_ino
