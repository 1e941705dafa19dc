"""What happens during a turn, as typed, frozen events: all that the TUI, `fireside ask`, store and tests read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agents.budget import Limit
from agents.state import RunState
from agents.tools import Risk
from fireside.models.types import FinishReason, Timings, ToolCall, Usage
from rag.types import Citation, Passage

Finish = FinishReason | Literal["loop", "budget", "invalid"]
"""Why a turn ended."""


@dataclass(frozen=True)
class TextDelta:
    """The next piece of the reply that the person sees."""

    text: str


@dataclass(frozen=True)
class ThinkingDelta:
    """The next piece of what the model thinks before it replies: shown in passing, and no part of the reply."""

    text: str


@dataclass(frozen=True)
class TurnsDropped:
    """The conversation no longer fits the model's context: its `count` oldest messages are not shown to the model."""

    count: int


@dataclass(frozen=True)
class PassagesFound:
    """What the attached library offered for the question, best first. Scores, not the model, decide `relevant`."""

    query: str
    passages: tuple[Passage, ...]
    relevant: bool


@dataclass(frozen=True)
class ToolsNarrowed:
    """Of `of` tools, these are offered: those whose descriptions are nearest to what was asked."""

    kept: tuple[str, ...]
    of: int


@dataclass(frozen=True)
class ToolCallAsked:
    """The model asked for a tool. number: which of the turn's calls it is, from 1; results and approvals name it."""

    call: ToolCall
    number: int = 1


@dataclass(frozen=True)
class ApprovalAsked:
    """The turn waits until the person allows or denies this call.

    risk: the most the tool can do. preview: what exactly the call does (the command, the path, the diff), "" where its
    arguments say all. sources: what came into the conversation from elsewhere and may be behind the call.
    """

    call: ToolCall
    reason: str
    number: int = 1
    risk: Risk = "reads"
    preview: str = ""
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class ToolResult:
    """A call's end: `status` tells whether it ran, was denied, failed, or could not be made ("invalid": no such tool,
    or arguments that do not fit); `text` is what the model is shown. seconds: that it ran."""

    call: ToolCall
    status: Literal["done", "denied", "failed", "invalid"]
    text: str
    number: int = 1
    seconds: float = 0.0


@dataclass(frozen=True)
class PlanStep:
    """One step of a plan, and how far it is."""

    text: str
    status: Literal["open", "doing", "done"]


@dataclass(frozen=True)
class PlanChanged:
    """The model says what it will do, and how far it is."""

    steps: tuple[PlanStep, ...]


@dataclass(frozen=True)
class ResultsShortened:
    """`count` results of earlier calls are shown to the model shortened from now on: the context is full."""

    count: int


@dataclass(frozen=True)
class BudgetReached:
    """The turn has used up what it may use of this; no further tool is called."""

    limit: Limit


@dataclass(frozen=True)
class Delegated:
    """Something that happened in a part of the work that call `number` gave to another turn."""

    number: int
    event: Event


@dataclass(frozen=True)
class StepEnded:
    """Between two steps: the turn can be gone on from here (`agents/state.py`)."""

    state: RunState


@dataclass(frozen=True)
class CitationChecked:
    """A source of the reply, with the exact span it rests on and whether the program found the support there."""

    citation: Citation


@dataclass(frozen=True)
class TurnFinished:
    """The turn's end.

    text: the whole reply. finish: why it ended; the last three are the loop's own stops ("invalid": too many calls in a
    row that could not be made). thinking: what the model thought before it replied, where it does.
    refused: the documents do not answer the question: by their scores, and the model was not asked, or by its own word.
    unsupported: the sentences of an answer from documents that no passage was found to support.
    untrusted: what came into the conversation from elsewhere, by name (`agents/approval.py`).
    """

    text: str
    finish: Finish
    refused: bool
    citations: tuple[Citation, ...]
    calls: tuple[ToolCall, ...]
    usage: Usage
    timings: Timings
    thinking: str = ""
    unsupported: tuple[str, ...] = ()
    untrusted: tuple[str, ...] = ()


@dataclass(frozen=True)
class TurnFailed:
    """The turn could not go on. What was written before is kept; `message` and `hint` are for the person.

    of: what failed: the arguments that the model wrote for a call, which cannot be read, or anything else.
    """

    message: str
    hint: str | None
    of: Literal["arguments", "turn"] = "turn"


Event = (
    TextDelta
    | ThinkingDelta
    | TurnsDropped
    | PassagesFound
    | ToolsNarrowed
    | ToolCallAsked
    | ApprovalAsked
    | ToolResult
    | PlanChanged
    | ResultsShortened
    | BudgetReached
    | Delegated
    | StepEnded
    | CitationChecked
    | TurnFinished
    | TurnFailed
)
