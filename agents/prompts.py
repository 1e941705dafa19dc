"""The words put before the model for documents and tools: pure functions from what is known to messages."""

from __future__ import annotations

import json
from collections.abc import Sequence

from agents.tools import Tool
from fireside.models.types import Message, ToolCall

NO_TOOL = "none"
CHOICE_PREFIX = "Tool: "


def with_passages(messages: Sequence[Message], passages: str) -> tuple[Message, ...]:
    """`messages` with the rendered passages put before the last question, which is then asked about them."""
    question = messages[-1]
    content = (
        f"{passages}\n\nAnswer the question from these passages alone, in one to three sentences.\n"
        f"Question: {question.content}"
    )
    return (*messages[:-1], Message("user", content))


def tool_choice(messages: Sequence[Message], tools: Sequence[Tool]) -> tuple[Message, ...]:
    """The messages that make the model name one tool, or `none`, for where the conversation stands."""
    lines = [f"- {tool.name}: {tool.description}" for tool in tools]
    system = "\n".join(
        [
            "You choose a tool for the user's message.",
            "Tools:",
            *lines,
            f"- {NO_TOOL}: answer directly, no tool is needed.",
        ]
    )
    return (Message("system", system), *(message for message in messages if message.role != "system"))


def tool_arguments(messages: Sequence[Message], tool: Tool) -> tuple[Message, ...]:
    """The messages that make the model write the arguments of a call to `tool`, its examples as earlier turns."""
    shown = [
        message
        for said, arguments in tool.examples
        for message in (Message("user", said), Message("assistant", "", (ToolCall(tool.name, arguments),)))
    ]
    system = (
        f"You call the tool {tool.name} for the user's message. {tool.description}\n"
        f"Its arguments follow this JSON schema: {json.dumps(tool.parameters, ensure_ascii=False)}"
    )
    return (Message("system", system), *shown, *(message for message in messages if message.role != "system"))
