"""Mixes sources by weight, and holds examples back from training, by hashes: a row never moves for another's sake."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from finetune.data.clean import problem
from finetune.data.conversation import Conversation, content_sha256, dropped
from finetune.data.load import read_rows
from finetune.data.map import map_rows
from fireside.errors import TrainingError

_FORM = '{"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}'
_BROKEN_SHOWN = 5
_UNITS = 2**64


@dataclass(frozen=True)
class Split:
    """The examples to train on, and those held back from training for measuring."""

    train: tuple[Conversation, ...]
    held_back: tuple[Conversation, ...]


def read_conversations(file: Path) -> tuple[Conversation, ...]:
    """Every example of a file of any format that `map` knows, each fit to be trained on as it stands.

    Raises TrainingError: no such file, nothing in it, or rows that cannot be used, named by number and reason.
    """
    conversations: list[Conversation] = []
    broken: list[str] = []
    for row in map_rows(read_rows(str(file)), file.name):
        reason = row.dropped.removeprefix("broken (").removesuffix(")") if row.dropped else problem(row)
        if reason is None:
            conversations.append(row)
        else:
            broken.append(f"row {row.row}: {reason}")
    if broken:
        more = f"; and {len(broken) - _BROKEN_SHOWN} more" if len(broken) > _BROKEN_SHOWN else ""
        total = len(broken) + len(conversations)
        raise TrainingError(
            f"{file}: {len(broken)} of {total} rows cannot be used: {'; '.join(broken[:_BROKEN_SHOWN])}{more}",
            f"fireside data prepare {file} mends what it can and leaves out the rest; a good row looks like {_FORM}",
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
    prompts = {prompt_sha256(conversation) for conversation in kept}
    train = tuple(conversation for conversation in conversations if prompt_sha256(conversation) not in prompts)
    if not train:
        raise TrainingError(f"every example of {file} is also in {held_back}", "hold back other examples")
    return Split(train, kept)


def split_by_hash(conversations: Sequence[Conversation], share: float) -> Split:
    """Hold back about `share` of the conversations of each source, chosen by the hash of what comes before the answer.

    So an example stays on its side when others come or go, and two answers to one prompt are on the same side, in all
    sources. A source with two different prompts or more has one on each side; for that, one prompt of a small source
    may change sides with others. Raises TrainingError where there are not two different prompts at all.
    """
    hashes = [prompt_sha256(conversation) for conversation in conversations]
    if len(set(hashes)) < 2:
        raise TrainingError(
            "there are not two different examples, so none can be held back for measuring",
            "add examples, or name a second file as held_back",
        )
    strata: dict[str, set[str]] = {}
    for conversation, digest in zip(conversations, hashes, strict=True):
        strata.setdefault(conversation.source, set()).add(digest)
    chosen: set[str] = set()
    for digests in strata.values():
        below = {digest for digest in digests if _unit(digest) < share}
        if len(digests) > 1:
            below = below or {min(digests)}
            if len(below) == len(digests):
                below.discard(max(digests))
        chosen |= below
    if len(chosen & set(hashes)) in (0, len(set(hashes))):
        # Sources of one prompt each, all of them on the same side.
        chosen = {min(hashes)}
    pairs = list(zip(conversations, hashes, strict=True))
    return Split(
        tuple(conversation for conversation, digest in pairs if digest not in chosen),
        tuple(conversation for conversation, digest in pairs if digest in chosen),
    )


def mix(rows: Iterable[Conversation], weights: Mapping[str, float]) -> Iterator[Conversation]:
    """Each source's rows by its weight: 2 has each twice in an epoch, 0.5 has half of them, chosen by hash.

    1.5 has each once and half of them twice. A source without a weight has 1. A row's place in the mix depends on its
    content alone, so it does not change when others come, and a larger weight only adds rows.
    """
    for row in rows:
        if row.dropped is None and (weight := weights.get(row.source, 1.0)) != 1.0:
            copies = int(weight) + (_unit(content_sha256(row)) < weight - int(weight))
            row = replace(row, copies=copies) if copies else dropped(row, f"not in the mix (weight {weight:g})")
        yield row


def prompt_sha256(conversation: Conversation) -> str:
    """sha256 of the messages before the first answer, as hexadecimal digits; of plain text, of the text."""
    digest = hashlib.sha256(conversation.text.encode("utf-8"))
    for message in conversation.messages:
        if message.role == "assistant":
            break
        digest.update(f"{message.role}\0{message.content}\0".encode())
    return digest.hexdigest()


def _unit(digest: str) -> float:
    """A number from 0 to 1 made of a hash, evenly spread."""
    return int(digest[:16], 16) / _UNITS
