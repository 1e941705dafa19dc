"""The tools of a turn: those that come with Fireside, and the person's own, as far as the settings want them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fireside.settings import TOOL_KINDS, ToolKind

if TYPE_CHECKING:
    from agents.builtin.ask import Ask
    from agents.tools import Tool
    from rag.types import Passage


def offered_tools(
    kinds: Sequence[ToolKind],
    folder: Path | None,
    search: Callable[[str], Sequence[Passage]] | None,
    ask: Ask | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> tuple[Tool, ...]:
    """Every tool of these kinds that has what it needs: files and programs a folder, documents a library, a question
    somebody to answer it, programs a sandbox that works here. The person's own run as far as their files are trusted.

    note: told in a line what is left out, and why. Raises ToolError or StorageError.
    """
    from agents.builtin import builtin_tools

    more: list[Tool] = []
    if "programs" in kinds and folder is not None:
        from agents.sandbox.available import available
        from agents.sandbox.tools import program_tools

        more += program_tools(folder)
        if reason := available(folder):
            note(f"shell and python are off: {reason.message} ({reason.hint})")
    if "web" in kinds:
        from agents.fetch.tools import fetch_tools

        more += fetch_tools()
    if "own" in kinds:
        from agents.builtin.from_files import load_trusted

        loaded = load_trusted()
        more += loaded.tools
        for problem in loaded.problems:
            note(f"left out: {problem.message}" + (f" ({problem.hint})" if problem.hint else ""))
    return builtin_tools(
        folder if "files" in kinds else None,
        search if "documents" in kinds else None,
        ask=ask,
        memory="memory" in kinds,
        more=more,
    )


def every_tool(
    folder: Path | None,
    search: Callable[[str], Sequence[Passage]] | None,
    ask: Ask | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> tuple[Tool, ...]:
    """Every tool that has what it needs, whatever the settings want offered."""
    return offered_tools(TOOL_KINDS, folder, search, ask, note)
