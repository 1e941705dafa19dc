"""The context bar and the view it opens: every part has its place, nothing is wider than the screen, text is exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.widgets import OptionList

from fireside.context_parts import ORIGINS, Part, Upcoming
from tui.context.bar import CACHED, COLOURS, ROOM, TO_READ, ContextBar, bar, written
from tui.context.screen import ContextScreen
from tui.theme import DARK

PAINT = {**DARK.variables, "secondary": DARK.secondary or "", "primary": DARK.primary, "error": DARK.error or ""}

texts = st.text(max_size=5)
parts = st.lists(st.builds(Part, st.sampled_from(ORIGINS), texts, texts, st.integers(0, 900)))


@given(st.integers(4, 200), parts, st.one_of(st.none(), st.integers(0, 5000)), st.integers(0, 9000))
def test_the_bar_is_as_wide_as_it_may_be(width: int, made: list[Part], cached: int | None, room: int) -> None:
    upcoming = Upcoming(tuple(made), room, 0, cached)
    assert bar(upcoming, width, PAINT).cell_len == width
    assert written(upcoming, 50.0, width + 40, PAINT).cell_len <= width + 40


def test_small_parts_are_seen_and_what_is_cached_is_whole() -> None:
    upcoming = Upcoming((Part("system", "", "", 1), Part("history", "", "", 499)), 1000, 100, 250)
    drawn = bar(upcoming, 100, PAINT)
    assert drawn.plain == CACHED * 25 + TO_READ * 25 + ROOM * 50
    assert str(drawn.spans[0].style) == PAINT[COLOURS["system"]]


def test_what_would_be_read_again_is_said_with_its_time() -> None:
    upcoming = Upcoming((Part("history", "", "", 1500),), 4096, 512, 500, left_out=12)
    assert written(upcoming, 100.0, 100, PAINT).plain.endswith("1,500/4,096 tokens  1,000 to read, 10 s  12 left out")
    assert written(upcoming, 0.0, 100, PAINT).plain.endswith("1,000 to read  12 left out")
    assert written(upcoming, 100.0, 40, PAINT).plain.endswith("━  1,500/4,096 tokens") is False


async def test_the_bar_follows_the_chat_and_the_draft(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Very warm."]]) as chat:
        await chat.send("How warm?")
        await chat.shows("9/4,096 tokens")
        chat.screen.prompt.fill("and now tell me")
        await chat.shows("13/4,096 tokens")
        chat.screen.prompt.fill("/context")
        await chat.shows("9/4,096 tokens")


@pytest.mark.parametrize("size", [(100, 30), (60, 20)])
async def test_the_bar_opens_to_the_exact_text(chat_with: Callable[..., Any], size: tuple[int, int]) -> None:
    async with chat_with([["Very \x1b[31mwarm."]], size=size) as chat:
        await chat.send("How warm?")
        chat.screen.prompt.fill("draft")
        await chat.until(lambda: chat.screen.query_one(ContextBar).upcoming is not None)
        await chat.pilot.press("f2")
        await chat.until(lambda: isinstance(chat.app.screen, ContextScreen))
        await chat.shows("You are a helpful assistant.")
        parts = chat.app.screen.query_one(OptionList)
        await chat.pilot.press("down")
        await chat.shows("user: How warm?")
        assert "assistant: Very warm." in chat.text
        assert parts.option_count == 3
        await chat.pilot.press("escape")
        assert chat.app.screen is chat.screen
