"""What the model does in a story: lengths, versions anywhere, rewriting a selection, filling in, and how it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from textual.widgets import Input

from fireside.errors import WorkerDied
from fireside.stories import manuscript as ms
from fireside.stories.store import open_story
from tui.context.bar import ContextBar
from tui.context.screen import ContextScreen


async def test_the_length_is_chosen_by_key_and_by_click_and_reaches_the_model(
    desk: Callable[..., Any], told: Callable[..., None]
) -> None:
    told(("prompt", "Go."))
    async with desk([[" A."], [" B. And", " more."], [" C."]]) as at:
        assert "80 words" in at.text
        await at.press("f8", "f8")
        assert "250 words" in at.text
        await at.press("enter")
        assert at.model.requests[-1].max_tokens == 395
        await at.press("f7", "f9", "enter")
        assert "one sentence" in at.text
        assert at.prose == "Go. A. B.", "it stops at the sentence"
        await at.press("f9", "enter")
        assert "to the scene's end" in at.text
        assert at.model.requests[-1].max_tokens == 800
        row = next(y for y, line in enumerate(at.text.splitlines()) if "scene's end" in line)
        await at.pilot.click(offset=(at.text.splitlines()[row].index("until"), row))
        assert "150 words" in at.text


async def test_the_length_can_be_changed_while_the_model_writes(
    desk: Callable[..., Any], told: Callable[..., None]
) -> None:
    told(("prompt", "Go."))
    gate = asyncio.Event()
    long = [" One two three four five six seven eight nine ten", " eleven", gate, " twelve", ".", *[" More words."] * 9]
    async with desk([long, [" On."]]) as at:
        await at.pilot.press("enter")
        await at.until(lambda: "eleven" in at.text)
        await at.pilot.press("f7", "f7")
        assert "20 words" in at.text
        gate.set()
        await at.until(lambda: not at.screen.busy)
        words = len(at.prose.split())
        assert 20 <= words <= 23, "it stops at the first sentence's end behind the length"


async def test_versions_turn_at_any_point_and_what_follows_stays(
    desk: Callable[..., Any], told: Callable[..., None]
) -> None:
    told(("prompt", "Go."), ("model", " One."), ("person", " Then."))
    async with desk([[" Two."]]) as at:
        await at.press("up", "home", "right", "right", "right", "right", "ctrl+r")
        assert at.prose == "Go. Two. Then."
        assert "version 2/2" in at.text
        await at.press("alt+left")
        assert at.prose == "Go. One. Then."
        assert "version 1/2" in at.text
        await at.press("alt+left")
        assert "no other version" in at.text
        await at.press("alt+right")
        assert at.prose == "Go. Two. Then."
        await at.press("ctrl+end", "ctrl+r")
        await at.until(lambda: "your own" in at.text or "nothing to retry" in at.text)


async def test_a_branch_brings_what_was_written_behind_it(desk: Callable[..., Any]) -> None:
    async with desk([[" One."], [" Two."], [" After two."]]) as at:
        await at.write("Go.")
        await at.press("ctrl+r", "enter")
        await at.until(lambda: at.prose == "Go. Two. After two.")
        await at.press("up", "home", "right", "right", "right", "right", "alt+shift+left")
        assert at.prose == "Go. One."
        await at.press("alt+shift+right")
        assert at.prose == "Go. Two. After two."


async def test_a_selection_is_rewritten_in_its_place_and_the_old_text_is_one_undo_away(
    desk: Callable[..., Any], told: Callable[..., None]
) -> None:
    told(("prompt", "The bell rang. It was late. Nobody came."))
    gate = asyncio.Event()
    async with desk([["Night", gate, " had come."], ["It was. The stars hung low."]]) as at:
        await at.press("alt+r")
        await at.press("ctrl+home", "alt+r")
        assert "select the words first" in at.text
        await at.press(*["right"] * 15, *["shift+right"] * 12)
        assert at.screen.page.selected_text == "It was late."
        await at.pilot.press("alt+e")
        await at.until(lambda: "The bell rang. Night▌ Nobody came." in at.text)
        gate.set()
        await at.until(lambda: not at.screen.busy)
        assert at.prose == "The bell rang. Night had come. Nobody came."
        assert at.screen.page.selected_text == "Night had come."
        assert "version 2/2" in at.text
        await at.press("ctrl+z")
        assert at.prose == "The bell rang. It was late. Nobody came."
        at.screen.go_to(15, 27)
        dialog = await at.dialog("ctrl+k")
        await at.pilot.press("j", "j", "j", "tab")
        dialog.query_one(Input).value = "from above"
        await at.pilot.press("enter")
        await at.closed()
        await at.until(lambda: not at.screen.busy and "stars" in at.prose)
        assert at.prose == "The bell rang. It was late. It was. The stars hung low. Nobody came."
        assert "from above" in at.model.requests[-1].prompt[-1].content


async def test_the_gap_at_the_cursor_is_filled(desk: Callable[..., Any], told: Callable[..., None]) -> None:
    told(("prompt", "The bell rang.\n\nNobody ever came to that door again."))
    async with desk([[" She waited."]]) as at:
        await at.press("ctrl+home", "end", "f6")
        assert at.prose == "The bell rang. She waited.\n\nNobody ever came to that door again."
        assert ("model", " She waited.") in at.authors


async def test_a_dead_worker_is_one_notice_and_the_next_piece_can_be_written(
    desk: Callable[..., Any], told: Callable[..., None]
) -> None:
    told(("prompt", "Go."))
    async with desk(
        [[" Half", WorkerDied("the model process ended", "it starts again with the next piece")], [" On."]]
    ) as at:
        await at.write()
        assert "the model process ended" in at.text
        assert at.prose == "Go. Half"
        assert "ready" in at.text
        await at.write()
        assert "the model process ended" not in at.text
        assert at.prose == "Go. Half On."
    kept = open_story("sea")
    assert ms.text(kept.manuscript) == "Go. Half On."
    kept.close()


async def test_the_context_bar_shows_the_next_prompt_and_opens(
    desk: Callable[..., Any], told: Callable[..., None]
) -> None:
    told(("prompt", "The bell rang."), ("model", " It was late."))
    async with desk([[" On."]]) as at:
        await at.until(lambda: at.screen.query_one(ContextBar).upcoming is not None)
        assert "tokens" in at.text
        opened = await at.dialog("f2")
        assert isinstance(opened, ContextScreen)
        assert "the story's end" in at.text
        await at.pilot.press("escape")
        await at.closed()
