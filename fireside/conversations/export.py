"""A conversation as a document: the shown path as Markdown, the whole tree as JSON or a line of it, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, get_args

from fireside.conversations.types import Conversation, Status, StoredMessage, TitledBy
from fireside.database import storable
from fireside.errors import FiresideError
from fireside.models.types import Role
from fireside.text import for_terminal, for_terminal_line

if TYPE_CHECKING:
    from fireside.conversations.store import ConversationStore

FORMAT = "fireside-conversation"
VERSION = 1
_EVERY = 1_000_000_000  # more conversations than a file holds

SPEAKERS: dict[Role, str] = {"system": "System", "user": "You", "assistant": "Assistant", "tool": "Tool"}
"""Who speaks, in documents."""
ENDINGS: dict[Status, str] = {
    "stopped": "stopped",
    "failed": "failed",
    "interrupted": "interrupted",
    "streaming": "unfinished",
}
"""How a reply ended that is not complete, in documents."""


def to_markdown(conversation: Conversation, path: Sequence[StoredMessage]) -> str:
    """The messages of `path` under their speakers' headings, with the sources of each reply. Safe for a terminal."""
    parts = [f"# {for_terminal_line(conversation.title) or 'Conversation'}"]
    for message in path:
        ending = ENDINGS.get(message.status)
        parts.append(f"## {SPEAKERS[message.role]}" + (f" ({ending})" if ending else ""))
        parts.append(for_terminal(message.text).strip("\n"))
        for heading, lines in (("Sources", sources(message)), ("Not found in the documents", unsupported(message))):
            if lines:
                parts.append(f"{heading}:\n\n" + "\n".join(f"- {line}" for line in lines))
    return "\n\n".join(part for part in parts if part) + "\n"


def to_json(conversation: Conversation, messages: Sequence[StoredMessage]) -> str:
    """The conversation and all its messages as one versioned JSON document. Only what messages were before they were
    edited in place is left out."""
    return storable(json.dumps(_document(conversation, messages), ensure_ascii=False, indent=1)) + "\n"


def all_as_json_lines(store: ConversationStore) -> Iterator[str]:
    """Every conversation, archived ones too, as `to_json` on one line. Raises StorageError."""
    for conversation in store.conversations(_EVERY, archived=None):
        document = _document(conversation, store.messages(conversation.id))
        yield storable(json.dumps(document, ensure_ascii=False)) + "\n"


def _document(conversation: Conversation, messages: Sequence[StoredMessage]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "conversation": asdict(conversation),
        "messages": [asdict(message) for message in messages],
    }


def from_json(text: str) -> tuple[Conversation, list[StoredMessage]]:
    """The conversation and messages of `to_json`, parents before children, ready for `ConversationStore.restore`.

    Raises FiresideError for anything else: other JSON, a newer version, a wrong or missing value, a tree that is none.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _refused(f"it is not JSON ({error})") from error
    return from_document(document)


def is_own(document: object) -> bool:
    """Whether a JSON value is a conversation that Fireside exported."""
    return isinstance(document, dict) and document.get("format") == FORMAT


def from_document(document: Any) -> tuple[Conversation, list[StoredMessage]]:
    """`from_json` of JSON that has been read."""
    if not is_own(document):
        raise _refused(f'it lacks "format": "{FORMAT}"')
    version = document.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= VERSION:
        raise FiresideError(
            f"this conversation export has version {version!r}, this Fireside knows {VERSION}", "update Fireside"
        )
    conversation = _conversation(document.get("conversation"))
    entries = document.get("messages")
    if not isinstance(entries, list):
        raise _refused("messages must be a list")
    messages = [_message(entry, conversation.id) for entry in entries]
    seen: set[int] = set()
    for message in messages:
        if message.parent is not None and message.parent not in seen:
            raise _refused(f"message {message.id} has the parent {message.parent}, which is not before it")
        if message.id in seen:
            raise _refused(f"two messages have the id {message.id}")
        seen.add(message.id)
    if conversation.head is not None and conversation.head not in seen:
        raise _refused(f"its head is the message {conversation.head}, which is not there")
    return conversation, messages


def _conversation(entry: object) -> Conversation:
    fields = _object(entry, "conversation")
    # What came later is optional: the first exports lack it.
    titled_by, tags = fields.get("titled_by", "person"), fields.get("tags", [])
    if titled_by not in get_args(TitledBy):
        raise _refused(f"{titled_by!r} is nobody who gives titles")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise _refused("tags must be a list of texts")
    return Conversation(
        id=_field(fields, "id", int),
        title=_field(fields, "title", str),
        system=_field(fields, "system", str),
        model=_field(fields, "model", str),
        adapter=_optional(fields, "adapter", str),
        library=_optional(fields, "library", str),
        head=_optional(fields, "head", int),
        created=_time(fields, "created"),
        updated=_time(fields, "updated"),
        pinned=_flag(fields, "pinned"),
        archived=_flag(fields, "archived"),
        persona=_optional(fields, "persona", str),
        parameters=_optional(fields, "parameters", dict),
        tools=fields.get("tools"),
        titled_by=titled_by,
        tags=tuple(tags),
    )


def _message(entry: object, conversation: int) -> StoredMessage:
    fields = _object(entry, "a message")
    role, status = _field(fields, "role", str), _field(fields, "status", str)
    if role not in get_args(Role):
        raise _refused(f"{role!r} is not a role")
    if status not in get_args(Status):
        raise _refused(f"{status!r} is not a status")
    return StoredMessage(
        id=_field(fields, "id", int),
        conversation=conversation,
        parent=_optional(fields, "parent", int),
        role=role,
        text=_field(fields, "text", str),
        status=status,
        created=_time(fields, "created"),
        details=_field(fields, "details", dict),
    )


def _object(entry: object, what: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise _refused(f"{what} must be an object")
    return entry


def _field(fields: dict[str, Any], name: str, kind: type) -> Any:
    value = fields.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise _refused(f"{name} is missing or of the wrong type")
    return value


def _optional(fields: dict[str, Any], name: str, kind: type) -> Any:
    return None if fields.get(name) is None else _field(fields, name, kind)


def _flag(fields: dict[str, Any], name: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise _refused(f"{name} must be true or false")
    return value


def _time(fields: dict[str, Any], name: str) -> float:
    value = fields.get(name)
    # Compared before it becomes a float: JSON may hold NaN, and integers that no float holds.
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e12 < value < 1e12:
        raise _refused(f"{name} must be a time in seconds")
    return float(value)


def _refused(reason: str) -> FiresideError:
    return FiresideError(f"this is not an exported conversation: {reason}", "choose a JSON file that Fireside exported")


def sources(message: StoredMessage) -> list[str]:
    """The sources of a reply, a line each: `[1] FILE, page 3, "quote"`, of what is there; `unverified` behind it where
    the support was not found. Safe for a terminal."""
    citations = message.details.get("citations")
    return [_source(each) for each in citations if isinstance(each, dict)] if isinstance(citations, list) else []


def unsupported(message: StoredMessage) -> list[str]:
    """The sentences of a reply that the documents do not support, a line each. Safe for a terminal."""
    sentences = message.details.get("unsupported")
    if not isinstance(sentences, list):
        return []
    return [for_terminal_line(str(sentence), len(str(sentence)) + 1) for sentence in sentences]


def _source(citation: dict[str, Any]) -> str:
    parts = [for_terminal_line(str(citation.get("document", "")))]
    if citation.get("page") is not None:
        parts.append(f"page {for_terminal_line(str(citation['page']))}")
    if citation.get("quote"):
        parts.append(f'"{for_terminal_line(str(citation["quote"]))}"')
    if citation.get("verified") is False:
        parts.append("unverified")
    return f"[{for_terminal_line(str(citation.get('marker', '?')))}] {', '.join(parts)}"
