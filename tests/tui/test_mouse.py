"""The mouse: what can be done by a key on the screen can be clicked on too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.geometry import Offset
from textual.widgets import OptionList, Static

from agents.events import ApprovalAsked, TextDelta, ToolCallAsked, TurnFinished
from fireside.models.types import Timings, ToolCall, Usage
from tui.chat.dialogs import ApprovalDialog, ChoiceDialog, ConfirmDialog
from tui.chat.prompt import Dropdown
from tui.chat.sidebar import ConversationList


def place_of(chat: Any, text: str) -> tuple[int, int]:
    """Where `text` stands on the screen: column and row of its second character."""
    for row, line in enumerate(chat.text.splitlines()):
        if text in line:
            return line.index(text) + 1, row
    raise AssertionError(f"{text!r} is not on the screen:\n{chat.text}")


async def click(chat: Any, text: str) -> None:
    """Click on `text`."""
    await chat.shows(text)
    await chat.pilot.click(offset=place_of(chat, text))
    await chat.pilot.pause()


async def test_a_clicked_message_has_the_focus(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Oak burns long."]]) as chat:
        await chat.send("Which wood?")
        await click(chat, "Oak burns long.")
        assert chat.app.focused is chat.screen.transcript.views[-1]


async def test_a_clicked_conversation_opens(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Oak."], ["Low."]]) as chat:
        await chat.send("Which wood?")
        await chat.write("/new")
        await chat.until(lambda: chat.session.conversation is None)
        await chat.send("Which flame?")
        await chat.pilot.press("ctrl+b")
        await chat.until(lambda: chat.screen.query_one(ConversationList).option_count == 2)
        await click(chat, "Which wood?")
        await chat.until(lambda: chat.texts()[:1] == ["Which wood?"])


async def test_a_clicked_completion_is_written_out(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        await chat.pilot.press("slash", "t")
        await click(chat, "/theme")
        assert chat.screen.prompt.text == "/theme "
        assert chat.app.focused is chat.screen.prompt


async def test_the_list_scrolled_down_takes_the_line_that_was_clicked(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        await chat.pilot.press("slash", *["down"] * 12)
        dropdown = chat.screen.query_one(Dropdown)
        marked = dropdown.completions[dropdown.place]
        await click(chat, marked.label)
        assert chat.screen.prompt.text == marked.line


async def test_a_clicked_line_of_a_dialog_is_chosen(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Oak."], ["Low."]]) as chat:
        await chat.send("Which wood?")
        await chat.write("/new")
        await chat.until(lambda: chat.session.conversation is None)
        await chat.send("Which flame?")
        await chat.write("/open")
        await chat.until(lambda: isinstance(chat.app.screen, ChoiceDialog))
        options = chat.app.screen.query_one(OptionList)
        await chat.pilot.click(options, offset=Offset(2, 1))
        await chat.until(lambda: chat.texts()[:1] == ["Which wood?"])


@pytest.mark.parametrize(("answer", "said"), [("y yes", True), ("n no", False)])
async def test_a_question_is_answered_by_a_click(chat_with: Callable[..., Any], answer: str, said: bool) -> None:
    async with chat_with() as chat:
        answers: list[bool | None] = []
        chat.app.push_screen(ConfirmDialog("Replace the file?"), answers.append)
        await click(chat, answer)
        await chat.until(lambda: answers == [said])


async def test_a_tool_is_allowed_by_a_click(chat_with: Callable[..., Any], turn_of: Callable[..., None]) -> None:
    call = ToolCall("read_file", {"path": "stove.txt"})
    finished = TurnFinished("Done.", "stop", False, (), (call,), Usage(), Timings())
    turn_of(ToolCallAsked(call), ApprovalAsked(call, "it reads"), TextDelta("Done."), finished, result="what it says")
    async with chat_with() as chat:
        await chat.write("Read it.")
        await chat.until(lambda: isinstance(chat.app.screen, ApprovalDialog))
        assert chat.app.screen.query(Static)
        await click(chat, "allow once")
        await chat.settled()
        assert "what it says" in str(chat.session.messages()[-1].details)
