"""The one type of the training data: an example with its origin, what was noted about it, and its form as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from fireside.models.types import Message, ToolSpec

Kind = Literal["chat", "preference", "label", "text"]
"""chat: messages whose replies are learnt. preference: two ways for `messages` to go on, the better one `chosen`
(DPO). label: messages whose last reply was judged good or bad (KTO). text: plain text, all of it learnt."""

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Conversation:
    """One training example.

    messages: the conversation; of a preference pair, what comes before the two ways. row: its 1-based number in
    `source`, the file or data set it came from (in JSON lines, the line). text: of plain text alone. ends: whether that
    text is whole; False where it goes on in the next row. tools: what the assistant could call. chosen, rejected: of a
    preference pair. desirable: of a labelled conversation. untrained: the indices of replies that are context only.
    tags: what steps noted, as "language:de" or "personal:email". dropped: why it is not trained on, or None; such a row
    stays in the list, and steps leave it as it is. copies: how often it comes in an epoch, by the weight of its source.
    """

    messages: tuple[Message, ...]
    row: int
    source: str = ""
    text: str = ""
    ends: bool = True
    tools: tuple[ToolSpec, ...] = ()
    chosen: tuple[Message, ...] = ()
    rejected: tuple[Message, ...] = ()
    desirable: bool | None = None
    untrained: frozenset[int] = frozenset()
    tags: tuple[str, ...] = ()
    dropped: str | None = None
    copies: int = 1

    @property
    def kind(self) -> Kind:
        """Which kind of example this is."""
        if self.chosen or self.rejected:
            return "preference"
        if self.desirable is not None:
            return "label"
        return "chat" if self.messages else "text"

    @property
    def where(self) -> str:
        """The row for a person: "chats.jsonl row 12"."""
        return f"{self.source} row {self.row}".lstrip()


def tagged(conversation: Conversation, *tags: str) -> Conversation:
    """The conversation with these tags too."""
    new = [tag for tag in dict.fromkeys(tags) if tag not in conversation.tags]
    return replace(conversation, tags=(*conversation.tags, *new)) if new else conversation


def dropped(conversation: Conversation, reason: str) -> Conversation:
    """The conversation as one that is not trained on. reason: in a few words, such as "a copy of chats.jsonl row 3"."""
    return replace(conversation, dropped=reason)


def all_messages(conversation: Conversation) -> Iterator[Message]:
    """Every message, those of both ways of a preference pair too."""
    yield from conversation.messages
    yield from conversation.chosen
    yield from conversation.rejected


def texts(conversation: Conversation) -> Iterator[str]:
    """Every text a person or a model wrote: contents, the texts in the arguments of calls, and plain text."""
    if conversation.text:
        yield conversation.text
    for message in all_messages(conversation):
        yield message.content
        for call in message.calls:
            yield from _strings(call.arguments)


def with_texts(conversation: Conversation, change: Callable[[str], str]) -> Conversation:
    """The conversation with `change` done to each of its `texts`; the same object where that changes nothing."""

    def changed(messages: tuple[Message, ...]) -> tuple[Message, ...]:
        return tuple(
            replace(
                message,
                content=change(message.content),
                calls=tuple(replace(call, arguments=_each_string(call.arguments, change)) for call in message.calls),
            )
            for message in messages
        )

    new = replace(
        conversation,
        messages=changed(conversation.messages),
        chosen=changed(conversation.chosen),
        rejected=changed(conversation.rejected),
        text=change(conversation.text) if conversation.text else "",
    )
    return conversation if new == conversation else new


def content_sha256(conversation: Conversation) -> str:
    """sha256 of what is learnt from the row, as hexadecimal digits; its origin, tags and copies do not count."""
    return hashlib.sha256(json.dumps(content_json(conversation), ensure_ascii=False).encode("utf-8")).hexdigest()


def content_json(conversation: Conversation) -> dict[str, Any]:
    """What is learnt from the row, in the shape of OpenAI's and TRL's data: what other programs read too."""
    if conversation.kind == "text":
        return {"text": conversation.text} if conversation.ends else {"text": conversation.text, "ends": False}
    document: dict[str, Any] = {}
    messages = [_message_json(message) for message in conversation.messages]
    for index in conversation.untrained:
        messages[index]["weight"] = 0
    if conversation.kind == "preference":
        document["prompt"] = messages
        document["chosen"] = [_message_json(message) for message in conversation.chosen]
        document["rejected"] = [_message_json(message) for message in conversation.rejected]
    else:
        document["messages"] = messages
    if conversation.kind == "label":
        document["label"] = conversation.desirable
    if conversation.tools:
        document["tools"] = [
            {
                "type": "function",
                "function": {"name": t.name, "description": t.description, "parameters": dict(t.parameters)},
            }
            for t in conversation.tools
        ]
    return document


def as_json(conversation: Conversation) -> dict[str, Any]:
    """The whole row: `content_json`, and its origin, tags and the reason it was dropped for, where there are any."""
    document = content_json(conversation) | {"source": conversation.source, "row": conversation.row}
    if conversation.tags:
        document["tags"] = list(conversation.tags)
    if conversation.dropped is not None:
        document["dropped"] = conversation.dropped
    return document


def _message_json(message: Message) -> dict[str, Any]:
    document: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.calls:
        document["tool_calls"] = [
            {"type": "function", "function": {"name": call.name, "arguments": call.arguments}} for call in message.calls
        ]
    if message.tool is not None:
        document["name"] = message.tool
    return document


def _strings(value: Any) -> Iterator[str]:
    """Every text among the values of a JSON value; keys are names and not looked at."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


def _each_string(value: _Value, change: Callable[[str], str]) -> _Value:
    """A JSON value with `change` done to what `_strings` finds in it."""
    changed: Any = value
    if isinstance(value, str):
        changed = change(value)
    elif isinstance(value, dict):
        changed = {key: _each_string(each, change) for key, each in value.items()}
    elif isinstance(value, list):
        changed = [_each_string(each, change) for each in value]
    result: _Value = changed
    return result
