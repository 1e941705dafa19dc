"""The tools that come with Fireside, each made where what it needs is at hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from agents.builtin.ask import Ask, ask_tools
from agents.builtin.calculator import calculator
from agents.builtin.clock import now
from agents.builtin.documents import search_tool
from agents.builtin.files import file_tools
from agents.builtin.memory import memory_tools
from agents.tools import Tool, tool_from_function
from rag.types import Passage

__all__ = ["builtin_tools", "file_tools", "search_tool"]


def builtin_tools(
    folder: Path | None,
    search: Callable[[str], Sequence[Passage]] | None,
    *,
    ask: Ask | None = None,
    memory: bool = False,
    more: Sequence[Tool] = (),
) -> tuple[Tool, ...]:
    """All built-in tools that have what they need, and `more` behind them: programs, the web, the person's own.

    folder: for the file tools. search: for document search. ask: asks the person a question. memory: keep notes in
    FIRESIDE_HOME, apart for each folder. Raises ToolError or StorageError if `folder` is not one.
    """
    tools = [tool_from_function(calculator), tool_from_function(now)]
    if folder is not None:
        tools += file_tools(folder)
    if search is not None:
        tools.append(search_tool(search))
    if memory:
        tools += memory_tools(folder)
    if ask is not None:
        tools += ask_tools(ask)
    return (*tools, *more)
