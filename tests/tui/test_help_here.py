"""F1: what the focused widget is for and what its keys do, as they are set now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fireside.conversations.store import ConversationStore
from fireside.models.scripted import ScriptedModel
from fireside.settings import Settings
from tui.app import FiresideApp
from tui.chat.sidebar import ConversationList
from tui.help_here import HelpHere, places
from tui.session import ChatSession


async def test_help_begins_with_the_focused_widget_and_ends_with_the_app(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Oak."]]) as chat:
        found = places(chat.app.screen, {})
        assert [place.title for place in found] == ["The prompt", "The chat", "Everywhere"]
        assert "Write and press Enter" in found[0].about
        assert ("Enter", "prompt.send") in [(keys, name) for keys, _, name in found[0].rows]
        assert "chat.copy" in found[1].keyless
        await chat.send("Which wood?")
        await chat.pilot.press("alt+up")
        assert places(chat.app.screen, {})[0].title == "A message"


async def test_a_list_names_its_own_keys_and_those_of_lists(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        await chat.pilot.press("ctrl+b")
        await chat.until(lambda: isinstance(chat.app.focused, ConversationList))
        rows = [name for _, _, name in places(chat.app.screen, {})[0].rows]
        assert {"conversations.rename", "list.down"} <= set(rows)


async def test_changed_keys_are_named_as_they_are(tmp_path: Any) -> None:
    store = ConversationStore(tmp_path / "help.db")
    settings = Settings(keys={"prompt.send": "f2", "chat.copy": "f6"})
    app = FiresideApp(ChatSession(store, settings, lambda name: ScriptedModel([])))
    async with app.run_test(size=(100, 40)) as pilot:
        await pilot.press("f1")
        await pilot.pause()
        assert isinstance(app.screen, HelpHere)
        prompt, chat, _ = places(app.screen_stack[0], settings.keys)
        assert ("F2", "Send, or take what the list marks", "prompt.send") in prompt.rows
        assert "chat.copy" not in chat.keyless
        assert [keys for keys, _, name in chat.rows if name == "chat.copy"] == ["F6"]


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (40, 12)])
async def test_help_opens_once_scrolls_and_closes(chat_with: Callable[..., Any], size: tuple[int, int]) -> None:
    async with chat_with(size=size) as chat:
        await chat.pilot.press("f1", "f1")
        await chat.shows("The prompt")
        await chat.shows("closes")
        assert len(chat.app.screen_stack) == 2
        body = chat.app.screen.query_one(".help")
        body.scroll_end(animate=False)
        await chat.until(lambda: "app.quit" in chat.text or "Ctrl+Q" in chat.text)
        await chat.pilot.press("escape")
        await chat.until(lambda: len(chat.app.screen_stack) == 1)
