"""The events of a turn that are told in one quiet line, in words that chat, command and traces share."""

from __future__ import annotations

from agents.budget import Limit
from agents.events import (
    BudgetReached,
    Event,
    PlanChanged,
    ResultsShortened,
    ToolsNarrowed,
    TurnsDropped,
)
from agents.tools import Risk
from fireside.text import for_terminal_line

RISKS: dict[Risk, str] = {
    "reads": "It only looks at what you shared.",
    "writes": "It changes what is kept: files, or notes.",
    "executes": "It runs a program.",
    "network": "It talks to another machine or program, which sees what is in the request.",
}
"""What a tool can do, at most, for the person who is to allow it."""

_LIMITS: dict[Limit, str] = {
    "steps": "so many calls",
    "tokens": "so many words",
    "seconds": "so much time",
    "characters": "so much to read",
}
_PLAN_MARKS = {"open": "☐", "doing": "▶", "done": "☑"}


def event_line(event: Event) -> str | None:
    """One line for an event that is neither text, nor a call, nor the turn's end; None for every other."""
    match event:
        case TurnsDropped(count):
            return f"the context is full: the model no longer sees the first {count} messages"
        case ToolsNarrowed(kept, of):
            return for_terminal_line(f"{len(kept)} of {of} tools are offered: {', '.join(kept)}", 300)
        case ResultsShortened(count):
            return f"the context is full: {count} earlier results are shown to the model shortened"
        case BudgetReached(limit):
            return f"no more tools: a turn may use {_LIMITS[limit]} and no more ({limit})"
        case PlanChanged(steps):
            return f"plan: {sum(step.status == 'done' for step in steps)} of {len(steps)} steps done"
        case _:
            return None


def plan_line(text: str, status: str) -> str:
    """A step of a plan with its box; status: as `PlanStep` has it."""
    return f"{_PLAN_MARKS.get(status, '☐')} {for_terminal_line(text, 200)}"
