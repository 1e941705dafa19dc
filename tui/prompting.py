"""What a stored conversation gives to the next turn: messages for the model, and what it has read from elsewhere."""

from __future__ import annotations

from fireside.conversations.types import StoredMessage
from fireside.models.types import Message


def untrusted_of(path: list[StoredMessage]) -> tuple[str, ...]:
    """What came into a conversation from elsewhere, by name: documents, pages, what other programs wrote."""
    return tuple(dict.fromkeys(source for stored in path for source in stored.details.get("untrusted", ())))


def as_prompt(path: list[StoredMessage]) -> list[Message]:
    """The messages of `path` for a model. A question whose reply never came is left out, so that roles alternate."""
    messages: list[Message] = []
    for stored in path:
        if stored.role == "assistant" and not stored.text:
            if messages and messages[-1].role == "user":
                messages.pop()
            continue
        messages.append(Message(stored.role, stored.text))
    return messages
