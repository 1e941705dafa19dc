from __future__ import annotations

from pathlib import Path

import pytest

from agents.builtin import builtin_tools
from agents.choose import chosen_tools

pytestmark = pytest.mark.engine


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("multiply 12 by 15", "calculator"),
        ("how much is 12.5% of 640", "calculator"),
        ("calculate (45 + 55) / 4", "calculator"),
        ("what's the square root of 144", "calculator"),
        ("what time is it", "now"),
        ("tell me today's date", "now"),
        ("which weekday is it today", "now"),
        ("list the files in the folder photos", "list_files"),
        ("show me what files I have here", "list_files"),
        ("please read todo.txt", "read_file"),
        ("open the file plan.md and tell me what it says", "read_file"),
        ("look in my documents for the deposit", "search_documents"),
        ("what is in my documents about the warranty", "search_documents"),
        ("hello, how are you?", None),
        ("write a poem about the sea", None),
        ("why is the sky blue?", None),
        ("who wrote Hamlet?", None),
        ("translate good morning into French", None),
        ("tell me a joke about cats", None),
    ],
)
def test_the_encoder_chooses(tmp_path: Path, message: str, name: str | None) -> None:
    chosen = chosen_tools(message, builtin_tools(tmp_path, lambda query: []))
    assert [(said, tool.name) for said, tool in chosen] == ([(message, name)] if name else [])


def test_without_tools_none_is_chosen() -> None:
    assert chosen_tools("what is 2+2", ()) == []


def test_sentences_that_each_ask_for_a_tool_are_calls_of_their_own() -> None:
    chosen = chosen_tools("Multiply 12 by 15. What time is it?", builtin_tools(None, None))
    assert [(said, tool.name) for said, tool in chosen] == [
        ("Multiply 12 by 15.", "calculator"),
        ("What time is it?", "now"),
    ]
