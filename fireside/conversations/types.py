"""The words of conversations: a conversation, a message of its tree and its revisions, and what a search finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from fireside.models.types import Role

Status = Literal["complete", "streaming", "stopped", "failed", "interrupted"]
"""complete: as it should be. streaming: being written now. stopped: the person ended it. failed: the model or a tool
raised. interrupted: the process that wrote it died."""

TitledBy = Literal["person", "model", "first words"]
"""Who gave a conversation its title; a model's title never replaces a person's."""


@dataclass(frozen=True)
class Conversation:
    """A conversation and what it is held with.

    adapter: "NAME:SCALE". library: a document library's name. head: the id of the leaf message that is shown, None
    while there is no message. Times are seconds since the epoch. persona: the name of one. parameters: sampling fields
    and max_tokens of this conversation alone, None for the settings' own. tools: JSON of which tools it is held with.
    tags: in alphabetical order.
    """

    id: int
    title: str
    system: str
    model: str
    adapter: str | None
    library: str | None
    head: int | None
    created: float
    updated: float
    pinned: bool = False
    archived: bool = False
    persona: str | None = None
    parameters: Mapping[str, Any] | None = None
    tools: Any = None
    titled_by: TitledBy = "first words"
    tags: tuple[str, ...] = ()


class ConversationChanges(TypedDict, total=False):
    """The fields of a conversation that can be changed."""

    title: str
    system: str
    model: str
    adapter: str | None
    library: str | None
    persona: str | None
    parameters: Mapping[str, Any] | None
    tools: Any
    titled_by: TitledBy


@dataclass(frozen=True)
class StoredMessage:
    """A message in the tree. `parent` is None at a root; messages with the same parent are siblings (edits, retries).
    `details` is JSON: citations, calls, usage, timings, error; `edited`, a time, where it was edited in place."""

    id: int
    conversation: int
    parent: int | None
    role: Role
    text: str
    status: Status
    created: float
    details: dict[str, Any]


@dataclass(frozen=True)
class TreeRow:
    """A message as a tree view shows it. line: the first line that holds something, safe for a terminal."""

    id: int
    parent: int | None
    role: Role
    status: Status
    line: str


@dataclass(frozen=True)
class Revision:
    """What a message was until `created`, when it was edited in place."""

    id: int
    message: int
    text: str
    status: Status
    created: float


@dataclass(frozen=True)
class SearchFilter:
    """What a search is narrowed to; None narrows nothing.

    role: messages by this one, and no titles. since, until: messages created, or conversations begun, from and before
    these times (seconds since the epoch).
    """

    tag: str | None = None
    archived: bool | None = None
    role: Role | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True)
class SearchHit:
    """A message, or with `message` None a title, that holds the words.

    excerpt: the text around the first of them on one line, safe for a terminal. spans: where words begin and end in
    it. start: the offset of the first in the message's text. role: None for a title.
    """

    conversation: int
    title: str
    message: int | None
    excerpt: str
    created: float
    role: Role | None = None
    start: int = 0
    spans: tuple[tuple[int, int], ...] = ()
