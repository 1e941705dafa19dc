"""Gets one file from a hub so that it can be cut off anywhere and goes on from there, and checks what came.

The bytes go to `.NAME.part`, beside it `.NAME.part.json` says which content they are the beginning of. The file takes
its name when it is whole and its digest is right.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from fireside import atomic, paths
from fireside.errors import ModelError, StorageError
from fireside.models.digests import file_sha256, remember_sha256
from fireside.models.hub import Hub, HubFile, Interrupted, Listing

if TYPE_CHECKING:
    import httpx

_PIECE = 1 << 18
_TRIES = 5
"""How often in a row a connection may fail without a single byte; one that brought some starts the count anew."""
_LONGEST_WAIT_S = 60.0
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


@dataclass
class Downloading:
    """How downloads go on. got: called with the number of bytes that came. wait: sleeps between two tries."""

    got: Callable[[int], None] = field(default=lambda count: None)
    wait: Callable[[float], None] = time.sleep


def part_of(target: Path) -> Path:
    """Where the bytes of `target` are kept until it is whole."""
    return target.with_name(f".{target.name}.part")


def there(target: Path, file: HubFile) -> int:
    """How many bytes of `file` need not be got again: all, or those of the part of it."""
    if target.is_file():
        return file.size
    part = part_of(target)
    with suppress(OSError):
        if _note(part).get("identity") == file.identity:
            return min(part.stat().st_size, file.size)
    return 0


def differs(path: Path, file: HubFile) -> bool:
    """Whether the content of `path` is not that of `file`. Raises ModelError where it cannot be read."""
    if path.stat().st_size != file.size:
        return True
    if file.sha256:
        return file_sha256(path) != file.sha256
    digest = _Digest(file)
    with path.open("rb") as stream:
        digest.add_rest_of(stream)
    return digest.value() != file.blob


def download(hub: Hub, listing: Listing, file: HubFile, target: Path, downloading: Downloading) -> None:
    """Get `file` as `target`; go on where an earlier call, or a killed process, left off.

    Raises ModelError (its digest is not the hub's, and the bytes are deleted; or the connection fails again and again,
    and they are kept) and StorageError (the disk is full; they are kept).
    """
    part = part_of(target)
    paths.ensure_folder(target.parent)
    try:
        with _locked(part) as stream:
            digest = _whole(hub, listing, file, part, stream, downloading)
            stream.flush()
            os.fsync(stream.fileno())
            expected = file.sha256 or file.blob
            if digest != expected:
                part.unlink(missing_ok=True)
                _note_file(part).unlink(missing_ok=True)
                kind = "sha256" if file.sha256 else "git digest"
                raise ModelError(
                    f"{file.path} is not what the hub says: its {kind} is {digest[:16]}..., not {expected[:16]}...",
                    "what came was deleted; try again, and if it happens again, check HF_ENDPOINT",
                )
            part.replace(target)
            _note_file(part).unlink(missing_ok=True)
        if file.sha256:
            remember_sha256(target, file.sha256)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else f"{error.strerror or error}"
        raise StorageError(
            f"cannot write {part}: {reason}", "what came is kept: make room, and run the same command again"
        ) from error


def _whole(hub: Hub, listing: Listing, file: HubFile, part: Path, stream: BinaryIO, downloading: Downloading) -> str:
    """Fill `stream` until all of `file` is there; its digest."""
    note = _note(part)
    if note.get("identity") != file.identity:
        stream.truncate(0)
        note = {}
    digest = _Digest(file)
    stream.seek(0)
    digest.add_rest_of(stream)
    etag = str(note.get("etag", ""))
    failures = 0
    while digest.length < file.size:
        before = digest.length
        try:
            with hub.reading(listing, file, digest.length, etag) as response:
                if not _goes_on(response, digest.length, file.size):
                    downloading.got(-digest.length)
                    stream.truncate(0)
                    digest = _Digest(file)
                    if response.status_code != 200:
                        raise Interrupted("the hub did not send the bytes that were asked for")
                etag = _strong(response)
                _write_note(part, file, etag)
                _take(response, digest, stream, file, downloading)
            if digest.length < file.size:
                raise Interrupted("the connection was closed too early")
        except Interrupted as interruption:
            failures = 0 if digest.length > before else failures + 1
            if failures >= _TRIES:
                stream.flush()
                raise ModelError(
                    f"cannot get {file.path}: {interruption}",
                    f"{digest.length / 1e6:.0f} MB are kept; run the same command again to go on",
                ) from interruption
            downloading.wait(min(max(interruption.wait_s, 2.0 ** (failures - 1)), _LONGEST_WAIT_S))
    return digest.value()


def _goes_on(response: httpx.Response, length: int, size: int) -> bool:
    """Whether the bytes of `response` are those after the first `length`, so that these are kept."""
    if response.status_code == 200:
        return length == 0
    match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    return bool(match and int(match[1]) == length and match[2] in ("*", str(size)))


def _take(response: httpx.Response, digest: _Digest, stream: BinaryIO, file: HubFile, downloading: Downloading) -> None:
    """Write what comes. Bytes that the file cannot have are an end with a wrong digest."""
    import httpx

    try:
        for piece in response.iter_raw():
            stream.write(piece)
            digest.add(piece)
            downloading.got(len(piece))
            if digest.length > file.size:
                return
    except (httpx.TransportError, httpx.StreamError) as error:
        raise Interrupted(str(error) or type(error).__name__) from error
    finally:
        # A killed process loses what Python still holds.
        stream.flush()


class _Digest:
    """The digest of a file that comes in pieces: sha256, or git's for small files ("blob SIZE", a zero, the bytes)."""

    def __init__(self, file: HubFile) -> None:
        self.length = 0
        self._hash = hashlib.sha256() if file.sha256 else hashlib.sha1(f"blob {file.size}\0".encode())

    def add(self, piece: bytes) -> None:
        """The next bytes."""
        self._hash.update(piece)
        self.length += len(piece)

    def add_rest_of(self, stream: BinaryIO) -> None:
        """All that is in the file from where it stands; its end is then where writing goes on."""
        while piece := stream.read(_PIECE):
            self.add(piece)

    def value(self) -> str:
        """As hexadecimal digits."""
        return self._hash.hexdigest()


def _strong(response: httpx.Response) -> str:
    """The response's ETag if `If-Range` may name it (RFC 9110, 13.1.5: only strong ones)."""
    etag = str(response.headers.get("etag", ""))
    return etag if etag.startswith('"') and etag.endswith('"') else ""


@contextmanager
def _locked(part: Path) -> Iterator[BinaryIO]:
    """The part, open for reading and writing, by one process at a time. The lock ends with the process."""
    import fcntl

    with part.open("a+b") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ModelError(
                f"{part.name} is being downloaded by another process", "wait until that has ended"
            ) from None
        if not part.exists() or part.stat().st_ino != os.fstat(stream.fileno()).st_ino:
            raise ModelError(f"{part.name} was just finished by another process", "run the command again")
        yield stream


def _note_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _note(part: Path) -> dict[str, object]:
    try:
        document = json.loads(_note_file(part).read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _write_note(part: Path, file: HubFile, etag: str) -> None:
    atomic.write_text(_note_file(part), json.dumps({"path": file.path, "identity": file.identity, "etag": etag}))
