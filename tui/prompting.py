"""What an open chat gives to its next turn: messages, tools, rules, and what it has read from elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fireside.conversations.types import StoredMessage
from fireside.models.types import Message
from tui.attach.attachment import attachments_of, with_data

if TYPE_CHECKING:
    from agents.turn import Turn
    from tui.session import ChatSession


def turn_of(session: ChatSession, path: list[StoredMessage], draft: str | None = None, *, begun: str = "") -> Turn:
    """What the loop needs to answer the last message of `path`, or else `draft` behind it.

    begun: the reply's beginning, which stands already.
    """
    from agents.approval import allowing
    from agents.budget import Budget
    from agents.remembered import rules_for
    from agents.turn import Turn

    documents, tools = session.settings.documents, session.tools
    asked = () if draft is None else (Message("user", draft),)
    return Turn(
        messages=(Message("system", session.system), *as_prompt(path), *asked),
        sampling=session.sampling,
        max_tokens=session.max_tokens,
        adapters=session.adapters,
        library=session.library,
        tools=tools,
        rules=(*allowing(sorted(session.allowed)), *(rules_for(session.folder) if tools else ())),
        untrusted=untrusted_of(path),
        budget=Budget(steps=session.settings.tools.max_steps),
        plans=bool(tools),
        delegates=bool(tools),
        passages=documents.passages,
        expand_tokens=documents.expand_tokens,
        keep=True,
        reply_prefix=begun,
    )


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
        messages.append(Message(stored.role, with_data(stored.text, attachments_of(stored))))
    return messages
