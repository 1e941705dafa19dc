"""Conversations of ChatGPT's data export (`conversations.json`) and of Open WebUI, which keep trees by message id."""

from __future__ import annotations

import re
from typing import Any

from fireside.conversations.foreign import (
    Found,
    Node,
    NotThisConversation,
    conversation_of,
    fenced,
    field,
    role_of,
    seconds,
    text_of,
)
from fireside.conversations.types import Status

# Marks of citations and other widgets, between characters of the private use area that only ChatGPT's page knows.
_WIDGETS = re.compile("\ue200[^\ue201]{0,2000}\ue201|[\ue200-\ue206]")
_STATUS: dict[str, Status] = {"in_progress": "interrupted", "finished_partial_completion": "stopped"}
_NO_CONTENT = frozenset({"thoughts", "reasoning_recap", "user_editable_context", "model_editable_context"})


def is_chatgpt(entry: object) -> bool:
    """Whether a JSON value looks like one of ChatGPT's conversations."""
    return isinstance(field(entry, "mapping"), dict)


def from_chatgpt(entry: dict[str, Any]) -> Found:
    """One conversation: `mapping` (id -> message, parent), `current_node`, `title`, times in seconds.

    Hidden messages, thoughts and custom instructions are left out, and what is below them moves up. Raises
    NotThisConversation.
    """
    nodes = [_node(str(key), node) for key, node in entry["mapping"].items()]
    return conversation_of(
        entry.get("title"),
        nodes,
        _key(entry.get("current_node")),
        model=entry.get("default_model_slug") or _model(entry["mapping"]),
        created=entry.get("create_time"),
        updated=entry.get("update_time"),
    )


def is_open_webui(entry: object) -> bool:
    """Whether a JSON value looks like one of Open WebUI's conversations."""
    return isinstance(field(field(field(entry, "chat"), "history"), "messages"), dict)


def from_open_webui(entry: dict[str, Any]) -> Found:
    """One conversation: `chat.history` with `messages` (id -> parentId, role, content) and `currentId`. Raises
    NotThisConversation."""
    chat = entry["chat"]
    nodes = [
        Node(
            str(key),
            _key(field(message, "parentId")),
            role_of(field(message, "role")),
            text_of(field(message, "content")),
            "interrupted" if field(message, "done") is False else "complete",
            seconds(field(message, "timestamp")),
        )
        for key, message in chat["history"]["messages"].items()
    ]
    models = chat.get("models")
    return conversation_of(
        chat.get("title") or entry.get("title"),
        nodes,
        _key(chat["history"].get("currentId")),
        model=models[0] if isinstance(models, list) and models else "",
        system=chat.get("system"),
        created=entry.get("created_at"),
        updated=entry.get("updated_at"),
    )


def _node(key: str, node: object) -> Node:
    if not isinstance(node, dict):
        raise NotThisConversation("a node of its tree is not an object")
    parent, message = _key(node.get("parent")), node.get("message")
    if not isinstance(message, dict) or field(message.get("metadata"), "is_visually_hidden_from_conversation") is True:
        return Node(key, parent, None)
    status = message.get("status")
    return Node(
        key,
        parent,
        role_of(field(message.get("author"), "role")),
        _WIDGETS.sub("", _content(message.get("content"))),
        _STATUS.get(status, "complete") if isinstance(status, str) else "complete",
        seconds(message.get("create_time")),
    )


def _content(content: object) -> str:
    """The text of a message by its content type; what has no text of its own is left out."""
    kind, text = field(content, "content_type"), field(content, "text")
    if isinstance(kind, str) and kind in _NO_CONTENT:
        return ""
    if kind in ("code", "execution_output") and isinstance(text, str) and text:
        return fenced(text, field(content, "language"))
    for name in ("parts", "text", "result"):
        if field(content, name) is not None:
            return text_of(field(content, name))
    return ""


def _model(mapping: dict[str, Any]) -> str:
    """The model that wrote the last message that tells."""
    slugs = [field(field(field(node, "message"), "metadata"), "model_slug") for node in mapping.values()]
    return next((slug for slug in reversed(slugs) if isinstance(slug, str)), "")


def _key(value: object) -> str | None:
    return value if isinstance(value, str) else None
