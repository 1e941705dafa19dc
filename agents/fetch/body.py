"""Collects the body of a reply within a limit that also holds for what it unpacks to."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterable
from dataclasses import dataclass, field

from fireside.errors import ToolError

# gzip, or zlib's own header (RFC 9110, 8.4.1); -15 for servers that leave the latter out.
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
ENCODINGS = "gzip, deflate"
"""What a server may pack a body with: the `Accept-Encoding` header."""


async def collected(chunks: AsyncIterable[bytes], encoding: str, most_bytes: int) -> bytes:
    """The whole body, unpacked. encoding: the `Content-Encoding` header, "" for none.

    Raises ToolError where it is longer than `most_bytes`, packed or unpacked, damaged, or packed another way.
    """
    encoding = encoding.strip().lower()
    unpacking = None
    if encoding not in ("", "identity"):
        if encoding not in _WINDOWS:
            raise ToolError("the page is packed in a way that was not asked for")
        unpacking = _Unpacking(encoding)
    body = bytearray()
    received = 0
    async for chunk in chunks:
        received += len(chunk)
        body += chunk if unpacking is None else unpacking.push(chunk, most_bytes + 1 - len(body))
        if max(received, len(body)) > most_bytes:
            raise too_long(most_bytes)
    if unpacking is not None and received and not unpacking.ended:
        raise _damaged()
    return bytes(body)


def too_long(most_bytes: int) -> ToolError:
    """For a body longer than is fetched."""
    return ToolError(f"the page is longer than the {most_bytes / 1e6:g} MB that are fetched")


def _damaged() -> ToolError:
    return ToolError("the page arrived damaged: it cannot be unpacked")


@dataclass
class _Unpacking:
    """A packed body on its way. ended: a whole one was seen."""

    encoding: str
    ended: bool = False
    _inflater: zlib._Decompress = field(init=False)
    _started: bool = False

    def __post_init__(self) -> None:
        self._inflater = zlib.decompressobj(_WINDOWS[self.encoding])

    def push(self, chunk: bytes, most: int) -> bytes:
        """What the next chunk unpacks to, at most `most` bytes: the caller gives up there."""
        if self.ended or not chunk:
            return b""  # what follows the end is padding
        try:
            piece = self._inflater.decompress(chunk, most)
        except zlib.error as error:
            if self._started or self.encoding != "deflate":
                raise _damaged() from error
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
            self._started = True
            return self.push(chunk, most)
        self._started = True
        self.ended = self._inflater.eof
        return piece
