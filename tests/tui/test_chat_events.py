"""Documents and tools in the transcript: sources, refusals, calls, approval; and unsafe text in all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agents.events import (
    ApprovalAsked,
    CitationChecked,
    PassagesFound,
    TextDelta,
    ToolCallAsked,
    ToolResult,
    TurnFinished,
)
from fireside.models.types import Timings, ToolCall, Usage
from rag.types import Citation, Passage
from tui.chat.dialogs import ApprovalDialog

CALL = ToolCall("calculator", {"expression": "2 + 2"})
EVIL = "\x1b]52;c;QQ==\x07\x1b[2J\x9b31m[@click=app.quit]press[/]\u202e[red]"


def finished(text: str, *, citations: tuple[Citation, ...] = (), refused: bool = False) -> TurnFinished:
    return TurnFinished(text, "stop", refused, citations, (), Usage(10, 0, 5), Timings(0, 0.1, 0.1, 42))


def citation(marker: int, verified: bool, **changes: Any) -> Citation:
    fields: dict[str, Any] = {
        "marker": marker, "document": "/home/me/docs/handbook.pdf", "start": 0, "end": 20, "page": 12,
        "heading": ("Care", "Sweeping"), "quote": "Sweep the flue once a year.", "verified": verified,
    }  # fmt: skip
    return Citation(**{**fields, **changes})


async def test_a_document_answer_lists_its_sources(chat_with: Callable[..., Any], turn_of: Callable[..., None]) -> None:
    sources = (citation(1, True), citation(2, False, document="/home/me/docs/wood.md", page=None, quote="Oak is dry."))
    turn_of(
        PassagesFound("How often?", (), True),
        TextDelta("Once a year [1]. "),
        TextDelta("Oak is dry [2]."),
        *(CitationChecked(source) for source in sources),
        finished("Once a year [1]. Oak is dry [2].", citations=sources),
    )
    async with chat_with() as chat:
        await chat.send("How often?")
        await chat.shows("Once a year [1]. Oak is dry [2].")
        lines = [line.strip() for line in chat.text.splitlines()]
        assert "[1] handbook.pdf  page 12" in lines
        assert "[2] wood.md  Care › Sweeping  unverified" in lines
        assert "“Sweep the flue once a year.”" in lines


async def test_a_refusal_is_shown_as_one(chat_with: Callable[..., Any], turn_of: Callable[..., None]) -> None:
    turn_of(
        PassagesFound("Who won?", (), False),
        TextDelta("This is not in these documents."),
        finished("This is not in these documents.", refused=True),
    )
    async with chat_with() as chat:
        await chat.send("Who won?")
        assert "This is not in these documents." in chat.text
        assert "Sources" not in chat.text
        assert chat.session.messages()[-1].details["refused"] is True


async def test_what_no_passage_supports_is_shown(chat_with: Callable[..., Any], turn_of: Callable[..., None]) -> None:
    turn_of(TextDelta("Oak is dry."), replace(finished("Oak is dry."), unsupported=("Oak is dry.",)))
    async with chat_with() as chat:
        await chat.send("Is it?")
        await chat.shows("Not found in the documents")
        assert "“Oak is dry.”" in chat.text


async def test_the_nearest_passages_stand_below_a_refusal(
    chat_with: Callable[..., Any], turn_of: Callable[..., None]
) -> None:
    passage = Passage("/home/me/handbook.pdf", "", 0, 9, "Sweep it.", 12, (), 1.0, 0.2, 0.0)
    turn_of(PassagesFound("Who won?", (passage,), False), finished("Not in these documents.", refused=True))
    async with chat_with() as chat:
        await chat.send("Who won?")
        await chat.shows("Nearest passages")
        lines = [line.strip() for line in chat.text.splitlines()]
        assert lines[lines.index("Nearest passages") + 1 :][:2] == ["handbook.pdf  page 12", "“Sweep it.”"]


@pytest.mark.parametrize(("key", "answer"), [("a", "once"), ("A", "always"), ("d", "deny"), ("escape", "deny")])
async def test_a_tool_call_waits_for_the_person(
    chat_with: Callable[..., Any], turn_of: Callable[..., None], key: str, answer: str
) -> None:
    turn_of(ToolCallAsked(CALL), ApprovalAsked(CALL, "it is not on the list"), finished(""), result="4")
    async with chat_with() as chat:
        await chat.write("What is 2 + 2?")
        await chat.until(lambda: isinstance(chat.app.screen, ApprovalDialog))
        assert "expression: 2 + 2" in chat.text
        assert "it is not on the list" in chat.text
        await chat.pilot.press(key)
        await chat.settled()
        assert 'calculator(expression="2 + 2")' in chat.text
        assert ("denied" in chat.text) == (answer == "deny")
        assert ("4" in [line.strip() for line in chat.text.splitlines()]) == (answer != "deny")
        assert ("calculator" in chat.session.allowed) == (answer == "always")


async def test_other_keys_do_not_allow_a_call(chat_with: Callable[..., Any], turn_of: Callable[..., None]) -> None:
    turn_of(ToolCallAsked(CALL), ApprovalAsked(CALL, ""), finished(""))
    async with chat_with() as chat:
        await chat.write("What is 2 + 2?")
        await chat.until(lambda: isinstance(chat.app.screen, ApprovalDialog))
        await chat.pilot.press("enter", "y", "space")
        assert isinstance(chat.app.screen, ApprovalDialog)
        assert chat.session.busy
        await chat.pilot.press("ctrl+q")
    assert chat.session.allowed == set()


async def test_a_new_conversation_forgets_what_was_allowed(
    chat_with: Callable[..., Any], turn_of: Callable[..., None]
) -> None:
    turn_of(ToolCallAsked(CALL), ApprovalAsked(CALL, ""), finished(""))
    async with chat_with() as chat:
        await chat.write("What is 2 + 2?")
        await chat.until(lambda: isinstance(chat.app.screen, ApprovalDialog))
        await chat.pilot.press("A")
        await chat.settled()
        await chat.write("/new")
        await chat.shows("Ask anything")
        assert chat.session.allowed == set()


async def test_a_long_result_is_folded(chat_with: Callable[..., Any], turn_of: Callable[..., None]) -> None:
    listing = "\n".join(f"file {number}" for number in range(20))
    turn_of(ToolCallAsked(CALL), ToolResult(CALL, "done", listing), TextDelta("There."), finished("There."))
    async with chat_with() as chat:
        await chat.send("List.")
        assert "file 2" in chat.text
        assert "file 3" not in chat.text
        assert "… 17 more lines" in chat.text


async def test_nothing_untrusted_reaches_the_terminal_or_acts(
    chat_with: Callable[..., Any], turn_of: Callable[..., None]
) -> None:
    call = ToolCall("evil" + EVIL, {"path" + EVIL: EVIL})
    source = citation(1, False, document="/x/" + EVIL, page=None, heading=(EVIL,), quote=EVIL)
    turn_of(
        ToolCallAsked(call),
        ApprovalAsked(call, EVIL),
        TextDelta("\x1b"),
        TextDelta("[2J" + EVIL),
        TextDelta("[link](javascript:alert) &#27;[31m &#x202e; <b>html</b> `" + EVIL + "`"),
        finished(EVIL, citations=(source,)),
        result=EVIL,
    )
    async with chat_with(size=(100, 40)) as chat:
        await chat.write("evil?")
        await chat.until(lambda: isinstance(chat.app.screen, ApprovalDialog))
        assert_safe(chat)
        await chat.pilot.press("a")
        await chat.settled()
        assert_safe(chat)
        chat.session.rename(EVIL)
        await chat.pilot.press("ctrl+b")
        await chat.shows("[@click=app.quit]")
        assert_safe(chat)
        await chat.write("/nosuch")
        chat.screen.show_notice(EVIL, error=True)
        await chat.pilot.pause()
        assert_safe(chat)


def assert_safe(chat: Any) -> None:
    """The compositor holds no control character and no style that acts."""
    for strip in chat.app.screen._compositor.render_strips():
        for segment in strip:
            assert all(character >= " " and not "\x7f" <= character <= "\x9f" for character in segment.text), segment
            assert "\u202e" not in segment.text
            if segment.style is not None:
                assert "@click" not in segment.style.meta or "app.quit" not in str(segment.style.meta["@click"])
                assert segment.style.link is None
