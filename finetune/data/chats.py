"""Makes a training conversation of one that was held in Fireside: the shown path, as far as its replies are whole."""

from __future__ import annotations

from collections.abc import Sequence

from finetune.data.conversation import Conversation
from fireside.conversations.types import Conversation as Chat
from fireside.conversations.types import StoredMessage
from fireside.models.types import Message

SOURCE = "conversations"


def from_chat(chat: Chat, path: Sequence[StoredMessage]) -> Conversation | None:
    """The chat as an example, `row` being its id; None where it has no whole reply.

    path: the messages from the root to the shown leaf. A reply that was stopped, failed or interrupted ends it: what
    comes behind answers something that is not there.
    """
    messages = [Message("system", chat.system)] if chat.system.strip() else []
    for stored in path:
        if stored.status != "complete":
            break
        messages.append(Message(stored.role, stored.text, tool="tool" if stored.role == "tool" else None))
    while messages and messages[-1].role != "assistant":
        messages.pop()
    return Conversation(tuple(messages), chat.id, SOURCE) if messages else None
