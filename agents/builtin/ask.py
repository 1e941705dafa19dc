"""The tool `ask_person`: a question for the person in the middle of the work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from pydantic import Field

from agents.tools import Tool, Traits, tool_from_function
from fireside.text import for_terminal_line

Ask = Callable[[str, tuple[str, ...]], Awaitable[str]]
"""Shows a question with the answers to choose from (none: any words will do) and returns the person's answer."""

_TIMEOUT_S = 3600.0  # a person may be away
_Option = Annotated[str, Field(min_length=1, max_length=80)]


def ask_tools(ask: Ask) -> tuple[Tool, ...]:
    """`ask_person`. ask: how the person is asked; cancelled when the turn is."""

    async def ask_person(
        question: Annotated[str, Field(min_length=1, max_length=400)],
        options: Annotated[list[_Option], Field(max_length=6)] = [],  # noqa: B006 - read only, and the schema's default
    ) -> str:
        """Ask the person a question that only they can answer, such as which of two things they mean.

        Args:
            question: the question, in one sentence
            options: the answers to choose from; leave out for any answer

        Examples:
            ask me which city I mean -> {"question": "Which city do you mean?", "options": []}
            let me choose tea or coffee -> {"question": "Tea or coffee?", "options": ["tea", "coffee"]}
        """
        answer = await ask(for_terminal_line(question, 400), tuple(for_terminal_line(each, 80) for each in options))
        return f"the person answered: {answer}" if answer.strip() else "the person gave no answer"

    return (tool_from_function(ask_person, Traits(timeout_s=_TIMEOUT_S, sequential=True, person=True)),)
