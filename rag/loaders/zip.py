"""Zip archives: one document, each member that can be read a part of it under its name."""

from __future__ import annotations

import zlib
from pathlib import PurePosixPath

from fireside.errors import DocumentError
from rag.loaders import archive
from rag.loaders.assemble import Assembly
from rag.loaders.enclosed import add_enclosed
from rag.loaders.limits import MAX_BYTES, Allowance
from rag.types import Document

_ENCRYPTED = 0x1  # bit 0 of the general purpose flag (PKWARE APPNOTE 4.4.4)


def load(path: str, data: bytes, allowance: Allowance) -> Document:
    """A `Document` of all members, in the archive's order; hidden ones and what a Mac adds are left out.

    Raises DocumentError where the archive is damaged, none of its members can be read, or they unpack to too much.
    """
    assembly = Assembly(path)
    with archive.opened(path, data, "a zip archive") as members:
        for member in members.infolist():
            if member.is_dir() or any(
                part.startswith((".", "__MACOSX")) for part in PurePosixPath(member.filename).parts
            ):
                continue
            allowance.spend(path, member.file_size)
            if member.file_size > MAX_BYTES:
                assembly.note(f"{path}/{member.filename} is larger than the {MAX_BYTES / 1e6:,.0f} MB that are read")
                continue
            if member.flag_bits & _ENCRYPTED:
                assembly.note(f"{path}/{member.filename} is protected by a password; it was left out")
                continue
            try:
                content = members.read(member)
            except (*archive.ZIP_ERRORS, zlib.error):
                assembly.note(f"{path}/{member.filename} is damaged; it was left out")
                continue
            add_enclosed(assembly, member.filename, content, allowance)
    document = assembly.document()
    if not document.blocks:
        why = f": {document.notes[0]}" if document.notes else ""
        raise DocumentError(f"nothing in {path} can be read{why}", "unpack it and see what it holds")
    return document
