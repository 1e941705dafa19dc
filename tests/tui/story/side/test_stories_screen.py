"""The list of stories, and the way from the chat over a story to a pane and back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from lore_files import as_json, world_entry
from syrupy.assertion import SnapshotAssertion

from fireside import paths
from fireside.conversations.store import ConversationStore
from fireside.models.scripted import ScriptedModel
from fireside.settings import Settings
from fireside.stories import manuscript as ms
from fireside.stories.goals import Progress
from fireside.stories.store import Story, create_story, list_stories, open_story
from tui.app import FiresideApp
from tui.chat.screen import ChatScreen
from tui.session import ChatSession
from tui.story.screen import StoryScreen
from tui.story.side.outline import OutlineScreen
from tui.story.side.stories import StoriesScreen, ago, goal_bar

Opens = Callable[..., Any]


def stories(story: Story, model: ScriptedModel) -> StoriesScreen:
    return StoriesScreen()


def names() -> list[str]:
    return sorted(each.name for each in list_stories())


@pytest.mark.parametrize(("theme", "size"), [("dark", (100, 30)), ("light", (60, 20))])
async def test_look(beside: Opens, sea: Story, svg: SnapshotAssertion, theme: str, size: tuple[int, int]) -> None:
    sea.change(goal=40)
    create_story("letters", "Winter Letters").close()
    async with beside(stories, sea, size=size, theme=theme) as at:
        await at.shows("Winter Letters", "22", "all keys")
        assert at.app.export_screenshot() == svg


async def test_without_stories_the_list_says_how_to_begin(beside: Opens, empty: Story) -> None:
    (paths.stories_folder() / "sea.db").rename(paths.stories_folder() / "sea.kept")
    async with beside(stories, empty, size=(60, 20)) as at:
        await at.shows("No stories yet")
        await at.press("enter", "d", "c", "r", "m", "u")
        await at.shows("no deleted story is left")
        await at.press("n")
        await at.fill("Die Lampe & das Meer")
        await at.until(lambda: at.left)
        assert at.left == ["die-lampe-das-meer"]


async def test_titles_copies_names_and_deleting_with_a_way_back(beside: Opens, sea: Story) -> None:
    sea.close()
    async with beside(stories, sea) as at:
        await at.shows("The Sea")
        await at.press("r")
        await at.fill("The Lamp")
        await at.shows("The Lamp")
        await at.press("m")
        await at.fill("no name/")
        await at.shows("is not a usable story name")
        await at.press("m")
        await at.fill("lamp")
        await at.shows("sea is called lamp now")
        await at.press("c")
        await at.shows("The Lamp (copy)")
        assert names() == ["lamp", "lamp-2"]
        with closing(open_story("lamp")) as one, closing(open_story("lamp-2")) as two:
            assert ms.text(one.manuscript) == ms.text(two.manuscript) != ""
            assert two.outline == one.outline
        await at.until(lambda: "twice" in at.text)
        marked = at.app.screen.marked
        await at.press("d")
        await at.shows("is deleted; u brings it back")
        assert marked not in names()
        await at.press("u")
        await at.shows(f"{marked} is back")
        assert names() == ["lamp", "lamp-2"]
        await at.press("escape")
        await at.until(lambda: at.left == [None])


async def test_an_import_is_a_new_story(beside: Opens, sea: Story, tmp_path: Path) -> None:
    (tmp_path / "world.json").write_bytes(as_json({"entries": {"0": world_entry()}}))
    async with beside(stories, sea) as at:
        await at.press("i")
        await at.fill(str(tmp_path / "world.json"))
        await at.shows("Import as a new story")
        await at.press("ctrl+s")
        await at.shows("a new story from SillyTavern")
        assert names() == ["an-imported-story", "sea"]
        await at.press("enter")
        await at.until(lambda: at.left == ["an-imported-story"])
        with closing(open_story("an-imported-story")) as story:
            assert [each.name for each in story.info.lore] == ["Harbour"]


async def test_from_the_chat_to_a_scene_and_back(beside: Opens, sea: Story, tmp_path: Path) -> None:
    sea.close()
    model = ScriptedModel([])
    store = ConversationStore(tmp_path / "conversations.db")
    app = FiresideApp(ChatSession(store, Settings(), lambda name: model))
    async with app.run_test(size=(100, 30)) as pilot:

        async def until(holds: Callable[[], object]) -> None:
            for _ in range(2_000):
                if holds():
                    return
                await pilot.pause(0.005)
            raise AssertionError(app.screen)

        chat = app.screen
        assert isinstance(chat, ChatScreen)
        chat.action_slash("story")
        await until(lambda: isinstance(app.screen, StoriesScreen) and app.screen.marked)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, StoryScreen))
        story = app.screen
        assert isinstance(story, StoryScreen)
        await pilot.press("ctrl+o")
        await until(lambda: isinstance(app.screen, OutlineScreen) and app.screen.marked)
        await pilot.press("d", "j", "enter")
        await until(lambda: app.screen is story)
        assert story.page.has_focus
        assert len(story.story.outline.nodes) == 4


def test_how_long_ago_and_how_far() -> None:
    assert [ago(each) for each in (3, 61, 7_300, 90_000)] == ["just now", "1 minute", "2 hours", "1 day"]
    assert goal_bar(Progress(10)) == ""
    assert goal_bar(Progress(500, 1_000)) == "━━━━╌╌╌╌ 50%"
