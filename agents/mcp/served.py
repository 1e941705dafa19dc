"""What Fireside offers to other programs: its document libraries, searched and shown, and one answered question."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from agents.events import ApprovalAsked, TurnFailed, TurnFinished
from agents.tools import Tool, Traits, tool_from_function
from agents.turn import Answer, Turn
from fireside.errors import ToolError

if TYPE_CHECKING:
    from fireside.models.types import ChatModel
    from rag.library import Library

_LONGEST_RESULT = 20_000
_ANSWER_S = 600.0

Name = Annotated[str, Field(min_length=1, max_length=64)]
Question = Annotated[str, Field(min_length=1, max_length=4000)]


@dataclass(frozen=True)
class House:
    """What the tools below work with.

    library: opens a library by name; its answers may be called from threads. model: the chat model, started at the
    first question. turn: a turn for a question, with or without a library.
    """

    library: Callable[[str], Library]
    model: Callable[[], Awaitable[ChatModel]]
    turn: Callable[[str, Library | None], Turn]


def house_tools(house: House) -> tuple[Tool, ...]:
    """`list_libraries`, `search_documents`, `show_document` and `ask`; none of them changes anything."""
    one_at_a_time = asyncio.Lock()

    def list_libraries() -> str:
        """List the document libraries there are, with the number of documents in each."""
        from rag.library import library_names

        lines = [f"{name}: {len(house.library(name).documents())} documents" for name in library_names()]
        return "\n".join(lines) or "there are no libraries"

    def search_documents(query: Question, library: Name = "default", k: Annotated[int, Field(ge=1, le=20)] = 5) -> str:
        """Search a document library; returns the passages that fit best, with the document each is from.

        Args:
            query: a question or words to look for
            library: the library's name
            k: how many passages
        """
        passages = house.library(library).search(query, k)
        found = [f"{_place(each.document, each.page, each.heading)}\n{each.text}" for each in passages]
        return "\n\n".join(found) or "nothing found"

    def show_document(
        document: Annotated[str, Field(min_length=1, max_length=1000)],
        library: Name = "default",
        chunk: Annotated[int, Field(ge=1)] = 1,
    ) -> str:
        """Show a document of a library, one chunk at a time.

        Args:
            document: its path, or the end of its path where only one ends so
            library: the library's name
            chunk: which chunk, counted from 1
        """
        chunks = house.library(library).chunks(document)
        if not 1 <= chunk <= len(chunks):
            raise ToolError(f"{document} has {len(chunks)} chunks, and no chunk {chunk}")
        shown = chunks[chunk - 1]
        return f"{_place(document, shown.page, shown.heading)}, chunk {chunk} of {len(chunks)}\n{shown.text}"

    async def ask(question: Question, library: Name | None = None) -> str:
        """Ask the local assistant one question; with a library, it answers from the documents there and cites them.

        Args:
            question: the question
            library: the name of the library to answer from
        """
        opened = await asyncio.to_thread(house.library, library) if library is not None else None
        async with one_at_a_time:
            return await _answered(await house.model(), house.turn(question, opened))

    reading = Traits(most_characters=_LONGEST_RESULT)
    return (
        tool_from_function(list_libraries, reading),
        tool_from_function(search_documents, reading),
        tool_from_function(show_document, reading),
        tool_from_function(ask, Traits(most_characters=_LONGEST_RESULT, timeout_s=_ANSWER_S)),
    )


async def _answered(model: ChatModel, turn: Turn) -> str:
    """The reply of a turn without tools, with its sources below. Raises ToolError where it failed."""
    from agents.loop import run_turn
    from rag.render import sources_list

    async def nothing(asked: ApprovalAsked) -> Answer:
        return "deny"

    async with aclosing(run_turn(turn, model, nothing)) as events:
        async for event in events:
            if isinstance(event, TurnFailed):
                raise ToolError(event.message, event.hint)
            if isinstance(event, TurnFinished):
                return "\n".join([event.text, *sources_list(event.citations)])
    raise ToolError("the turn ended without an answer")


def _place(document: str, page: int | None, heading: tuple[str, ...]) -> str:
    where = f"page {page}" if page is not None else " > ".join(heading)
    return ", ".join(part for part in (document, where) if part)
