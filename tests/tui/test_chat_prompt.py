"""The prompt: lines, paste, history, and the dropdown of commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual import events
from textual.widgets import TextArea

from tui.chat.dialogs import TextDialog
from tui.chat.prompt import Dropdown


@pytest.mark.parametrize("key", ["ctrl+j", "shift+enter", "alt+enter"])
async def test_a_new_line_is_not_a_sent_message(chat_with: Callable[..., Any], key: str) -> None:
    async with chat_with([["Yes."]]) as chat:
        await chat.pilot.press("a", key, "b")
        assert chat.screen.prompt.text == "a\nb"
        assert chat.session.messages() == []
        await chat.pilot.press("enter")
        await chat.until(lambda: len(chat.texts()) == 2)
        assert chat.texts()[0] == "a\nb"
        assert chat.screen.prompt.text == ""


async def test_the_prompt_grows_with_its_text_up_to_eight_lines(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        assert chat.screen.prompt.size.height == 1
        chat.screen.prompt.fill("\n".join("abc"))
        await chat.until(lambda: chat.screen.prompt.size.height == 3)
        chat.screen.prompt.fill("\n".join("abcdefghijkl"))
        await chat.until(lambda: chat.screen.prompt.size.height == 8)


async def test_an_empty_message_is_not_sent(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        await chat.pilot.press("space", "enter")
        assert chat.session.conversation is None


async def test_pasted_text_loses_what_a_terminal_would_act_on(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Yes."]]) as chat:
        pasted = "red \x1b[31mtext\x1b[0m\r\nclip\x1b]52;c;AAAA\x07 \x9b2J end\u202e"
        chat.app.post_message(events.Paste(pasted))
        await chat.until(lambda: chat.screen.prompt.text)
        assert chat.screen.prompt.text == "red text\nclip  end"
        await chat.pilot.press("enter")
        await chat.settled()
        assert chat.texts()[0] == "red text\nclip  end"


async def test_text_pasted_into_a_dialog_is_made_safe_too(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        await chat.write("/system")
        await chat.until(lambda: isinstance(chat.app.screen, TextDialog))
        area = chat.app.screen.query_one(TextArea)
        area.text = ""
        chat.app.post_message(events.Paste("be \x1b[31mkind\x9b2J"))
        await chat.until(lambda: area.text)
        assert area.text == "be kind"


async def test_up_recalls_what_was_sent_and_down_brings_the_draft_back(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["1"], ["2"]]) as chat:
        await chat.send("one")
        await chat.send("two")
        chat.screen.prompt.fill("draft")
        await chat.pilot.press("up")
        assert chat.screen.prompt.text == "two"
        await chat.pilot.press("up", "up")
        assert chat.screen.prompt.text == "one"
        await chat.pilot.press("down", "down")
        assert chat.screen.prompt.text == "draft"


async def test_up_inside_a_text_moves_the_cursor(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["1"]]) as chat:
        await chat.send("one")
        chat.screen.prompt.fill("a\nb")
        await chat.pilot.press("up")
        assert chat.screen.prompt.text == "a\nb"
        assert chat.screen.prompt.cursor_location[0] == 0


async def test_typing_a_command_offers_completions(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        dropdown = chat.screen.query_one(Dropdown)
        await chat.pilot.press("/", "t")
        assert dropdown.display
        offered = [completion.label.split()[0] for completion in dropdown.completions]
        assert offered == ["/tree", "/tag", "/tools", "/trace", "/traces", "/train", "/theme", "/tour"]
        await chat.pilot.press(*["down"] * 6, "tab")
        assert chat.screen.prompt.text == "/theme "
        await chat.shows("› dark" if dropdown.place is not None else "dark")
        await chat.pilot.press("l", "enter")
        await chat.until(lambda: chat.app.theme == "fireside-light")
        assert chat.screen.prompt.text == ""


async def test_enter_completes_and_runs_a_command_without_argument(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        await chat.pilot.press("/", "h", "e", "enter")
        await chat.shows("Escape closes")


async def test_escape_closes_the_list_and_keeps_the_text(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        await chat.pilot.press("/", "n")
        await chat.pilot.press("escape")
        assert not chat.screen.query_one(Dropdown).display
        assert chat.screen.prompt.text == "/n"


async def test_keys_count_in_the_order_they_were_pressed(chat_with: Callable[..., Any]) -> None:
    """A slow moment: letters and Enter reach the app together."""
    async with chat_with([["Oak."]]) as chat:
        for key in ("w", "h", "y", "enter"):
            chat.app.post_message(events.Key(key, key if len(key) == 1 else "\r"))
        await chat.until(lambda: chat.texts() == ["why", "Oak."])
