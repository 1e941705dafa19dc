"""What goes with a message as data: read from a file by its reader process, kept in the message's details."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fireside import paths
from fireside.errors import DocumentError, StorageError
from fireside.text import for_terminal_line
from tui.attach.mentions import Mention, mentions

if TYPE_CHECKING:
    from fireside.conversations.types import StoredMessage

ATTACHMENTS = "attachments"
"""Where the details of a message keep them."""
MOST_CHARACTERS = 200_000
FOLDED_LINES = 30
"""Pasted text of more lines is folded."""
_SECONDS = 30  # a person waits for it


@dataclass(frozen=True)
class Attachment:
    """mention: how the message's text names it. size: bytes of the file, or of the text. data: the text as the model is
    shown it (`agents.prompts.as_data`)."""

    mention: str
    size: int
    data: str


def gather(text: str, pasted: Mapping[str, str], known: Sequence[Attachment] = ()) -> tuple[Attachment, ...]:
    """What `text` names: files, and texts in `pasted` by their marks. known: taken as they are, and not read again.

    A name that no file has is just text. Slow: files are read by another process. Raises DocumentError for a file that
    cannot be read or is too long.
    """
    from agents.prompts import as_data

    kept = {each.mention: each for each in known if _names(text, each.mention)}
    found: dict[str, Attachment] = {}
    for readings in mentions(text):
        for mention in readings:
            if mention.written in kept:
                break
            if (path := _file(mention)) is not None:
                found[mention.written] = _read(mention.written, path)
                break
    for mark, content in pasted.items():
        if mark in text and mark not in kept:
            found[mark] = Attachment(mark, len(content.encode(errors="replace")), as_data(content))
    return (*kept.values(), *found.values())


def names_any(text: str, pasted: Mapping[str, str]) -> bool:
    """Whether `gather` would find something; cheap."""
    marked = any(mark in text for mark in pasted)
    return marked or any(_file(each) is not None for readings in mentions(text) for each in readings)


def attachments_of(message: StoredMessage) -> tuple[Attachment, ...]:
    """What goes with a message: what its text still names."""
    kept = [each for each in message.details.get(ATTACHMENTS) or () if isinstance(each, dict)]
    all_of = [Attachment(str(each["mention"]), int(each["size"]), str(each["data"])) for each in kept]
    return tuple(each for each in all_of if _names(message.text, each.mention))


def as_details(attached: Sequence[Attachment]) -> dict[str, Any]:
    """The details of a message that these go with. What they say comes from elsewhere, by name."""
    if not attached:
        return {}
    names = [for_terminal_line(each.mention, 80) for each in attached]
    return {ATTACHMENTS: [asdict(each) for each in attached], "untrusted": names}


def with_data(text: str, attached: Sequence[Attachment]) -> str:
    """A message as the model is shown it: the text, and below it what it names."""
    return "\n\n".join((text, *(f"{each.mention}:\n{each.data}" for each in attached)))


def with_sizes(text: str, attached: Sequence[Attachment]) -> str:
    """A message as a person is shown it: `@path (12 kB)`."""
    for each in attached:
        if each.mention.startswith("@"):
            sized = f"{each.mention} ({size_in_words(each.size)})"
            text = _whole(each.mention).sub(lambda _, sized=sized: sized, text)  # type: ignore[misc]  # bound now
    return text


def size_in_words(size: int) -> str:
    """Bytes, for a person: "340 B", "12 kB", "1.2 MB"."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 1e3:.0f} kB" if size < 999_500 else f"{size / 1e6:.1f} MB"


def _names(text: str, mention: str) -> bool:
    return mention in text and _whole(mention).search(text) is not None


def _whole(mention: str) -> re.Pattern[str]:
    """The mention, and not the beginning of a longer name."""
    return re.compile(re.escape(mention) + (r"(?![\w/]|[.-]+\w)" if mention.startswith("@") else ""))


def _file(mention: Mention) -> Path | None:
    """The file that is named, None where there is none."""
    try:
        path = paths.expanded(mention.path)
        return path.absolute() if path.is_file() else None
    except (OSError, ValueError, StorageError):  # too long, a null byte, no such home
        return None


def _read(mention: str, path: Path) -> Attachment:
    try:
        stat = path.stat()
    except OSError as error:
        raise DocumentError(f"cannot read {mention}: {error.strerror}", "check its permissions") from error
    return Attachment(mention, stat.st_size, _data_of(path, stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=16)
def _data_of(path: Path, changed_ns: int, size: int) -> str:
    """The file's text as data; read once while the file stays as it is, for the context bar and for the message."""
    from agents.prompts import as_data
    from rag.reader import Reader

    with Reader(_SECONDS) as reader:
        text = reader.read(path).text
    if len(text) > MOST_CHARACTERS:
        raise DocumentError(
            f"{path} holds {len(text):,} characters, more than the {MOST_CHARACTERS:,} that go with a message",
            "add it to a library (fireside docs add), and /docs answers from it",
        )
    return as_data(text)
