"""The tool `search_documents`, over the attached library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import Field

from agents.tools import Tool, Traits, tool_from_function
from rag.types import Passage


def search_tool(search: Callable[[str], Sequence[Passage]]) -> Tool:
    """`search_documents` over the library behind `search`, which returns passages, best first."""

    def search_documents(query: Annotated[str, Field(max_length=120)]) -> str:
        """Search the person's documents.

        Args:
            query: what to look for

        Examples:
            search my documents for the rent -> {"query": "rent"}
            what do my documents say about fire insurance -> {"query": "fire insurance"}
            find the opening hours in my notes -> {"query": "opening hours"}
        """
        passages = search(query)
        if not passages:
            return "nothing found"
        return "\n\n".join(f"{passage.document}: {passage.text}" for passage in passages)

    return tool_from_function(search_documents, Traits(untrusted=True))
