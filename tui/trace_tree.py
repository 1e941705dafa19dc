"""A kept run as a tree of lines, for the command and the screen: pure functions from events to nodes."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from agents.events import (
    ApprovalAsked,
    CitationChecked,
    Delegated,
    Event,
    PassagesFound,
    PlanChanged,
    TextDelta,
    ThinkingDelta,
    ToolCallAsked,
    ToolResult,
    TurnFailed,
    TurnFinished,
)
from agents.traces import Answered, KeptEvent, Run
from fireside.text import for_terminal, for_terminal_line
from tui.chat.rendering import MARKS, written_arguments
from tui.event_lines import RISKS, event_line, plan_line

Kind = Literal["run", "call", "denied", "failed", "asked", "note", "text"]
"""What a line is about; the screen gives it its colour."""

MOST_LINES = 200
_WIDTH = 400


@dataclass
class Node:
    """A line and what lies folded below it."""

    text: str
    kind: Kind
    below: list[Node] = field(default_factory=list)


def run_line(run: Run) -> str:
    """A run in one line."""
    when = datetime.datetime.fromtimestamp(run.started).strftime("%Y-%m-%d %H:%M")
    parts = [f"{run.id:>4}", when, run.origin, run.finish or "not ended"]
    if run.ended is not None:
        parts.append(f"{run.ended - run.started:.1f} s")
    if run.usage is not None:
        parts.append(f"{run.usage.prompt_tokens}+{run.usage.completion_tokens} tokens")
    return "  ".join([*parts, for_terminal_line(run.question, 80)])


def tree_of(run: Run, events: Sequence[KeptEvent], answers: Sequence[Answered]) -> Node:
    """The whole run: calls with arguments, approvals with reason and sources, results, seconds, tokens."""
    root = Node(run_line(run).strip(), "run")
    root.below.append(Node(f"model {for_terminal_line(run.model, 80)}", "note"))
    if run.parent is not None:
        root.below.append(Node(f"goes on from run {run.parent}", "note"))
    _grow(root, [(each.event, each) for each in events], list(answers))
    return root


def as_lines(node: Node, depth: int = 0) -> Iterator[str]:
    """The tree as text, two spaces a level."""
    yield "  " * depth + node.text
    for each in node.below:
        yield from as_lines(each, depth + 1)


def _grow(parent: Node, events: Sequence[tuple[Event, KeptEvent | None]], answers: list[Answered]) -> None:
    """Put the events below `parent`; what belongs to a call, below the call.

    events: each with when it came, where that is known. answers: those not yet found a question for.
    """
    calls: dict[int, Node] = {}
    inner: dict[int, list[tuple[Event, KeptEvent | None]]] = {}
    tokens = 0
    for event, kept in events:
        match event:
            case ToolCallAsked(call, number):
                node = Node(
                    f"{MARKS['asked']} {for_terminal_line(call.name)}({written_arguments(call.arguments, _WIDTH)})",
                    "call",
                )
                if kept is not None:
                    node.text += f"  at {kept.at:.2f} s, {kept.tokens - tokens} tokens"
                    tokens = kept.tokens
                calls[number] = node
                parent.below.append(node)
            case ApprovalAsked(_, _, number):
                calls.get(number, parent).below.append(_approval(event, answers))
            case Delegated(number, part):
                inner.setdefault(number, []).append((part, None))
            case ToolResult(_, status, text, number, seconds):
                node = calls.get(number, parent)
                _grow(node, inner.pop(number, []), answers)
                kind: Kind = "denied" if status == "denied" else "text" if status == "done" else "failed"
                node.below.append(Node(f"{status} in {seconds:.2f} s", kind, _text(text)))
                if node is not parent:
                    node.text = node.text.replace(MARKS["asked"], MARKS[status], 1)
                    node.kind = "call" if status == "done" else kind
            case _:
                parent.below += _other(event, kept)
    for number, rest in inner.items():
        _grow(calls.get(number, parent), rest, answers)


def _approval(asked: ApprovalAsked, answers: list[Answered]) -> Node:
    """What the person was asked and shown, and what they answered."""
    node = Node(f"asked: {for_terminal_line(asked.reason, _WIDTH)}", "asked", [Node(RISKS[asked.risk], "note")])
    if asked.sources:
        node.below.append(Node(f"read before: {for_terminal_line(', '.join(asked.sources), _WIDTH)}", "denied"))
    node.below += _text(asked.preview)
    place = next((place for place, each in enumerate(answers) if each.asked == asked), None)
    if place is None:
        node.below.append(Node("not answered", "denied"))
    else:
        answer = answers.pop(place)
        kind: Kind = "denied" if answer.answer == "deny" else "asked"
        node.below.append(Node(f"answer: {answer.answer}, by {answer.by}, at {answer.at:.2f} s", kind))
    return node


def _other(event: Event, kept: KeptEvent | None) -> list[Node]:
    match event:
        case TextDelta(text):
            return [Node("said", "text", _text(text))]
        case ThinkingDelta(text):
            return [Node(f"thought for {len(text.split())} words", "note", _text(text))]
        case PassagesFound(query, passages, relevant):
            found = [Node(for_terminal_line(f"{each.document}: {each.text}", _WIDTH), "note") for each in passages]
            bears = "" if relevant else ", which do not bear on it"
            return [
                Node(f"searched for {for_terminal_line(query, 200)}: {len(passages)} passages{bears}", "note", found)
            ]
        case CitationChecked(citation):
            state = "found" if citation.verified else "not found"
            return [Node(f"source [{citation.marker}] {state} in {for_terminal_line(citation.document)}", "note")]
        case PlanChanged(steps):
            return [
                Node(
                    event_line(event) or "", "note", [Node(plan_line(step.text, step.status), "note") for step in steps]
                )
            ]
        case TurnFinished():
            usage = event.usage
            told = f"{usage.prompt_tokens}+{usage.completion_tokens} tokens"
            at = "" if kept is None else f" at {kept.at:.2f} s"
            return [Node(f"ended: {event.finish}{at}, {told}", "run")]
        case TurnFailed(message, hint):
            below = [Node(for_terminal_line(hint, _WIDTH), "note")] if hint else []
            return [Node(f"failed: {for_terminal_line(message, _WIDTH)}", "failed", below)]
        case _:
            line = event_line(event)
            return [] if line is None else [Node(line, "note")]


def _text(text: str) -> list[Node]:
    """The lines of a text, and how many are left out."""
    lines = for_terminal(text).splitlines()
    nodes = [Node(line, "text") for line in lines[:MOST_LINES]]
    return nodes if len(lines) <= MOST_LINES else [*nodes, Node(f"… {len(lines) - MOST_LINES} more lines", "note")]
