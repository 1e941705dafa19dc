"""The texts in a PNG file, where programs keep character cards and lorebooks. The picture itself is not looked at.

PNG specification (third edition): section 5.3 chunk layout, 11.3.3 textual information.
"""

from __future__ import annotations

import struct
import zlib

from fireside.errors import DocumentError

SIGNATURE = b"\x89PNG\r\n\x1a\n"

LONGEST_TEXT = 32 << 20
"""Bytes of one text, uncompressed."""

_LONGEST_CHUNK = 0x7FFFFFFF  # bytes; the specification's limit
_MOST_CHUNKS = 100_000
_LONGEST_KEYWORD = 79


def texts(data: bytes) -> dict[str, bytes]:
    """The texts by their keyword, as bytes; of two with one keyword the last.

    Raises DocumentError for data that is no PNG, is cut off or damaged, or holds a text that is too long.
    """
    if not data.startswith(SIGNATURE):
        raise DocumentError("this is no PNG picture")
    found: dict[str, bytes] = {}
    position = len(SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        if position + 12 > len(data):
            raise DocumentError("the PNG picture is cut off before its end", "copy or download the file again")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if length > _LONGEST_CHUNK or end + 4 > len(data):
            raise DocumentError("the PNG picture is cut off in a chunk", "copy or download the file again")
        if kind == b"IEND":
            return found
        if kind in (b"tEXt", b"zTXt", b"iTXt"):
            body = data[position + 8 : end]
            if zlib.crc32(kind + body) != struct.unpack_from(">I", data, end)[0]:
                raise DocumentError(
                    "a text in the PNG picture is damaged (its checksum is wrong)", "copy or download the file again"
                )
            entry = _text(kind, body)
            if entry is not None:
                found[entry[0]] = entry[1]
        position = end + 4
    raise DocumentError(f"the PNG picture has more than {_MOST_CHUNKS:,} chunks: it is no picture")


def _text(kind: bytes, body: bytes) -> tuple[str, bytes] | None:
    keyword, separator, rest = body.partition(b"\0")
    if not separator or not 1 <= len(keyword) <= _LONGEST_KEYWORD:
        return None
    compressed = kind == b"zTXt"
    if compressed:
        rest = rest[1:]  # the compression method: there is one only
    elif kind == b"iTXt":
        compressed = rest[:1] == b"\1"
        _, first, rest = rest[2:].partition(b"\0")  # behind flag and method: the language
        _, second, rest = rest.partition(b"\0")  # the keyword in that language
        if not first or not second:
            return None
    return keyword.decode("latin-1"), _inflated(rest) if compressed else rest


def _inflated(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(data, LONGEST_TEXT)
    except zlib.error:
        raise DocumentError("a compressed text in the PNG picture is damaged", "copy or download it again") from None
    if not stream.eof:
        raise DocumentError("a text in the PNG picture is cut off, or longer than 32 MiB")
    return text
