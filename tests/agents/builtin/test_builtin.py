from __future__ import annotations

import re
from pathlib import Path

import pytest

from agents.builtin import builtin_tools
from agents.tools import run_tool
from fireside.errors import ToolError
from fireside.models.schema import check_schema
from rag.types import Passage

FILES = ["list_files", "read_file", "search_files", "write_file", "edit_file"]


async def chooses_the_last(question: str, options: tuple[str, ...]) -> str:
    return options[-1] if options else ""


def test_tools_come_with_what_they_need(tmp_path: Path) -> None:
    assert [tool.name for tool in builtin_tools(None, None)] == ["calculator", "now"]
    names = [tool.name for tool in builtin_tools(tmp_path, lambda query: [], ask=chooses_the_last, memory=True)]
    assert names == ["calculator", "now", *FILES, "search_documents", "remember", "recall", "ask_person"]


def test_every_tool_compiles_and_its_examples_are_valid(tmp_path: Path) -> None:
    for tool in builtin_tools(tmp_path, lambda query: [], ask=chooses_the_last, memory=True):
        check_schema(tool.parameters)
        assert tool.examples
        for _, arguments in tool.examples:
            tool.validate(arguments)
        assert (tool.traits.risk == "writes") == (tool.name in ("write_file", "edit_file", "remember"))


def test_what_files_notes_and_documents_say_is_somebody_elses_word(tmp_path: Path) -> None:
    tools = builtin_tools(tmp_path, lambda query: [], ask=chooses_the_last, memory=True)
    assert {tool.name: tool.traits.untrusted for tool in tools} == {
        "calculator": False,
        "now": False,
        "list_files": True,
        "read_file": True,
        "search_files": True,
        "write_file": False,
        "edit_file": False,
        "search_documents": True,
        "remember": False,
        "recall": True,
        "ask_person": False,
    }


async def test_calculator_clock_and_search() -> None:
    passage = Passage("a.md", "A", 0, 4, "warm", None, (), 1.0, 1.0, 1.0)
    asked: list[str] = []

    def search(query: str) -> list[Passage]:
        asked.append(query)
        return [passage] if query == "fire" else []

    calculator, now, found = builtin_tools(None, search)
    assert await run_tool(calculator, {"expression": " 2+3 "}) == "2+3 = 5"
    assert await run_tool(calculator, {"expression": "3 ft in cm"}) == "3 ft in cm = 91.44 cm"
    assert await run_tool(calculator, {"expression": "min(3, 5)"}) == "min(3, 5) = 3"
    assert re.match(r"\w+day, \d{4}-\d\d-\d\d, \d\d:\d\d:\d\d", await run_tool(now, {}))
    assert await run_tool(found, {"query": "fire"}) == "a.md: warm"
    assert await run_tool(found, {"query": "sea"}) == "nothing found"
    assert asked == ["fire", "sea"]
    assert found.traits.untrusted


async def test_the_person_is_asked() -> None:
    *_, ask = builtin_tools(None, None, ask=chooses_the_last)
    answer = await run_tool(ask, {"question": "Tea?", "options": ["yes", "no\x1b[31m"]})
    assert answer == "the person answered: no"
    assert await run_tool(ask, {"question": "Tea?"}) == "the person gave no answer"
    with pytest.raises(ToolError):
        await run_tool(ask, {"question": "Tea?", "options": ["x"] * 7})
