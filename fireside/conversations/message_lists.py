"""Conversations that are lists of messages: OpenAI's chat format, what others made of it, and Ollama's Modelfiles."""

from __future__ import annotations

import json
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
from fireside.models.types import Role

_LISTS = ("messages", "conversations", "conversation", "history", "chat")
_SYSTEMS = ("system", "system_prompt", "systemPrompt")
_TITLES = ("title", "name")
_CREATED = ("created", "created_at", "create_time", "timestamp")
# Instructions of a Modelfile at the beginning of a line (https://github.com/ollama/ollama, docs/modelfile).
_INSTRUCTION = re.compile(r"^(FROM|SYSTEM|MESSAGE)[ \t]+", re.IGNORECASE | re.MULTILINE)


def is_message(entry: object) -> bool:
    """Whether a JSON value looks like one message: `role` and `content`, or ShareGPT's `from` and `value`."""
    return isinstance(entry, dict) and ("role" in entry or {"from", "value"} <= entry.keys())


def is_message_list(entry: object) -> bool:
    """Whether a JSON value looks like a conversation that is a list of messages, alone or in an object."""
    return bool(_messages(entry))


def from_message_list(entry: object) -> Found:
    """One conversation: a list of messages, or an object with one, and perhaps `system`, `title`, `model`, times.

    Calls of tools stand as code blocks in the messages they came in. Raises NotThisConversation.
    """
    nodes = []
    for place, message in enumerate(_messages(entry)):
        try:
            role, text = _role(message), _text(message)
        except NotThisConversation as error:
            raise NotThisConversation(f"message {place + 1}: {error.message}") from error
        created = seconds(next((message[name] for name in _CREATED if name in message), None))
        nodes.append(Node(str(place), str(place - 1) if place else None, role, text, "complete", created))

    def told(names: tuple[str, ...]) -> Any:
        return next((entry[name] for name in names if isinstance(entry, dict) and entry.get(name)), None)

    created = told(_CREATED)
    return conversation_of(
        told(_TITLES), nodes, None, model=told(("model",)), system=told(_SYSTEMS), created=created, updated=None
    )


def is_modelfile(text: str) -> bool:
    """Whether a text is an Ollama Modelfile that holds a conversation, as `/save` makes them."""
    found = {instruction.group(1).upper() for instruction in _INSTRUCTION.finditer(text)}
    return {"FROM", "MESSAGE"} <= found


def from_modelfile(text: str) -> Found:
    """The conversation of a Modelfile: FROM, SYSTEM and MESSAGE lines, their values plain or in (triple) quotes.

    Raises NotThisConversation.
    """
    model, system = "", ""
    nodes: list[Node] = []
    place = 0
    while instruction := _INSTRUCTION.search(text, place):
        name, place = instruction.group(1).upper(), instruction.end()
        role: Role | None = None
        if name == "MESSAGE":
            word = re.compile(r"\S+[ \t]*").match(text, place)
            if word is None:
                raise NotThisConversation("a MESSAGE line without a role")
            role, place = role_of(word.group().strip()), word.end()
        value, place = _value(text, place)
        if name == "FROM":
            model = value
        elif name == "SYSTEM":
            system = value
        else:
            above = str(len(nodes) - 1) if nodes else None
            nodes.append(Node(str(len(nodes)), above, role, value))
    return conversation_of(None, nodes, None, model=model, system=system)


def _value(text: str, place: int) -> tuple[str, int]:
    """A value that begins at `place`, and where it ends."""
    if text.startswith('"""', place):
        end = text.find('"""', place + 3)
        if end < 0:
            raise NotThisConversation('a text in """ does not end')
        return text[place + 3 : end], end + 3
    end = text.find("\n", place)
    end = len(text) if end < 0 else end
    value = text[place:end].strip()
    quoted = len(value) > 1 and value[0] == value[-1] == '"'
    return value[1:-1] if quoted else value, end


def _messages(entry: object) -> list[dict[str, Any]]:
    """The messages of a list, or of the list in an object; empty where it holds anything else."""
    found = entry
    if isinstance(entry, dict):
        found = next((entry[name] for name in _LISTS if isinstance(entry.get(name), list)), None)
    return found if isinstance(found, list) and all(map(is_message, found)) else []


def _role(message: dict[str, Any]) -> Role:
    return role_of(message.get("role") or message.get("from"))


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") if "content" in message else message.get("value")
    texts = [text_of(content)]
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = field(call, "function") or call
        written = {"name": field(function, "name"), "arguments": field(function, "arguments")}
        texts.append(fenced(json.dumps(written, ensure_ascii=False), "json"))
    return "\n\n".join(text for text in texts if text)
