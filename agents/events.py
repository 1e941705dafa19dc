"""What happens during a turn, as typed, frozen events: all that the TUI, `fireside ask`, store and tests read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fireside.models.types import FinishReason, Timings, ToolCall, Usage
from rag.types import Citation, Passage


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
class ToolCallAsked:
    """The model asked for a tool; its arguments are valid for the tool's schema."""

    call: ToolCall


@dataclass(frozen=True)
class ApprovalAsked:
    """The turn waits until the person allows or denies this call."""

    call: ToolCall
    reason: str


@dataclass(frozen=True)
class ToolResult:
    """A call's end: `status` tells whether it ran, was denied, or failed; `text` is what the model is shown."""

    call: ToolCall
    status: Literal["done", "denied", "failed"]
    text: str


@dataclass(frozen=True)
class CitationChecked:
    """A source of the reply, with the exact span it rests on and whether the program found the support there."""

    citation: Citation


@dataclass(frozen=True)
class TurnFinished:
    """The turn's end.

    text: the whole reply. finish: why it ended ("loop" and "budget" are the loop's own stops). thinking: what the model
    thought before it replied, where it does.
    refused: the documents do not answer the question: by their scores, and the model was not asked, or by its own word.
    unsupported: the sentences of an answer from documents that no passage was found to support.
    """

    text: str
    finish: FinishReason | Literal["loop", "budget"]
    refused: bool
    citations: tuple[Citation, ...]
    calls: tuple[ToolCall, ...]
    usage: Usage
    timings: Timings
    thinking: str = ""
    unsupported: tuple[str, ...] = ()


@dataclass(frozen=True)
class TurnFailed:
    """The turn could not go on. What was written before is kept; `message` and `hint` are for the person."""

    message: str
    hint: str | None


Event = (
    TextDelta
    | ThinkingDelta
    | TurnsDropped
    | PassagesFound
    | ToolCallAsked
    | ApprovalAsked
    | ToolResult
    | CitationChecked
    | TurnFinished
    | TurnFailed
)
