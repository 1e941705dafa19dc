"""Outlook messages made for tests: a compound file ([MS-CFB]) with the properties of a message ([MS-OXMSG])."""

from __future__ import annotations

import struct
from collections.abc import Mapping

_FREE, _END = 0xFFFFFFFF, 0xFFFFFFFE
_SECTOR, _MINI, _ENTRY = 512, 64, 128
_STORAGE, _STREAM, _ROOT = 1, 2, 5
_SUBJECT, _BODY = 0x0037, 0x1000
_UNICODE = 0x001F


def message_file(subject: str, body: str, attachment: tuple[str, bytes] | None = None) -> bytes:
    """An Outlook message, with one attachment where given."""
    top = struct.pack("<8x4I8x", 0, 1 if attachment else 0, 0, 1 if attachment else 0)
    tree: dict[str, bytes | dict[str, bytes]] = dict(_properties(top, {_SUBJECT: subject, _BODY: body}, {}))
    if attachment:
        name, content = attachment
        tree["__attach_version1.0_#00000000"] = _properties(bytes(8), {0x3707: name}, {0x3701: content})
    return compound_file(tree)


def _properties(head: bytes, texts: Mapping[int, str], binaries: Mapping[int, bytes]) -> dict[str, bytes]:
    streams, table = {}, head
    for number, text in texts.items():
        content = text.encode("utf-16-le")
        streams[f"__substg1.0_{number:04X}{_UNICODE:04X}"] = content
        table += struct.pack("<HHIII", _UNICODE, number, 6, len(content) + 2, 0)
    for number, content in binaries.items():
        streams[f"__substg1.0_{number:04X}0102"] = content
        table += struct.pack("<HHIII", 0x0102, number, 6, len(content), 0)
    return {**streams, "__properties_version1.0": table}


def compound_file(tree: Mapping[str, bytes | Mapping[str, bytes]]) -> bytes:
    """A compound file of these streams and, one level deep, storages; every stream below 4096 bytes."""
    entries: list[list[object]] = [["Root Entry", _ROOT, _FREE, b""]]  # name, kind, child, content
    for name, content in tree.items():
        entries.append([name, _STREAM if isinstance(content, bytes) else _STORAGE, _FREE, content])
    rights = {0: _FREE}

    def chained(indices: list[int]) -> int:
        # A tree that leans all the way to the right is as good as a balanced one.
        for index, following in zip(indices, [*indices[1:], _FREE], strict=True):
            rights[index] = following
        return indices[0] if indices else _FREE

    entries[0][2] = chained(list(range(1, len(entries))))
    for entry in list(entries):
        if entry[1] == _STORAGE:
            inner = entry[3]
            assert isinstance(inner, dict)
            first = len(entries)
            entries += [[name, _STREAM, _FREE, content] for name, content in inner.items()]
            entry[2], entry[3] = chained(list(range(first, len(entries)))), b""
    mini, mini_fat, places = b"", [], {}
    for index, entry in enumerate(entries):
        content = entry[3]
        assert isinstance(content, bytes)
        if content:
            count = -(-len(content) // _MINI)
            places[index] = (len(mini_fat), len(content))
            mini_fat += [*range(len(mini_fat) + 1, len(mini_fat) + count), _END]
            mini += content.ljust(count * _MINI, b"\0")
    directory = b""
    mini_sectors, directory_sectors = -(-len(mini) // _SECTOR), -(-len(entries) * _ENTRY // _SECTOR)
    mini_fat_sectors = -(-len(mini_fat) * 4 // _SECTOR)
    starts = [1, 1 + directory_sectors, 1 + directory_sectors + mini_fat_sectors]
    for index, (name, kind, child, _) in enumerate(entries):
        assert isinstance(name, str)
        place, size = places.get(index, (0, 0)) if kind != _ROOT else (starts[2], len(mini))
        encoded = name.encode("utf-16-le")
        directory += struct.pack(
            "<64sHBBIII16sIQQIQ",
            encoded,
            len(encoded) + 2,
            kind,
            1,
            _FREE,
            rights[index],
            child,
            b"",
            0,
            0,
            0,
            place,
            size,
        )
    fat = [0xFFFFFFFD]
    for count in (directory_sectors, mini_fat_sectors, mini_sectors):
        fat += [*range(len(fat) + 1, len(fat) + count), _END]
    assert len(fat) <= _SECTOR // 4
    header = struct.pack(
        "<8s16xHHHHH6xIIIIIIIII", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, 3, 0xFFFE, 9, 6,
        0, 1, starts[0], 0, 4096, starts[1], mini_fat_sectors, _END, 0,
    )  # fmt: skip
    header += struct.pack("<109I", 0, *[_FREE] * 108)
    return (
        header
        + struct.pack(f"<{_SECTOR // 4}I", *fat, *[_FREE] * (_SECTOR // 4 - len(fat)))
        + directory.ljust(directory_sectors * _SECTOR, b"\0")
        + struct.pack(f"<{len(mini_fat)}I", *mini_fat).ljust(mini_fat_sectors * _SECTOR, b"\xff")
        + mini.ljust(mini_sectors * _SECTOR, b"\0")
    )
