"""How large a file, its text, and all that is packed into it may be, and what is said of a file that cannot be read."""

from __future__ import annotations

from dataclasses import dataclass

from fireside.errors import DocumentError

MAX_BYTES = 100_000_000
"""The largest file that is read. A text of this size would already be a library of books."""

MAX_CHARACTERS = 30_000_000
"""The longest extracted text that is indexed."""

MAX_UNPACKED = 500_000_000
"""Bytes that a file and all that is packed into it may unpack to: more is a decompression bomb, or no text a person
wrote."""

MAX_MEMBERS = 10_000
"""Files that may lie in one, those in files within it included."""

MAX_DEPTH = 3
"""How deep files may lie in files: a zip in a mail in a zip."""


class TooMuch(DocumentError):
    """A file holds more than is read; it is refused as a whole, where another failure would leave out one member."""


@dataclass
class Allowance:
    """What may still be unpacked from one file, everything that lies in it together."""

    unpacked: int = MAX_UNPACKED
    members: int = MAX_MEMBERS
    depth: int = MAX_DEPTH

    def spend(self, path: str, size: int) -> None:
        """Take `size` bytes and one member off. Raises TooMuch, in the name of `path`, where too little is left."""
        self.unpacked -= size
        self.members -= 1
        if self.members < 0:
            raise TooMuch(f"{path} holds more than {MAX_MEMBERS:,} files", "unpack it and add the folder")
        if self.unpacked < 0:
            raise TooMuch(
                f"{path} unpacks to more than the {MAX_UNPACKED / 1e6:,.0f} MB that are read",
                "check where the file comes from",
            )


def check_length(path: str, characters: int) -> None:
    """Raises TooMuch where a text is longer than is indexed."""
    if characters > MAX_CHARACTERS:
        raise TooMuch(
            f"{path} holds {characters:,} characters or more; at most {MAX_CHARACTERS:,} are indexed",
            "split it into smaller files",
        )


def damaged(path: str, kind: str) -> DocumentError:
    """For a file that is not what it should be. kind: what it should be, with its article."""
    return DocumentError(
        f"{path} is not {kind} that can be read: it is damaged",
        "open it in the program it comes from and save it again",
    )
