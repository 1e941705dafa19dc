"""The loop's own tools: a plan that the person sees, and a part of the work given to a turn of its own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from agents.events import (
    Event,
    PlanStep,
    StepEnded,
    TextDelta,
    ThinkingDelta,
    ToolCallAsked,
    ToolResult,
    TurnFailed,
    TurnFinished,
)
from agents.tools import Tool, Traits, tool_from_function
from agents.turn import Turn
from fireside.errors import ToolError

PLAN, DELEGATE = "plan", "delegate"

_SECONDS = 3600.0  # a part of the work ends by its own budget
_CHARACTERS = 8000


class Step(BaseModel):
    """One step, in words the person reads."""

    text: Annotated[str, Field(max_length=120)]
    status: Literal["open", "doing", "done"]


def plan(steps: Annotated[list[Step], Field(min_length=1, max_length=12)]) -> str:
    """Write down the steps of a task that takes several tools, and again with their status when one is done.

    Args:
        steps: all steps of the task, in order
    """
    return f"the person sees the plan: {sum(step.status == 'done' for step in steps)} of {len(steps)} steps done"


def plan_of(arguments: dict[str, Any]) -> tuple[PlanStep, ...]:
    """The steps of a valid call of `plan`."""
    return tuple(PlanStep(step["text"], step["status"]) for step in arguments["steps"])


def of_turn(turn: Turn, delegate_to: Callable[[str], Awaitable[str]]) -> list[Tool]:
    """The own tools that the turn allows. delegate_to: runs a turn for a task and returns its answer."""
    tools = [tool_from_function(plan)] if turn.plans else []
    if turn.delegates:

        async def delegate(task: Annotated[str, Field(max_length=1000)]) -> str:
            """Give a part of the task to an assistant of its own, which sees nothing of this conversation.

            Args:
                task: all it has to know, and what it is to answer
            """
            return await delegate_to(task)

        # What it answers is what its tools told it. Its own calls are decided and asked about one by one.
        traits = Traits(untrusted=True, timeout_s=_SECONDS, most_characters=_CHARACTERS, sequential=True)
        tools.append(tool_from_function(delegate, traits))
    return tools


class Part:
    """A part of the work that another turn does, and what that turn uses.

    tell: told what happens in it, at once. untrusted: gets what comes in from elsewhere.
    """

    def __init__(self, tell: Callable[[Event], None], untrusted: list[str]) -> None:
        self._tell, self._untrusted = tell, untrusted
        self.steps = self.tokens = self.characters = 0

    async def answer(self, events: AsyncGenerator[Event, None]) -> str:
        """Run the turn to its end: its answer. Raises ToolError where it failed."""
        async with aclosing(events) as running:
            async for event in running:
                match event:
                    case TextDelta() | ThinkingDelta():
                        continue
                    case StepEnded(state):
                        self.tokens = state.spent.tokens
                        self._hears_of(state.untrusted)
                        continue
                    case ToolCallAsked():
                        self.steps += 1
                    case ToolResult(_, _, text):
                        self.characters += len(text)
                self._tell(event)
                if isinstance(event, TurnFailed):
                    raise ToolError(event.message, event.hint)
                if isinstance(event, TurnFinished):
                    self.tokens = event.usage.completion_tokens
                    self._hears_of(event.untrusted)
                    return event.text or "nothing was answered"
        raise ToolError("the part of the work did not end")

    def _hears_of(self, sources: Sequence[str]) -> None:
        self._untrusted += [source for source in sources if source not in self._untrusted]
