"""What a turn sounds like in lines: who speaks, what was done, how it ended; nothing a terminal would act on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agents.events import (
    ApprovalAsked,
    Delegated,
    TextDelta,
    ThinkingDelta,
    ToolCallAsked,
    ToolResult,
    TurnFailed,
    TurnFinished,
    TurnsDropped,
)
from fireside.models.types import Timings, ToolCall, Usage
from rag.types import Citation
from tui.plain import turn
from tui.plain.turn import Telling, approver

CALL = ToolCall("read_file", {"path": "stove.txt"})


def finished(text: str, *sources: Citation, finish: Any = "stop") -> TurnFinished:
    return TurnFinished(text, finish, False, sources, (), Usage(), Timings())


def told(capsys: pytest.CaptureFixture[str], *events: Any) -> list[str]:
    """The lines that a turn of these events is told in."""
    telling = Telling()
    for event in events:
        telling.take(event)
    telling.stop()
    return capsys.readouterr().out.splitlines()


def test_a_reply_is_one_announcement_and_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, TextDelta("Oak "), TextDelta("burns\nlong."), finished("Oak burns\nlong."))
    assert lines == ["Assistant: Oak burns", "long."]


def test_thoughts_are_announced_once_and_not_read_out(capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(capsys, ThinkingDelta("hm"), ThinkingDelta("so"), TextDelta("Oak."), finished("Oak."))
    assert lines == ["Thinking.", "Assistant: Oak."]


def test_tools_are_told_and_the_assistant_is_announced_again(capsys: pytest.CaptureFixture[str]) -> None:
    events = (
        TextDelta("Let me look."),
        ToolCallAsked(CALL),
        ApprovalAsked(CALL, "it reads"),
        ToolResult(CALL, "done", "keep it\nswept"),
        Delegated(2, ToolResult(CALL, "failed", "gone")),
        TextDelta("Sweep it."),
        finished("Sweep it."),
    )
    assert told(capsys, *events) == [
        "Assistant: Let me look.",
        'Tool read_file: path="stove.txt"',
        "Tool read_file done: keep it swept",
        "Delegated: tool read_file failed.",
        "Assistant: Sweep it.",
    ]


def test_sources_are_read_out_with_their_place(capsys: pytest.CaptureFixture[str]) -> None:
    sources = (
        Citation(1, "/docs/stove.pdf", 0, 9, 12, ("Care",), "Sweep it yearly.", True),
        Citation(2, "/docs/wood.md", 0, 9, None, ("Wood", "Drying"), "Two years.", False),
    )
    assert told(capsys, TextDelta("Yearly [1]."), finished("Yearly [1].", *sources))[1:] == [
        "Source 1: stove.pdf, page 12. Sweep it yearly.",
        "Source 2: wood.md, Drying. Two years. Not verified.",
    ]


def test_other_ends_are_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, TextDelta("So")) == ["Assistant: So", "Stopped. What came is kept."]
    assert told(capsys, TextDelta("So"), TurnFailed("the model died", "start again")) == [
        "Assistant: So", "Failed: the model died", "start again",
    ]  # fmt: skip
    assert told(capsys, TextDelta("So"), finished("So", finish="length"))[-1].startswith("The reply was cut off")
    assert "first 3 messages" in told(capsys, TurnsDropped(3), TextDelta("So"), finished("So"))[0]


def test_nothing_that_a_terminal_would_act_on_gets_out(capsys: pytest.CaptureFixture[str]) -> None:
    evil = ToolCall("x\x1b[2J", {"path": "\x1b]52;c;AAAA\x07\u202e"})
    telling = Telling()
    for event in (TextDelta("a\x1b["), TextDelta("31mb"), ToolCallAsked(evil), ToolResult(evil, "done", "\x9b2J")):
        telling.take(event)
    telling.stop()
    out = capsys.readouterr().out
    assert "Assistant: ab" in out
    assert not set("\x1b\x07\x9b\u202e") & set(out)


class _Session:
    """What an approver looks at."""

    def __init__(self) -> None:
        self.tools: tuple[Any, ...] = ()
        self.folder = None
        self.allowed: set[str] = set()


@pytest.mark.parametrize(
    ("typed", "answer"), [("y", "once"), ("a", "always"), ("n", "deny"), ("", "deny"), (None, "deny"), ("f", "deny")]
)
def test_a_call_is_shown_whole_and_only_a_clear_yes_allows_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, typed: str | None, answer: str
) -> None:
    async def asked(question: str) -> str | None:
        assert "y yes" in question
        assert "n no" in question
        assert "folder" not in question
        return typed

    monkeypatch.setattr(turn, "asked", asked)
    session = _Session()
    call = ToolCall("read_file", {"path": "a" * 300 + "\nsecond\u200bline"})
    found: str = asyncio.run(approver(session)(ApprovalAsked(call, "it reads")))  # type: ignore[arg-type]  # enough of one
    assert (found, session.allowed) == (answer, {"read_file"} if typed == "a" else set())
    out = capsys.readouterr().out
    assert "a" * 300 in out
    assert "second\\u200bline" in out
    assert "It only looks at what you shared." in out
