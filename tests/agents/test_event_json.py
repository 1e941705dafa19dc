"""Every event of a turn as JSON and back."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from agents.budget import Spent
from agents.event_json import pack, unpack
from agents.events import (
    ApprovalAsked,
    BudgetReached,
    CitationChecked,
    Delegated,
    Event,
    PassagesFound,
    PlanChanged,
    PlanStep,
    ResultsShortened,
    StepEnded,
    TextDelta,
    ThinkingDelta,
    ToolCallAsked,
    ToolResult,
    ToolsNarrowed,
    TurnFailed,
    TurnFinished,
    TurnsDropped,
)
from agents.state import RunState
from fireside.errors import FiresideError
from fireside.models.types import Message, Timings, ToolCall, Usage
from rag.types import Citation, Passage

CALL = ToolCall("shell", {"argv": ["ls", "-la"], "deep": {"list": [1, 2.5, None, True]}, "ü": "\ud800"})
CITATION = Citation(1, "a.md", 0, 4, None, ("Heat", "Wood"), "Oak.", True)
PASSAGE = Passage("a.md", "A", 0, 4, "Oak.", 3, (), 1.0, 0.5, 2.0)
MESSAGES = (Message("system", ""), Message("assistant", "Hm.", (CALL,)), Message("tool", "out", tool="shell"))
STATE = RunState(MESSAGES, (CALL,), (CALL,), "Hm.", 2, Spent(1, 20, 0.5, 300), ("page",), 1)
FINISHED = TurnFinished(
    "Oak.", "budget", False, (CITATION,), (CALL,), Usage(1, 2, 3), Timings(0.5), "Hm.", ("So.",), ("page",)
)
EVENTS: tuple[Event, ...] = (
    TextDelta("ü\n"),
    ThinkingDelta("Hm."),
    TurnsDropped(3),
    PassagesFound("oak", (PASSAGE, PASSAGE), True),
    ToolsNarrowed(("a", "b"), 20),
    ToolCallAsked(CALL, 2),
    ApprovalAsked(CALL, "why", 2, "executes", "ls -la", ("page", "note")),
    ToolResult(CALL, "invalid", "no", 2, 0.25),
    PlanChanged((PlanStep("Look", "done"), PlanStep("Write", "open"))),
    ResultsShortened(2),
    BudgetReached("steps"),
    Delegated(1, Delegated(2, ToolResult(CALL, "done", "out"))),
    StepEnded(STATE),
    CitationChecked(CITATION),
    FINISHED,
    TurnFailed("it failed", None),
)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_as_it_was(event: Event) -> None:
    assert unpack(json.loads(json.dumps(pack(event)))) == event


def test_every_kind_of_event_is_tried_above() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(Event))


def test_a_field_that_a_newer_version_added_is_left_out() -> None:
    assert unpack({"kind": "TextDelta", "text": "So.", "tone": "warm"}) == TextDelta("So.")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"kind": "Exploded"},
        {"kind": "TextDelta"},
        {"kind": "TextDelta", "text": 3},
        {"kind": "ToolCallAsked", "call": 3},
        {"kind": "Delegated", "number": 1, "event": {"kind": "Exploded"}},
        [1],
    ],
)
def test_what_is_no_event_is_said(document: Any) -> None:
    with pytest.raises(FiresideError, match="no event of a turn"):
        unpack(document)
