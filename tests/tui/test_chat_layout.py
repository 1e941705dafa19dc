"""Small terminals, the list of conversations in them, and what is focused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agents.events import ApprovalAsked, TextDelta, ToolCallAsked, TurnFinished
from fireside.models.types import Timings, ToolCall, Usage
from tui.chat.dialogs import ApprovalDialog


@pytest.mark.parametrize("size", [(40, 20), (60, 20), (30, 10), (200, 60)])
async def test_a_chat_fits_any_terminal(chat_with: Callable[..., Any], size: tuple[int, int]) -> None:
    async with chat_with([["A long answer that has to be broken over several lines to fit."]], size=size) as chat:
        assert "Write a message" in chat.text
        await chat.send("Is forty columns enough for a question as long as this one?")
        lines = chat.text.splitlines()
        assert all(len(line) <= size[0] for line in lines)
        assert "lines to fit" in " ".join(line.strip() for line in lines)
        assert "ready" in lines[-1]


async def test_the_conversations_cover_a_narrow_chat_and_stand_beside_a_wide_one(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Oak."]], size=(100, 24)) as chat:
        await chat.send("Which wood?")
        await chat.pilot.press("ctrl+b")
        await chat.shows("Conversations")
        assert "Oak." in chat.text
        await chat.pilot.resize_terminal(40, 20)
        await chat.until(lambda: "Oak." not in chat.text)
        await chat.pilot.press("escape")
        await chat.shows("Oak.")
        assert "Conversations" not in chat.text
        assert chat.app.focused is chat.screen.prompt


async def test_an_approval_can_be_read_in_forty_columns(
    chat_with: Callable[..., Any], turn_of: Callable[..., None]
) -> None:
    call = ToolCall("read_file", {"path": "a/very/long/path/that/needs/more/than/one/line.txt"})
    finished = TurnFinished("Done.", "stop", False, (), (call,), Usage(), Timings())
    turn_of(ToolCallAsked(call), ApprovalAsked(call, "it reads"), TextDelta("Done."), finished)
    async with chat_with(size=(40, 20)) as chat:
        await chat.write("Read it.")
        await chat.until(lambda: isinstance(chat.app.screen, ApprovalDialog))
        text = "".join(line.strip("▎ ") for line in chat.text.splitlines())
        assert "a/very/long/path/that/needs/more/than/one/line.txt" in text
        assert "allow once" in chat.text
        assert "deny" in chat.text


async def test_the_prompt_has_the_focus_at_first_and_after_a_reply(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Oak."]]) as chat:
        assert chat.app.focused is chat.screen.prompt
        await chat.send("Which wood?")
        assert chat.app.focused is chat.screen.prompt


async def test_the_list_of_conversations_shows_titles_from_anywhere_safely(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        chat.store.create("s", "m", "[bold]not markup[/] \x1b[31m")
        await chat.pilot.press("ctrl+b")
        await chat.shows("[bold]not")
