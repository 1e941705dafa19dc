"""The table of actions: what it holds, what the settings may make of it, and that a changed key works in the app."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from fireside.conversations.store import ConversationStore
from fireside.errors import SettingsError
from fireside.models.scripted import ScriptedModel
from fireside.settings import Settings
from tui.action_table import ACTIONS, PLACES
from tui.actions import bindings, key_of, keymap, written_keys
from tui.app import FiresideApp
from tui.session import ChatSession


def test_every_action_has_a_name_of_its_own_and_a_place_that_help_names() -> None:
    names = [action.name for action in ACTIONS]
    assert len(names) == len(set(names))
    assert {action.where for action in ACTIONS} == set(PLACES)


def test_no_two_actions_of_one_place_share_a_key_but_where_only_one_can_be_meant() -> None:
    taken: dict[tuple[str, str], str] = {}
    shared = [
        (action.where, key)
        for action in ACTIONS
        for key in action.keys.split(",")
        if key and taken.setdefault((action.where, key), action.name) != action.name
    ]
    # Leaving the tour means something only where there is a tour; Tab, where there is a list or a paste.
    assert set(shared) <= {("chat", "escape"), ("prompt", "tab")}


def test_the_defaults_and_no_keys_at_all_are_allowed() -> None:
    assert keymap({}) == {}
    assert keymap({action.name: action.keys for action in ACTIONS if action.keys})


@pytest.mark.parametrize(
    ("keys", "said", "hint"),
    [
        ({"mesage.retry": "R"}, "there is no action mesage.retry", "did you mean message.retry?"),
        ({"message.retry": "ctl+r"}, "ctl+r (for message.retry) is not a key", "ctrl+r"),
        ({"message.retry": ""}, "nothing (for message.retry) is not a key", "ctrl+r"),
        ({"message.retry": "e"}, "e would mean both message.edit and message.retry", "another key"),
        ({"chat.copy": "f7", "chat.edit": "f7"}, "f7 would mean both chat.edit and chat.copy", "another key"),
    ],
)
def test_a_wrong_key_is_refused_with_a_hint(keys: dict[str, str], said: str, hint: str) -> None:
    with pytest.raises(SettingsError) as refused:
        keymap(keys)
    assert said in refused.value.message
    assert hint in (refused.value.hint or "")


@given(st.dictionaries(st.sampled_from([action.name for action in ACTIONS]), st.text(max_size=12), max_size=3))
def test_any_keys_are_taken_or_refused_in_words(keys: dict[str, str]) -> None:
    refusal = ""
    try:
        taken = keymap(keys)
    except SettingsError as error:
        refusal = error.message
    assert refusal.startswith("keys: ") if refusal else set(taken) == set(keys)


def test_a_place_without_actions_is_a_mistake() -> None:
    with pytest.raises(LookupError, match="nowhere"):
        bindings("nowhere")


@pytest.mark.parametrize(
    ("key", "written"),
    [("ctrl+r", "Ctrl+R"), ("f5", "F5"), ("y", "y"), ("A", "A"), ("slash", "/"), ("alt+up", "Alt+Up")],
)
def test_keys_are_written_as_a_person_writes_them(key: str, written: str) -> None:
    assert written_keys([key]) == written


def test_the_key_of_an_action_is_the_persons_own_first() -> None:
    assert key_of("message.copy", {}) == "c"
    assert key_of("message.copy", {"message.copy": "f6,x"}) == "F6"
    assert key_of("chat.copy", {}) == ""


async def wait_until(pilot: Pilot[Any], holds: Callable[[], object]) -> None:
    """Let the app work until the condition holds."""
    async with asyncio.timeout(10):
        while not holds():
            await pilot.pause(0.005)


def app_with(tmp_path: Any, keys: dict[str, str]) -> FiresideApp:
    store = ConversationStore(tmp_path / "keys.db")
    return FiresideApp(ChatSession(store, Settings(keys=keys), lambda name: ScriptedModel([["One."], ["Two."]])))


async def test_a_changed_key_works_in_the_app_and_the_old_one_no_more(tmp_path: Any) -> None:
    app = app_with(tmp_path, {"prompt.send": "f12", "prompt.new-line": "enter"})
    async with app.run_test() as pilot:
        await pilot.press("a", "enter", "b")
        assert app.session.messages() == []
        await pilot.press("f12")
        await wait_until(pilot, lambda: app.session.messages())
        assert app.session.messages()[0].text == "a\nb"


async def test_a_command_without_a_key_gets_one(tmp_path: Any) -> None:
    app = app_with(tmp_path, {"chat.theme": "f8"})
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.theme == "fireside-dark"
        await pilot.press("f8")
        await wait_until(pilot, lambda: app.theme == "fireside-light")


async def test_the_arrows_move_the_cursor_also_where_they_mean_nothing_else(tmp_path: Any) -> None:
    app = app_with(tmp_path, {"prompt.previous": "f2"})
    async with app.run_test() as pilot:
        await pilot.press("a", "ctrl+j", "b", "up", "x")
        assert app.query_one("#prompt").text == "ax\nb"  # type: ignore[attr-defined]  # a TextArea


async def test_lists_move_by_j_and_k(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        for title in ("ash", "oak", "elm"):
            chat.store.create("s", "m", title)
        await chat.write("/open")
        await chat.shows("elm")
        await chat.pilot.press("j", "j", "k", "enter")
        await chat.until(lambda: chat.session.conversation is not None)
        assert chat.session.conversation.title == "oak"
