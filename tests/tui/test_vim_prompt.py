"""The prompt with vim's keys: modes are shown, Enter sends, undo is the text area's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest


@pytest.fixture
def vim_chat(chat_with: Callable[..., Any]) -> Callable[..., Any]:
    @asynccontextmanager
    async def running(*replies: Any) -> AsyncIterator[Any]:
        async with chat_with(replies) as chat:
            chat.screen.prompt.use_keys("vim")
            await chat.shows("INSERT")
            yield chat

    return running


async def test_the_modes_are_shown_in_words_and_enter_sends(vim_chat: Callable[..., Any]) -> None:
    async with vim_chat(["Yes."]) as chat:
        await chat.pilot.press(*"hot", "space", *"fire", "escape")
        await chat.shows("NORMAL")
        await chat.pilot.press("b", "d", "w", "a", *"wood")
        assert chat.screen.prompt.text == "hot wood"
        await chat.shows("INSERT")
        await chat.pilot.press("escape", "enter")
        await chat.settled()
        assert chat.texts() == ["hot wood", "Yes."]


async def test_a_command_not_yet_whole_is_shown_and_escape_drops_it(vim_chat: Callable[..., Any]) -> None:
    async with vim_chat() as chat:
        await chat.pilot.press(*"ab", "escape", "2", "d")
        await chat.shows("2d")
        await chat.pilot.press("escape", "x")
        assert chat.screen.prompt.text == "a"


async def test_undo_and_redo_take_back_one_command(vim_chat: Callable[..., Any]) -> None:
    async with vim_chat() as chat:
        chat.screen.prompt.fill("one two three")
        await chat.pilot.press("escape", "0", "d", "w", "d", "w")
        assert chat.screen.prompt.text == "three"
        await chat.pilot.press("u")
        assert chat.screen.prompt.text == "two three"
        await chat.pilot.press("u")
        assert chat.screen.prompt.text == "one two three"
        await chat.pilot.press("ctrl+r")
        assert chat.screen.prompt.text == "two three"


async def test_what_is_selected_is_shown_as_selected(vim_chat: Callable[..., Any]) -> None:
    async with vim_chat() as chat:
        chat.screen.prompt.fill("one two")
        await chat.pilot.press("escape", "0", "v", "e")
        await chat.shows("VISUAL")
        assert chat.screen.prompt.selected_text == "one"
        await chat.pilot.press("d")
        assert chat.screen.prompt.text == " two"
        await chat.shows("NORMAL")


async def test_signs_and_letters_that_mean_nothing_are_not_written(vim_chat: Callable[..., Any]) -> None:
    async with vim_chat() as chat:
        await chat.pilot.press(*"ab", "escape", "z", "question_mark", "0", "dollar_sign", "x")
        assert chat.screen.prompt.text == "a"


async def test_commands_and_their_list_work_in_insert_mode(vim_chat: Callable[..., Any]) -> None:
    async with vim_chat() as chat:
        await chat.pilot.press("slash", *"them", "tab")
        assert chat.screen.prompt.text == "/theme "
        await chat.pilot.press("escape")
        await chat.shows("INSERT")
        await chat.pilot.press("escape")
        await chat.shows("NORMAL")


async def test_lines_are_cut_and_put(vim_chat: Callable[..., Any]) -> None:
    async with vim_chat() as chat:
        chat.screen.prompt.fill("one\ntwo\nthree")
        await chat.pilot.press("escape", "g", "g", "d", "d", "p")
        assert chat.screen.prompt.text == "two\none\nthree"
        assert chat.screen.prompt.cursor_location == (1, 0)


async def test_plain_keys_are_the_default_and_show_no_mode(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        await chat.pilot.press("d", "d", "escape", "x")
        assert chat.screen.prompt.text == "ddx"
        assert "NORMAL" not in chat.text
