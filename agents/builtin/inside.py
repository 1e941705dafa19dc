"""Opens files below one folder, so that no path, no link and no change made meanwhile leads out of it.

A path is resolved once, links and all, and judged. What is opened is the resolved path, one folder at a time from the
shared one down, never through a link (`O_NOFOLLOW` at every step): a link that appears in between is refused.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from agents.sandbox.protected import SECRET_FOLDERS, is_secret_file
from fireside.errors import ToolError

LARGEST_FILE = 1_000_000
"""Bytes of a file that is read or written."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# What browsers and mail programs keep is passwords and cookies, whatever the files are called.
_PROFILES = frozenset(("mozilla", "firefox", "chromium", "google-chrome", "bravesoftware", "thunderbird", "keyrings"))


class NotText(ToolError):
    """A file is there, and is no text."""


def place(root: Path, path: str) -> tuple[str, ...]:
    """The folders and the name that `path` leads to below `root` (resolved), () for `root` itself.

    Raises ToolError if it, or a link on the way, leads out, if it is hidden, or where secrets are kept.
    """
    try:
        target = (root / path).resolve()
    except (OSError, ValueError, RuntimeError):
        raise ToolError(f"{path!r} is not a usable path") from None
    if not target.is_relative_to(root):
        raise ToolError(f"{path!r} is outside the shared folder")
    parts = target.relative_to(root).parts
    # Under the name it was asked for, too: a link may be called like a secret and lead to one.
    asked = Path(path).parts
    if any(part.startswith(".") for part in parts):
        raise ToolError(f"{path!r} is hidden, and hidden files are not shared")
    if any(_is_secret(part) for part in (*parts, *asked)):
        raise ToolError(f"{path!r} is where passwords or keys are kept, and those are not shared")
    return parts


def canonical_path(root: Path) -> Callable[[Mapping[str, Any]], dict[str, str]]:
    """What gives the argument `path` of a call its one form, for the rules about it: resolved, relative to `root`."""

    def canonical(arguments: Mapping[str, Any]) -> dict[str, str]:
        return {"path": "/".join(place(root, arguments["path"])) or "."}

    return canonical


def is_shared(name: str) -> bool:
    """Whether a file or folder of this name is shared at all."""
    return not name.startswith(".") and not _is_secret(name)


def _is_secret(name: str) -> bool:
    return is_secret_file(name) or name.lower() in SECRET_FOLDERS or name.lower() in _PROFILES


@contextmanager
def opened_folder(root: Path, parts: tuple[str, ...], *, create: bool = False) -> Iterator[int]:
    """A descriptor of the folder `parts` below `root`. create: make those that are missing. Raises OSError."""
    descriptor = os.open(root, _FOLDER)
    try:
        for part in parts:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=descriptor)
            inner = os.open(part, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def read(root: Path, parts: tuple[str, ...], shown: str) -> bytes:
    """The bytes of the file at `parts`. Raises ToolError where it is none, too large, or no text; FileNotFoundError."""
    try:
        with opened_folder(root, parts[:-1]) as folder:
            # A pipe would keep the opening waiting for a writer.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(parts[-1] if parts else ".", flags, dir_fd=folder)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ToolError(f"{shown!r} cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ToolError(f"{shown!r} is not a file")
        data = stream.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise ToolError(f"{shown!r} is larger than {LARGEST_FILE} bytes")
    if b"\0" in data:
        raise NotText(f"{shown!r} is not a text file")
    return data


def write(root: Path, parts: tuple[str, ...], data: bytes, shown: str) -> None:
    """Put `data` in the place of the file at `parts`, all at once: a reader sees the old content or the new.

    Raises ToolError.
    """
    temporary = f".{secrets.token_hex(8)}.part"
    try:
        with opened_folder(root, parts[:-1], create=True) as folder:
            mode = _mode(parts[-1], folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                with os.fdopen(os.open(temporary, flags, 0o666, dir_fd=folder), "wb") as stream:
                    if mode is not None:
                        os.fchmod(stream.fileno(), mode)
                    stream.write(data)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.rename(temporary, parts[-1], src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise
    except OSError as error:
        raise ToolError(f"{shown!r} cannot be written: {error.strerror}") from error


def _mode(name: str, folder: int) -> int | None:
    """The permissions of the file that is replaced, None where there is none. Raises OSError for what is no file."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise OSError(0, "it is not a file")
    return stat.S_IMODE(found.st_mode)
