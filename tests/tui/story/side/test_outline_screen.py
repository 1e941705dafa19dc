"""The outline beside a story: shown, changed by hand, planned and written by the model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from fireside.errors import ModelError
from fireside.models.scripted import ScriptedModel
from fireside.stories import manuscript as ms
from fireside.stories.outline import walk
from fireside.stories.store import Story
from tui.story.side.outline import OutlineScreen

Opens = Callable[..., Any]
PLANNED = "## Cold Harbour\nThe keeper finds the harbour frozen and the boats gone.\n\n"


def titles(story: Story) -> list[str]:
    return [node.title for node in walk(story.outline)]


def beat(story: Story, title: str) -> int:
    return next(node.id for node in walk(story.outline) if node.title.startswith(title))


@pytest.mark.parametrize(("theme", "size"), [("dark", (100, 30)), ("light", (80, 24)), ("dark", (60, 20))])
async def test_look(beside: Opens, sea: Story, svg: SnapshotAssertion, theme: str, size: tuple[int, int]) -> None:
    async with beside(OutlineScreen, sea, size=size, theme=theme) as at:
        await at.shows("✓ A boat comes", "all keys")
        await at.mark("A boat comes out of the fog.")
        assert at.app.export_screenshot() == svg


async def test_an_empty_outline_says_how_to_begin(beside: Opens, empty: Story, svg: SnapshotAssertion) -> None:
    async with beside(OutlineScreen, empty, size=(60, 20)) as at:
        await at.shows("No outline yet", "all keys")
        assert at.app.export_screenshot() == svg
        await at.press("a")
        await at.fill("The Rock")
        await at.shows("· The Rock")
        await at.press("A")
        await at.fill("The Boat")
        await at.shows("· The Boat")
        assert [(node.kind, node.title) for node in walk(empty.outline)] == [
            ("chapter", "The Rock"),
            ("scene", "The Boat"),
        ]


async def test_marks_and_words(beside: Opens, sea: Story) -> None:
    async with beside(OutlineScreen, sea) as at:
        await at.shows("◐ The Rock  13", "◐ The Boat  13", "✓ A boat comes out of the fog.  8", "· Tea", "· The Storm")


async def test_rename_edit_delete_and_undo(beside: Opens, sea: Story) -> None:
    async with beside(OutlineScreen, sea) as at:
        before = titles(sea)
        await at.shows("The Rock")
        await at.press("r")
        await at.fill("The Island")
        await at.shows("◐ The Island")
        await at.press("e")
        await at.fill("He waits.\nAlone.", "ctrl+s")
        await at.until(lambda: sea.outline.nodes[1].summary == "He waits. Alone.")
        await at.press("e")
        await at.fill("", "ctrl+s")
        await at.until(lambda: not sea.outline.nodes[1].summary)
        await at.press("d")
        await at.shows("its prose stays in the story")
        assert titles(sea) == before[6:]
        assert ms.text(sea.manuscript).endswith("said")
        await at.press("u", "u", "u", "u")
        await at.shows("undone: the new title")
        assert titles(sea) == before
        assert sea.outline.nodes[1].summary == "A keeper is left alone on the rock."
        await at.press("u")
        await at.shows("nothing to undo here")


async def test_nodes_move_and_the_prose_follows_where_it_is_wanted(beside: Opens, sea: Story) -> None:
    async with beside(OutlineScreen, sea) as at:
        await at.mark("A boat comes out of the fog.")
        await at.press("J")
        await at.shows("o orders it like this")
        assert [each.title[:4] for each in walk(sea.outline)][2:4] == ["Ilse", "A bo"]
        await at.press("o")
        await at.shows("outline's order now")
        assert ms.text(sea.manuscript).index("Ilse climbed") < ms.text(sea.manuscript).index("A boat came")
        await at.press("less_than_sign")
        await at.until(lambda: sea.outline.nodes[beat(sea, "A boat")].kind == "scene")
        await at.press("greater_than_sign")
        await at.until(lambda: sea.outline.nodes[beat(sea, "A boat")].kind == "beat")
        await at.press("u", "u", "u", "u")
        await at.shows("undone: the move")
        assert ms.text(sea.manuscript).index("A boat came") < ms.text(sea.manuscript).index("Ilse climbed")


async def test_the_whole_outline_as_text(beside: Opens, sea: Story) -> None:
    async with beside(OutlineScreen, sea) as at:
        await at.press("t")
        await at.shows("The outline as text", "A keeper is left alone")
        area = at.app.screen.query_one("TextArea")
        changed = area.text.replace("- A boat comes out", "- A grey boat comes out").replace("- Ilse is gone.\n", "")
        known = beat(sea, "A boat")
        await at.fill("nothing of an outline", "ctrl+s")
        await at.shows("there is no beat in it")
        await at.fill(changed, "ctrl+s")
        await at.shows("✓ A grey boat comes out of the fog.")
        assert beat(sea, "A grey boat") == known
        assert "Ilse is gone." not in titles(sea)
        await at.press("u")
        await at.until(lambda: "Ilse is gone." in titles(sea))


async def test_leaving_a_text_asks_where_it_was_changed(beside: Opens, sea: Story) -> None:
    async with beside(OutlineScreen, sea) as at:
        await at.press("s")
        await at.fill("Another story.", "escape")
        await at.shows("Leave what you wrote unsaved?")
        await at.press("n", "escape", "y")
        await at.shows("Outline of")
        assert sea.info.synopsis == "A keeper hides a boat."


async def test_the_model_plans_scenes_shown_as_they_come(beside: Opens, sea: Story) -> None:
    gate = asyncio.Event()
    replies = [[PLANNED, "## Last Light\nThe keeper", gate, " lights the lamp at last and waits.\n\n"]]
    async with beside(OutlineScreen, sea, replies) as at:
        await at.mark("The Storm")
        await at.press("g")
        await at.shows("scenes of this chapter")
        await at.press("enter")
        await at.fill("2")
        await at.shows("· Cold Harbour", "1 of 2")
        await at.press("a")
        await at.shows("Escape stops it")
        gate.set()
        await at.shows("2 planned; u takes them back")
        assert titles(sea)[-2:] == ["Cold Harbour", "Last Light"]
        await at.press("u")
        await at.until(lambda: "Cold Harbour" not in titles(sea))


async def test_a_plan_needs_a_synopsis_which_is_asked_for(beside: Opens, empty: Story) -> None:
    async with beside(OutlineScreen, empty, [[PLANNED]]) as at:
        await at.press("g")
        await at.shows("Synopsis")
        await at.fill("A keeper hides a boat.", "ctrl+s")
        await at.fill("nine")
        await at.shows("give a number from 1 to 40")
        await at.press("g")
        await at.fill("1")
        await at.shows("1 planned")
        assert titles(empty) == ["Cold Harbour"]


async def test_prose_of_the_unwritten_beats_of_a_chapter(beside: Opens, sea: Story) -> None:
    text = "The lamp went out. " + "It was dark for a long time, and nobody spoke of it. " * 20
    async with beside(OutlineScreen, sea, [[text], [text.replace("lamp", "light")]]) as at:
        await at.mark("The Storm")
        await at.press("w")
        await at.shows("2 beats written")
        assert "The light went out." in ms.text(sea.manuscript)
        await at.shows("✓ The Storm")
        await at.press("u")
        await at.until(lambda: ms.text(sea.manuscript).endswith("said"))


async def test_stopping_keeps_what_came(beside: Opens, sea: Story) -> None:
    model = ScriptedModel([["They drank", " tea.", asyncio.Event()]])
    async with beside(OutlineScreen, sea, model=model) as at:
        await at.mark("They drink tea and lie to each other.")
        await at.press("w")
        await at.shows("They drank tea.", "3 words")
        await at.press("escape")
        await at.shows("stopped; what came is kept")
        assert model.cancelled == 1
        assert "They drank tea." in ms.text(sea.manuscript)
        await at.press("escape")
        await at.until(lambda: at.left)
        assert at.left[0].changed


async def test_the_app_ends_in_order_while_the_model_writes(beside: Opens, sea: Story) -> None:
    model = ScriptedModel([["They drank tea.", asyncio.Event()]])
    async with beside(OutlineScreen, sea, model=model) as at:
        await at.mark("They drink tea and lie to each other.")
        await at.press("w")
        await at.shows("They drank tea.", "3 words")
    assert model.cancelled == 1
    assert "They drank tea." in ms.text(sea.manuscript)


async def test_a_model_that_fails_is_said(beside: Opens, sea: Story) -> None:
    replies = [[ModelError("the model's process ended", "/models chooses another")]]
    async with beside(OutlineScreen, sea, replies) as at:
        await at.mark("They drink tea and lie to each other.")
        await at.press("w")
        await at.shows("the model's process ended", "/models chooses another")


async def test_enter_goes_to_the_place(beside: Opens, sea: Story) -> None:
    async with beside(OutlineScreen, sea) as at:
        await at.mark("Ilse climbs out and says that the light must stay dark tonight.")
        await at.press("enter")
        await at.until(lambda: at.left)
        assert ms.text(sea.manuscript)[at.left[0].place :] == "Ilse climbed out and said"
        assert not at.left[0].changed


async def test_titles_cannot_act_on_the_terminal_or_as_markup(beside: Opens, empty: Story) -> None:
    from fireside.stories.outline import add

    outline, _ = add(empty.outline, "chapter", "[@click=app.quit]go[/] \x1b[2J\u202eevil" + "x" * 5_000)
    empty.save_outline(outline)
    async with beside(OutlineScreen, empty) as at:
        await at.shows("[@click=app.quit]go[/]")
        assert "\x1b[2J" not in at.text
        assert "\u202e" not in at.text
