"""Training examples: chat-format JSON lines in, checked conversations out, some of them held back for measuring."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from fireside.errors import TrainingError
from fireside.models.types import Message, Role

_ROLES = ("system", "user", "assistant", "tool")
_FORM = '{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}'
_BROKEN_SHOWN = 5


@dataclass(frozen=True)
class Conversation:
    """One training example. `line` is its 1-based line in the file it came from."""

    messages: tuple[Message, ...]
    line: int


@dataclass(frozen=True)
class Split:
    """The examples to train on, and those held back from training for measuring."""

    train: tuple[Conversation, ...]
    held_back: tuple[Conversation, ...]


class _BrokenRow(Exception):
    """Why a row cannot be used."""


def read_conversations(file: Path) -> tuple[Conversation, ...]:
    """Every example of a chat-format JSON-lines file; blank lines are skipped.

    Raises TrainingError: no such file, not UTF-8, nothing in it, or broken rows, each named by its line and reason.
    """
    try:
        text = file.read_text("utf-8-sig")
    except FileNotFoundError:
        raise TrainingError(f"there is no training data file {file}", "check the path in the configuration") from None
    except UnicodeDecodeError as error:
        raise TrainingError(f"{file} is not UTF-8 text: {error.reason}", "save it as UTF-8 JSON lines") from error
    except OSError as error:
        raise TrainingError(f"cannot read {file}: {error.strerror}", "check the path and its permissions") from error
    conversations: list[Conversation] = []
    broken: list[str] = []
    for number, line in _lines(text):
        try:
            conversations.append(Conversation(_messages(line), number))
        except _BrokenRow as reason:
            broken.append(f"line {number}: {reason}")
    if broken:
        more = f"; and {len(broken) - _BROKEN_SHOWN} more" if len(broken) > _BROKEN_SHOWN else ""
        total = len(broken) + len(conversations)
        raise TrainingError(
            f"{file}: {len(broken)} of {total} rows cannot be used: {'; '.join(broken[:_BROKEN_SHOWN])}{more}",
            f"fix or remove them; each line looks like {_FORM}",
        )
    if not conversations:
        raise TrainingError(f"{file} holds no examples", f"put one on each line: {_FORM}")
    return tuple(conversations)


def read_split(file: Path, held_back: float | str) -> Split:
    """The examples of `file`, and those held back: a share of them, or all of a second file.

    An example of `file` that also stands in the second file (the same prompt) is not trained on. Raises TrainingError.
    """
    conversations = read_conversations(file)
    if isinstance(held_back, float):
        return split_by_hash(conversations, held_back)
    kept = read_conversations(Path(held_back))
    prompts = {_prompt_hash(conversation) for conversation in kept}
    train = tuple(conversation for conversation in conversations if _prompt_hash(conversation) not in prompts)
    if not train:
        raise TrainingError(f"every example of {file} is also in {held_back}", "hold back other examples")
    return Split(train, kept)


def split_by_hash(conversations: Sequence[Conversation], share: float) -> Split:
    """Hold back about `share` of the conversations, chosen by the hash of what comes before the first answer.

    So an example stays on its side when others come or go, and two answers to one prompt are on the same side. Both
    sides get at least one example where there are two different prompts; a set that has only one cannot be split
    (TrainingError).
    """
    hashes = [_prompt_hash(conversation) for conversation in conversations]
    distinct = sorted(set(hashes))
    if len(distinct) < 2:
        raise TrainingError(
            "there are not two different examples, so none can be held back for measuring",
            "add examples, or name a second file as held_back",
        )
    chosen = {digest for digest in distinct if int(digest[:8], 16) / 2**32 < share}
    if not chosen:
        chosen = {distinct[0]}
    if len(chosen) == len(distinct):
        chosen.discard(distinct[-1])
    pairs = list(zip(conversations, hashes, strict=True))
    return Split(
        tuple(conversation for conversation, digest in pairs if digest not in chosen),
        tuple(conversation for conversation, digest in pairs if digest in chosen),
    )


def data_sha256(files: Iterable[Path]) -> str:
    """One sha256 over the content of the data files, in order, as hexadecimal digits."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not blank. Only LF ends a line: JSON strings may hold other Unicode separators."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line


def _messages(line: str) -> tuple[Message, ...]:
    """The messages of one row. Raises _BrokenRow."""
    try:
        row: Any = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        raise _BrokenRow(f"not JSON ({reason})") from error
    items = row.get("messages") if isinstance(row, dict) else None
    if not isinstance(items, list):
        raise _BrokenRow('no list "messages"')
    messages = tuple(_message(item, number) for number, item in enumerate(items, start=1))
    if not any(message.role == "assistant" for message in messages):
        raise _BrokenRow("no assistant message to learn from")
    if messages[0].role == "assistant":
        raise _BrokenRow("the assistant speaks first, so there is no prompt")
    if messages[-1].role != "assistant":
        raise _BrokenRow("the last message is not the assistant's")
    return messages


def _message(item: Any, number: int) -> Message:
    """Message `number` of a row. Raises _BrokenRow."""
    if not isinstance(item, dict):
        raise _BrokenRow(f"message {number} is not an object")
    role, content = item.get("role"), item.get("content")
    if role not in _ROLES:
        raise _BrokenRow(f"message {number} has the role {role!r}, not one of {', '.join(_ROLES)}")
    if not isinstance(content, str):
        raise _BrokenRow(f"message {number} has no text as content")
    if not content.strip():
        raise _BrokenRow(f"message {number} is empty")
    try:
        content.encode("utf-8")
    except UnicodeEncodeError:
        raise _BrokenRow(f"message {number} holds half a character (an unpaired surrogate)") from None
    return Message(cast(Role, role), content)


def _prompt_hash(conversation: Conversation) -> str:
    """sha256 of the messages before the first answer."""
    digest = hashlib.sha256()
    for message in conversation.messages:
        if message.role == "assistant":
            break
        digest.update(f"{message.role}\0{message.content}\0".encode())
    return digest.hexdigest()
