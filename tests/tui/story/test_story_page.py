"""Writing in the manuscript itself: cursor, selection, mouse, clipboard, undo, saving."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.events import Paste

from fireside.stories import manuscript as ms
from fireside.stories.store import open_story

SEA = (("prompt", "The bell rang."), ("model", " It was late.\n\nNobody came."))


@pytest.fixture(autouse=True)
def _a_story(told: Callable[..., None]) -> None:
    told(*SEA)


async def test_up_goes_into_the_story_and_words_are_written_where_the_cursor_is(desk: Callable[..., Any]) -> None:
    async with desk() as at:
        await at.press("up")
        assert at.screen.focused is at.screen.page
        await at.press("left", "ctrl+left")
        await at.type("never ")
        assert "Nobody never came." in at.text
        assert at.prose == "The bell rang. It was late.\n\nNobody never came."
        assert ("person", "never ") in at.authors
        assert "│ you" in at.text
        # Another place is another step of undo.
        await at.press("ctrl+home", "ctrl+right", "delete")
        assert at.prose == "Thebell rang. It was late.\n\nNobody never came."
        await at.press("ctrl+z")
        assert at.prose == "The bell rang. It was late.\n\nNobody never came."
        await at.press("ctrl+z")
        assert at.prose == ms.text(at.screen.story.manuscript) == "".join(text for _, text in SEA)
        await at.press("ctrl+y", "ctrl+y")
        assert at.prose == "Thebell rang. It was late.\n\nNobody never came."
        await at.press("escape")
        assert at.screen.focused is not at.screen.page


async def test_keys_are_in_the_file_a_moment_later_and_when_the_story_is_left(desk: Callable[..., Any]) -> None:
    async with desk() as at:
        await at.press("up", "end")
        await at.type("!")
        await at.until(lambda: ms.text(at.screen.story.manuscript).endswith("came.!"))
        await at.type("!")
        await at.until(lambda: ms.text(at.screen.story.manuscript).endswith("came.!!"))
        await at.type("?")
        assert not ms.text(at.screen.story.manuscript).endswith("?")
        await at.pilot.press("escape", "escape")
        await at.until(lambda: at.app.screen is not at.screen)
    again = open_story("sea")
    assert ms.text(again.manuscript).endswith("came.!!?")
    again.close()


async def test_a_terminal_that_vanishes_saves_the_last_keys(
    desk: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[int] = []
    monkeypatch.setattr("tui.app.os._exit", ended.append)
    async with desk() as at:
        await at.press("up", "end")
        await at.type("!")
        at.app._hung_up()
        await at.until(lambda: ended)
        again = open_story("sea")
        assert ms.text(again.manuscript).endswith("came.!")
        again.close()


async def test_a_selection_is_replaced_cut_copied_and_put_in(desk: Callable[..., Any]) -> None:
    async with desk() as at:
        await at.press("ctrl+home", "shift+right", "shift+right", "shift+right")
        assert "1 selected" in at.text
        await at.press("ctrl+c")
        assert at.app.clipboard == "The"
        await at.type("A")
        assert at.prose.startswith("A bell rang.")
        await at.press("ctrl+shift+right", "ctrl+x", "ctrl+end", "ctrl+v")
        assert at.prose == "A rang. It was late.\n\nNobody came. bell"
        await at.press("ctrl+a", "escape")
        assert at.screen.page.selected_text == ""
        at.screen.page.post_message(Paste("\x1b[31mred\x07"))
        await at.until(lambda: at.prose.endswith("bellred"))


async def test_enter_begins_a_paragraph_and_backspace_takes_the_break_back(desk: Callable[..., Any]) -> None:
    async with desk() as at:
        await at.press("ctrl+home", "end")
        assert at.screen.page.cursor == len("The bell rang. It was late.")
        await at.press("enter")
        await at.type("Yes.")
        assert at.prose == "The bell rang. It was late.\n\nYes.\n\nNobody came."
        await at.press("home", "backspace")
        assert at.prose == "The bell rang. It was late.Yes.\n\nNobody came."


async def test_the_mouse_puts_the_cursor_drags_a_selection_and_takes_words(desk: Callable[..., Any]) -> None:
    async with desk() as at:
        page = at.screen.page
        row = next(y for y, line in enumerate(at.text.splitlines()) if "Nobody came." in line)
        column = at.text.splitlines()[row].index("Nobody")
        await at.pilot.click(offset=(column + 3, row))
        assert page.cursor == at.prose.index("Nobody") + 3
        await at.pilot.mouse_down(offset=(column, row))
        await at.pilot.hover(offset=(column + 6, row))
        await at.pilot.mouse_up(offset=(column + 6, row))
        assert page.selected_text == "Nobody"
        await at.pilot.click(offset=(column + 8, row), times=2)
        assert page.selected_text == "came"


async def test_nothing_is_typed_while_the_model_writes(desk: Callable[..., Any]) -> None:
    import asyncio

    async with desk([[" Then", asyncio.Event()]]) as at:
        await at.pilot.press("enter")
        await at.until(lambda: "Then" in at.text)
        await at.pilot.press("up", "x")
        assert "still writing" in at.text
        assert at.prose.endswith("Nobody came. Then")


async def test_a_failed_save_is_told_and_the_words_stay(desk: Callable[..., Any]) -> None:
    async with desk() as at:
        other = open_story("sea")
        other.change(title="Mine now")
        other.close()
        await at.press("up", "end")
        await at.type("!")
        assert at.screen.save_now() is False
        await at.pilot.pause()
        assert "changed by another program" in at.text
        assert "came.!" in at.text
