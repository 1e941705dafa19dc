"""The tour of a first start: beside the prompt, by keys, never in the way, and once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tui.tour import STEPS, Tour, seen_file, spoken


async def test_it_is_walked_by_tab_and_remembered(chat_with: Callable[..., Any]) -> None:
    async with chat_with(tour=True) as chat:
        for number, step in enumerate(STEPS, 1):
            await chat.shows(f"{number}/5  {step.title}")
            await chat.pilot.press("tab")
        await chat.until(lambda: not chat.screen.query(Tour))
        await chat.until(lambda: seen_file().exists())
        assert chat.app.focused is chat.screen.prompt


async def test_it_goes_back_and_is_left_by_escape(chat_with: Callable[..., Any]) -> None:
    async with chat_with(tour=True) as chat:
        await chat.shows("1/5")
        await chat.pilot.press("tab", "tab", "shift+tab")
        await chat.shows("2/5")
        await chat.pilot.press("escape")
        await chat.until(lambda: not chat.screen.query(Tour))


async def test_writing_goes_on_beside_it(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Yes."]], tour=True) as chat:
        await chat.shows("1/5")
        await chat.pilot.press(*"dry", "space", *"wood")
        assert chat.screen.prompt.text == "dry wood"
        await chat.pilot.press("enter")
        await chat.settled()
        assert chat.texts() == ["dry wood", "Yes."]
        assert chat.screen.query(Tour)


async def test_the_list_of_commands_and_a_reply_come_before_it(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Begun", asyncio.Event()]], tour=True) as chat:
        await chat.shows("1/5")
        await chat.pilot.press("slash", *"them", "tab")
        assert chat.screen.prompt.text == "/theme "
        await chat.pilot.press("escape")
        assert chat.screen.query(Tour)
        chat.screen.prompt.fill("")
        await chat.write("Go.")
        await chat.shows("Begun")
        await chat.pilot.press("escape")
        await chat.settled()
        assert chat.session.messages()[-1].status == "stopped"
        assert chat.screen.query(Tour)


async def test_a_click_goes_on(chat_with: Callable[..., Any]) -> None:
    async with chat_with(tour=True) as chat:
        await chat.shows("1/5")
        for number in range(2, 6):
            await chat.pilot.click("#tour")
            await chat.shows(f"{number}/5")
        await chat.pilot.click("#tour")
        await chat.until(lambda: not chat.screen.query(Tour))


async def test_it_is_shown_again_when_asked_for_and_not_otherwise(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        assert not chat.screen.query(Tour)
        await chat.write("/tour")
        await chat.shows("1/5")
        await chat.write("/tour")
        await chat.shows("1/5")
        assert len(chat.screen.query(Tour)) == 1


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.title)
def test_every_step_names_its_keys_as_they_are_set(step: Any) -> None:
    assert "{" not in spoken(step, {})
    assert "F6" in spoken(STEPS[0], {"prompt.send": "f6"})


@pytest.mark.parametrize("size", [(60, 20), (40, 16)])
async def test_it_leaves_room_in_a_small_terminal(chat_with: Callable[..., Any], size: tuple[int, int]) -> None:
    async with chat_with(size=size, tour=True) as chat:
        await chat.shows("1/5")
        assert "rite a message" in chat.text
        assert all(len(line) <= size[0] for line in chat.text.splitlines())
