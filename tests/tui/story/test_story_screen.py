"""The story screen on a scripted model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from textual.widgets import Input, Static, TextArea

from fireside.errors import ModelError
from fireside.stories import manuscript as ms
from fireside.stories.store import create_story, open_story
from tui.story.page import StoryPage
from tui.story.prompt import StoryPrompt
from tui.theme import LIGHT


async def test_own_words_and_the_models_are_on_the_page_and_on_disk(desk: Callable[..., Any]) -> None:
    async with desk([[" It was", " late."], [" Nobody", " came."]]) as at:
        await at.write("The bell rang.")
        await at.write()
        assert at.prose == "The bell rang. It was late. Nobody came."
        assert at.prose in at.text
        assert "7 words" not in at.text
        assert "8 words" in at.text
        other = open_story("sea")
        assert [piece.author for piece in ms.path(other.manuscript)] == ["prompt", "model", "model"]
        other.close()


async def test_authors_have_different_colours_and_marks(desk: Callable[..., Any]) -> None:
    async with desk([[" It was late."]]) as at:
        await at.write("The bell rang.")
        for theme in (at.app.theme, LIGHT.name):
            at.app.theme = theme
            await at.pilot.pause()
            colours = at.app.theme_variables
            row = next(strip for strip in at.app.screen._compositor.render_strips() if "The bell rang." in strip.text)
            drawn = {part.text.strip(): part.style for part in row if part.style and part.style.color}
            assert drawn["The bell rang."].color.name == colours["caution"].lower()
            assert drawn["It was late."].color.name == colours["assistant"].lower()
            assert row.text.strip().startswith("»·")


async def test_retry_keeps_the_versions_and_alt_arrows_turn_between_them(desk: Callable[..., Any]) -> None:
    async with desk([[" One."], [" Two."]]) as at:
        await at.write("Go.")
        await at.press("ctrl+r")
        assert at.prose == "Go. Two."
        assert "version 2/2" in at.text
        await at.press("alt+left")
        assert at.prose == "Go. One."
        assert "version 1/2" in at.text
        await at.press("alt+left")
        assert "no other version" in at.text
        await at.press("alt+right")
        assert at.prose == "Go. Two."


async def test_undo_and_redo_belong_to_the_story_while_the_prompt_is_empty(desk: Callable[..., Any]) -> None:
    async with desk([[" One."]]) as at:
        await at.write("Go.")
        await at.press("ctrl+z")
        assert at.prose == "Go."
        await at.press("ctrl+y")
        assert at.prose == "Go. One."
        await at.pilot.press("x", "ctrl+z")
        assert at.prose == "Go. One."


async def test_an_edit_keeps_the_old_text_as_a_version(desk: Callable[..., Any]) -> None:
    async with desk([[" One."]]) as at:
        await at.write("Go.")
        await at.pilot.press("ctrl+g")
        await at.until(lambda: at.app.screen is not at.screen)
        at.app.screen.query_one(TextArea).text = "Eleven."
        await at.pilot.press("ctrl+s")
        await at.until(lambda: at.app.screen is at.screen)
        await at.until(lambda: at.prose == "Go. Eleven.")
        assert ms.path(at.screen.story.manuscript)[-1].author == "edited"
        assert "version 2/2" in at.text


async def test_leaving_a_dialog_changes_nothing(desk: Callable[..., Any]) -> None:
    async with desk([[" One."]]) as at:
        await at.write("Go.")
        before = at.screen.story.manuscript
        for key in ("ctrl+g", "ctrl+t", "alt+w"):
            await at.pilot.press(key)
            await at.until(lambda: at.app.screen is not at.screen)
            await at.pilot.press("escape")
            await at.until(lambda: at.app.screen is at.screen)
            assert at.screen.story.manuscript == before
            assert at.screen.query_one("#story-notice", Static).display is False


async def test_escape_stops_and_keeps_what_came_and_the_second_one_leaves(desk: Callable[..., Any]) -> None:
    gate = asyncio.Event()
    async with desk([[" Half a", gate, " never"]]) as at:
        at.screen.query_one(StoryPrompt).text = "Go."
        await at.pilot.press("enter")
        await at.until(lambda: "Half a" in at.text)
        assert "writing" in at.text
        await at.pilot.press("ctrl+z")
        assert "still writing" in at.text
        await at.pilot.press("escape")
        await at.until(lambda: not at.screen.busy)
        assert at.prose == "Go. Half a"
        assert at.model.cancelled == 1
        await at.pilot.press("escape")
        await at.until(lambda: at.app.screen is not at.screen)
    again = open_story("sea")
    assert ms.text(again.manuscript) == "Go. Half a"
    again.close()


async def test_quitting_in_mid_sentence_keeps_what_came(desk: Callable[..., Any]) -> None:
    async with desk([[" Half a", asyncio.Event()]]) as at:
        at.screen.query_one(StoryPrompt).text = "Go."
        await at.pilot.press("enter")
        await at.until(lambda: "Half a" in at.text)
    again = open_story("sea")
    assert ms.text(again.manuscript) == "Go. Half a"
    again.close()


async def test_a_failing_model_is_one_notice_and_what_came_is_kept(desk: Callable[..., Any]) -> None:
    async with desk([[" Half", ModelError("the model fell over", "start it again")]]) as at:
        await at.write("Go.")
        assert "the model fell over" in at.text
        assert "start it again" in at.text
        assert at.prose == "Go. Half"


async def test_nothing_to_go_on_from_is_told(desk: Callable[..., Any]) -> None:
    async with desk() as at:
        assert "An empty page" in at.text
        await at.press("enter")
        await at.until(lambda: "the story is empty" in at.text)
        await at.press("ctrl+r")
        await at.until(lambda: "nothing to retry" in at.text)
        await at.press("ctrl+g")
        await at.until(lambda: "nothing to edit" in at.text)


async def test_memory_and_note_reach_the_model(desk: Callable[..., Any]) -> None:
    async with desk([[" One."]]) as at:
        await at.pilot.press("ctrl+t")
        await at.until(lambda: at.app.screen is not at.screen)
        dialog = at.app.screen
        dialog.query_one("#title", Input).value = "The Sea"
        dialog.query_one("#memory", TextArea).text = "Mara fears the sea."
        dialog.query_one("#note", TextArea).text = "With dread."
        dialog.query_one("#depth", Input).value = "2"
        await at.pilot.press("ctrl+s")
        await at.until(lambda: at.screen.story.info.note == "With dread.")
        assert (at.screen.story.info.title, at.screen.story.info.note_depth) == ("The Sea", 2)
        await at.write("Go.")
        shown = " ".join(message.content for message in at.model.requests[0].prompt)
        assert "Mara fears the sea." in shown
        assert "With dread." in shown
        assert "The Sea" in at.text


async def test_escape_sequences_in_words_and_story_never_reach_the_terminal(desk: Callable[..., Any]) -> None:
    story = create_story("sea", title="\x1b]0;pwned\x07Sea [b]bold[/b]")
    story.save(ms.append(story.manuscript, "prompt", "Red \x1b[31mtext [red]here[/red]\x9b2J."))
    story.close()
    async with desk() as at:
        assert "Red �[31mtext [red]here[/red]�2J." in at.text
        assert "Sea [b]bold[/b]" in at.text
        assert "\x1b" not in at.text


@pytest.mark.parametrize("size", [(40, 12), (40, 30), (20, 8), (120, 40)])
async def test_any_size_shows_the_end_of_the_story_and_the_status(
    desk: Callable[..., Any], size: tuple[int, int]
) -> None:
    story = create_story("sea")
    story.save(ms.append(story.manuscript, "prompt", "A long first paragraph. " * 60 + "\n\nThe last words."))
    story.close()
    async with desk(size=size) as at:
        assert "last words." in " ".join(at.text.replace("»", "").split())
        assert "ready" in at.text
        assert all(len(line) <= size[0] for line in at.text.splitlines())


async def test_a_long_story_shows_its_end_and_its_beginning_on_demand(desk: Callable[..., Any]) -> None:
    story = create_story("sea")
    manuscript = story.manuscript
    for number in range(60):
        manuscript = ms.append(manuscript, "person", f"Piece {number}. " + "word " * 200 + f"end {number}.\n\n")
    story.save(manuscript)
    story.close()
    async with desk() as at:
        assert "end 59." in at.text
        await at.press("ctrl+home")
        assert "Piece 0." in at.text
        await at.press("ctrl+end")
        assert "end 59." in at.text


async def test_reading_above_is_not_disturbed_by_what_is_written_below(desk: Callable[..., Any]) -> None:
    story = create_story("sea")
    story.save(ms.append(story.manuscript, "prompt", "".join(f"Paragraph {number}.\n\n" for number in range(60))))
    story.close()
    gate = asyncio.Event()
    async with desk([["One", gate, " two."]]) as at:
        await at.pilot.press("enter")
        await at.until(lambda: "One" in at.text)
        await at.pilot.press("pageup", "pageup")
        await at.until(lambda: "Paragraph 40." in at.text)
        where = at.screen.query_one(StoryPage).scroll_y
        gate.set()
        await at.until(lambda: not at.screen.busy and "62 words" not in at.text and "122 words" in at.text)
        assert at.screen.query_one(StoryPage).scroll_y == where


async def test_ctrl_c_stops_the_model_and_does_not_leave(desk: Callable[..., Any]) -> None:
    async with desk([[" Half a", asyncio.Event()]]) as at:
        at.screen.query_one(StoryPrompt).text = "Go."
        await at.pilot.press("enter")
        await at.until(lambda: "Half a" in at.text)
        await at.press("ctrl+c")
        assert at.prose == "Go. Half a"
        await at.press("ctrl+c")
        assert at.app.screen is at.screen
        assert "everything is saved" in at.text
