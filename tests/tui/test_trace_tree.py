"""A run as a tree of lines."""

from __future__ import annotations

from agents.events import (
    ApprovalAsked,
    BudgetReached,
    Delegated,
    Event,
    PlanChanged,
    PlanStep,
    ResultsShortened,
    TextDelta,
    ToolCallAsked,
    ToolResult,
    ToolsNarrowed,
    TurnFailed,
    TurnFinished,
)
from agents.traces import Answered, Held, KeptEvent, Run
from fireside.models.types import Timings, ToolCall, Usage
from tui.trace_tree import MOST_LINES, as_lines, tree_of

RUN = Run(3, 2, "chat", 1, 2, "What\x1b[2J now?", "tiny", Held(), 0.0, 4.0, "stop", Usage(10, 0, 5))
READ, WRITE = ToolCall("read", {"what": "page"}), ToolCall("write", {"path": "a\u202eb"})


def lines(*events: Event, answers: tuple[Answered, ...] = ()) -> list[str]:
    kept = [KeptEvent(number / 2, number, event) for number, event in enumerate(events)]
    return list(as_lines(tree_of(RUN, kept, answers)))[3:]


def test_what_belongs_to_a_call_lies_below_it_and_an_answer_below_its_question() -> None:
    first = ApprovalAsked(READ, "not allowed", 1, "network", "GET /page")
    second = ApprovalAsked(WRITE, "may be theirs", 2, "writes", "--- a\n+++ b", ("read(page)",))
    told = lines(
        ToolCallAsked(READ, 1),
        first,
        ToolCallAsked(WRITE, 2),
        second,
        ToolResult(WRITE, "denied", "no", 2),
        ToolResult(READ, "done", "the page", 1, 0.25),
        answers=(Answered(second, "deny", "person", 2.5), Answered(first, "once", "person", 1.0)),
    )
    assert told == [
        '  ● read(what="page")  at 0.00 s, 0 tokens',
        "    asked: not allowed",
        "      It talks to another machine or program, which sees what is in the request.",
        "      GET /page",
        "      answer: once, by person, at 1.00 s",
        "    done in 0.25 s",
        "      the page",
        '  ⊘ write(path="ab")  at 1.00 s, 2 tokens',
        "    asked: may be theirs",
        "      It changes what is kept: files, or notes.",
        "      read before: read(page)",
        "      --- a",
        "      +++ b",
        "      answer: deny, by person, at 2.50 s",
        "    denied in 0.00 s",
        "      no",
    ]


def test_a_question_that_was_never_answered_says_so() -> None:
    assert lines(ToolCallAsked(READ, 1), ApprovalAsked(READ, "why", 1))[-1] == "      not answered"


def test_a_part_of_the_work_lies_below_its_call_and_keeps_its_own_numbers() -> None:
    part = ToolCall("delegate", {"task": "Read."})
    told = lines(
        ToolCallAsked(part, 1),
        Delegated(1, ToolCallAsked(READ, 1)),
        Delegated(1, ToolResult(READ, "done", "the page", 1, 0.5)),
        ToolResult(part, "done", "It says so.", 1, 1.0),
    )
    assert told == [
        '  ● delegate(task="Read.")  at 0.00 s, 0 tokens',
        '    ● read(what="page")',
        "      done in 0.50 s",
        "        the page",
        "    done in 1.00 s",
        "      It says so.",
    ]


def test_the_rest_is_one_line_each() -> None:
    plan = PlanChanged((PlanStep("Look", "done"), PlanStep("Write", "doing"), PlanStep("Tell", "open")))
    told = lines(ToolsNarrowed(("a", "b"), 20), plan, ResultsShortened(2), BudgetReached("steps"))
    assert told == [
        "  2 of 20 tools are offered: a, b",
        "  plan: 1 of 3 steps done",
        "    ☑ Look",
        "    ▶ Write",
        "    ☐ Tell",
        "  the context is full: 2 earlier results are shown to the model shortened",
        "  no more tools: a turn may use so many calls and no more (steps)",
    ]


def test_the_end_and_long_texts() -> None:
    end = TurnFinished("So.", "budget", False, (), (), Usage(10, 0, 5), Timings())
    assert lines(end) == ["  ended: budget at 0.00 s, 10+5 tokens"]
    assert lines(TurnFailed("it failed", "try again")) == ["  failed: it failed", "    try again"]
    told = lines(TextDelta("\n".join(["x"] * (MOST_LINES + 3))))
    assert told[-1] == "    … 3 more lines"


def test_the_first_lines_tell_of_the_run_and_nothing_acts_on_a_terminal() -> None:
    first, *rest = as_lines(tree_of(RUN, [], ()))
    assert first.endswith("chat  stop  4.0 s  10+5 tokens  What now?")
    assert rest == ["  model tiny", "  goes on from run 2"]
