"""The words of conversations: a conversation, a message of its tree, and a search hit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from fireside.models.types import Role

Status = Literal["complete", "streaming", "stopped", "failed", "interrupted"]
"""complete: as it should be. streaming: being written now. stopped: the person ended it. failed: the model or a tool
raised. interrupted: the process that wrote it died."""


@dataclass(frozen=True)
class Conversation:
    """A conversation and what it is held with.

    adapter: "NAME:SCALE". library: a document library's name. head: the id of the leaf message that is shown, None
    while there is no message. Times are seconds since the epoch.
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


class ConversationChanges(TypedDict, total=False):
    """The fields of a conversation that can be changed."""

    title: str
    system: str
    model: str
    adapter: str | None
    library: str | None


@dataclass(frozen=True)
class StoredMessage:
    """A message in the tree. `parent` is None at a root; messages with the same parent are siblings (edits, retries).
    `details` is JSON: citations, calls, usage, timings, error."""

    id: int
    conversation: int
    parent: int | None
    role: Role
    text: str
    status: Status
    created: float
    details: dict[str, Any]


@dataclass(frozen=True)
class SearchHit:
    """A message, or with `message` None a title, that holds the words; `excerpt` is the text around them."""

    conversation: int
    title: str
    message: int | None
    excerpt: str
    created: float
