"""Reads messages and tools as data sets write them: OpenAI's roles and calls, ShareGPT's speakers, parts, text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fireside.models.types import Message, Role, ToolCall, ToolSpec


class Unusable(Exception):
    """Why a row cannot be used, in a few words."""


@dataclass(frozen=True)
class Talk:
    """Messages, the indices of replies that are marked as context only, and whether thinking was left out."""

    messages: tuple[Message, ...]
    untrained: frozenset[int] = frozenset()
    thinking: bool = False


_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "person": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
    "ipython": "tool",
    "observation": "tool",
    "function_response": "tool",
    "tool_response": "tool",
}
# ShareGPT sets write a call as a message of a speaker of its own.
_CALL_ROLES = ("function_call", "tool_call")

_HASH_SPEAKER = re.compile(r"###\s*(Human|User|Prompter|Assistant|System)\s*:")
_BLANK_SPEAKER = re.compile(r"(?:\A\s*|\n\n)(Human|Assistant|System)\s*:")


def read_talk(items: Any) -> Talk:
    """A list of messages, in OpenAI's shape or ShareGPT's. Raises Unusable."""
    if not isinstance(items, list | tuple):
        items = [items]
    messages: list[Message] = []
    untrained: set[int] = set()
    names: dict[str, str] = {}  # of called tools, by the call's id
    waiting: list[str] = []  # tools called and not answered yet
    thinking = False
    for number, item in enumerate(items, start=1):
        try:
            message, weight, thought = _message(item, names, waiting)
        except Unusable as reason:
            raise Unusable(f"message {number} {reason}") from None
        thinking = thinking or thought
        waiting.extend(call.name for call in message.calls)
        if message.role == "tool" and message.tool in waiting:
            waiting.remove(message.tool)
        previous = messages[-1] if messages else None
        if message.calls and not message.content and previous is not None and previous.role == "assistant":
            # A call after the assistant's words belongs to the same turn.
            messages[-1] = replace(previous, calls=(*previous.calls, *message.calls))
            continue
        if message.role == "assistant" and not weight:
            untrained.add(len(messages))
        messages.append(message)
    return Talk(tuple(messages), frozenset(untrained), thinking)


def read_tools(value: Any) -> tuple[ToolSpec, ...]:
    """Tools as OpenAI writes them, or the functions alone, or either as JSON text. Raises Unusable."""
    if value in (None, "", [], {}):
        return ()
    value = _parsed(value, "tools")
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        raise Unusable("its tools are not a list")
    tools = []
    for each in value:
        function = each.get("function", each) if isinstance(each, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise Unusable("one of its tools has no name")
        parameters = function.get("parameters") or {"type": "object", "properties": {}}
        if not isinstance(parameters, dict):
            raise Unusable(f"the parameters of its tool {function['name']} are no object")
        tools.append(ToolSpec(function["name"], str(function.get("description") or ""), parameters))
    return tuple(tools)


def split_speakers(text: str) -> list[Message]:
    """The turns of a text such as `### Human: ...### Assistant: ...`, or of one with `Human:` behind blank lines.

    Nothing where the text has no such turns. What comes before the first speaker is a system message.
    """
    found = list(_HASH_SPEAKER.finditer(text))
    if not found:
        found = list(_BLANK_SPEAKER.finditer(text))
    speakers = [match[1].lower() for match in found]
    if "assistant" not in speakers or not {"human", "user", "prompter"} & set(speakers):
        return []
    messages = [Message("system", before)] if (before := text[: found[0].start()].strip()) else []
    ends = [*(match.start() for match in found[1:]), len(text)]
    for match, speaker, end in zip(found, speakers, ends, strict=True):
        messages.append(Message(_ROLES[speaker], text[match.end() : end].strip()))
    return messages


def _message(item: Any, names: dict[str, str], waiting: Sequence[str]) -> tuple[Message, bool, bool]:
    """A message, whether it is trained on, and whether thinking was left out of it."""
    if isinstance(item, str):
        raise Unusable("is text without a role")
    if not isinstance(item, dict):
        raise Unusable("is not an object")
    name = item.get("role", item.get("from"))
    if not isinstance(name, str):
        raise Unusable("has no role")
    content, parted_calls, thinking = _content(item.get("content", item.get("value")))
    weight = item.get("weight", item.get("loss_weight", 1))
    if name.lower() in _CALL_ROLES:
        return Message("assistant", "", _calls(_parsed(content, "the call"), names)), weight != 0, thinking
    role = _ROLES.get(name.lower())
    if role is None:
        raise Unusable(f"has the role {name!r}, not one of system, user, assistant, tool")
    calls: tuple[ToolCall, ...] = ()
    if role == "assistant":
        written = item.get("tool_calls") or ([item["function_call"]] if item.get("function_call") else [])
        calls = (*parted_calls, *_calls(written, names))
        thinking = thinking or bool(item.get("reasoning_content") or item.get("thinking"))
    if content is None and not calls:
        raise Unusable("has no text")
    tool = None
    if role == "tool":
        tool = item.get("name") or names.get(str(item.get("tool_call_id"))) or (waiting[0] if waiting else "tool")
    return Message(role, content or "", calls, None if tool is None else str(tool)), weight != 0, thinking


def _content(value: Any) -> tuple[str | None, tuple[ToolCall, ...], bool]:
    """The text of a message, the calls among its parts, and whether thinking was left out."""
    if value is None or isinstance(value, str):
        return value, (), False
    if not isinstance(value, list):
        raise Unusable("has content that is neither text nor a list of parts")
    texts: list[str] = []
    calls: list[ToolCall] = []
    thinking = False
    for part in value:
        kind = part.get("type") if isinstance(part, dict) else None
        body = part.get("text", part.get("value")) if isinstance(part, dict) else part
        if kind in ("reasoning", "thinking"):
            thinking = True
        elif kind == "tool_call":
            calls.extend(_calls(_parsed(body, "the call"), {}))
        elif kind in ("text", "input_text", "output_text", None) and isinstance(body, str):
            texts.append(body)
        else:
            raise Unusable(f"holds a part of type {kind!r}, and only text is trained on")
    return "\n".join(texts), tuple(calls), thinking


def _calls(value: Any, names: dict[str, str]) -> tuple[ToolCall, ...]:
    """Calls as OpenAI writes them, or the functions alone; ids are noted in `names`."""
    calls = []
    for each in value if isinstance(value, list | tuple) else [value]:
        function = each.get("function", each) if isinstance(each, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise Unusable("calls a tool without a name")
        arguments = function.get("arguments", function.get("parameters"))
        arguments = _parsed(arguments, "the arguments") if arguments not in (None, "") else {}
        if not isinstance(arguments, dict):
            raise Unusable(f"calls {function['name']} with arguments that are no object")
        calls.append(ToolCall(function["name"], arguments))
        if isinstance(each.get("id"), str):
            names[each["id"]] = function["name"]
    return tuple(calls)


def _parsed(value: Any, what: str) -> Any:
    """A value, or what its text says as JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise Unusable(f"has {what} in text that is not JSON") from None
