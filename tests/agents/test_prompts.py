from __future__ import annotations

from agents import prompts
from agents.builtin import builtin_tools
from fireside.models.types import Message, ToolCall

TALK = (Message("system", "Be kind."), Message("user", "Hi"), Message("assistant", "Hello"), Message("user", "2+2?"))
TOOLS = builtin_tools(None, None)


def test_passages_go_before_the_last_question() -> None:
    *before, last = prompts.with_passages(TALK, "[1] warm")
    assert tuple(before) == TALK[:-1]
    assert last.role == "user"
    assert last.content.startswith("[1] warm\n\n")
    assert last.content.endswith("Question: 2+2?")


def test_the_choice_names_every_tool_and_none() -> None:
    system, *rest = prompts.tool_choice(TALK, TOOLS)
    assert system.role == "system"
    assert all(f"- {tool.name}: {tool.description}" in system.content for tool in TOOLS)
    assert f"- {prompts.NO_TOOL}: " in system.content
    assert tuple(rest) == TALK[1:]


def test_arguments_are_asked_for_with_schema_and_examples() -> None:
    calculator = TOOLS[0]
    system, *rest = prompts.tool_arguments(TALK, calculator)
    assert '"expression"' in system.content
    said, arguments = calculator.examples[0]
    assert rest[:2] == [Message("user", said), Message("assistant", "", (ToolCall("calculator", arguments),))]
    assert tuple(rest[-3:]) == TALK[1:]
