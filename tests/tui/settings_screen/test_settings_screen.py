"""The settings screen: looks, searches, changes the file, lets what can count at once, and writes over nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.widgets import Input, OptionList

from fireside import paths
from tui.chat.dialogs import ChoiceDialog
from tui.settings_screen.edit import ValueDialog
from tui.settings_screen.screen import SettingsScreen


@pytest.fixture
def settings_in(chat_with: Callable[..., Any]) -> Callable[..., Any]:
    """`async with settings_in(TOML) as chat:` opens the settings over a chat; what the file holds comes first."""

    @asynccontextmanager
    async def running(content: str | None = None, **chat_arguments: Any) -> AsyncIterator[Any]:
        if content is not None:
            paths.ensure_folder(paths.home())
            paths.settings_file().write_text(content, "utf-8")
        async with chat_with(**{"size": (100, 30), **chat_arguments}) as chat:
            await chat.pilot.press("f9")
            await chat.until(lambda: isinstance(chat.app.screen, SettingsScreen))
            await chat.pilot.pause()
            yield chat

    return running


def mark(chat: Any, name: str) -> None:
    """Move the list's mark to the setting `name`."""
    options = chat.app.screen.query_one(OptionList)
    options.highlighted = options.get_option_index(name)


def file_text() -> str:
    return paths.settings_file().read_text("utf-8")


async def test_values_say_where_they_come_from(
    settings_in: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESIDE_MODEL__THREADS", "2")
    async with settings_in("[model]\ncontext_length = 2048\n") as chat:
        lines = {line.split()[0]: line for line in chat.text.splitlines() if line.split()}
        assert "2048" in lines["context_length"]
        assert " file" in lines["context_length"]
        assert " env" in lines["threads"]
        mark(chat, "model.context_length")
        await chat.shows("at least 256")
        await chat.shows("settings.toml")


async def test_a_search_narrows_the_list_and_escape_widens_it(settings_in: Callable[..., Any]) -> None:
    async with settings_in() as chat:
        await chat.pilot.press("slash", *"nucleus")
        await chat.shows("top_p")
        assert "context_length" not in chat.text
        await chat.pilot.press("enter")
        assert isinstance(chat.app.focused, OptionList)
        await chat.pilot.press("escape")
        await chat.shows("context_length")
        await chat.pilot.press("escape")
        await chat.until(lambda: not isinstance(chat.app.screen, SettingsScreen))
        assert chat.app.focused is chat.screen.prompt


async def test_a_search_without_an_answer_says_so(settings_in: Callable[..., Any]) -> None:
    async with settings_in() as chat:
        await chat.pilot.press("slash", *"zzz")
        await chat.shows("no setting has these words")
        await chat.pilot.press("enter", "e", "d")
        assert isinstance(chat.app.screen, SettingsScreen)


async def test_a_theme_counts_at_once(settings_in: Callable[..., Any]) -> None:
    async with settings_in("# mine\n") as chat:
        mark(chat, "theme")
        await chat.pilot.press("enter")
        await chat.until(lambda: isinstance(chat.app.screen, ChoiceDialog))
        await chat.pilot.press("down", "enter")
        await chat.until(lambda: chat.app.theme == "fireside-light")
        await chat.shows("it counts at once")
        assert file_text() == '# mine\ntheme = "light"\n'


async def test_a_key_counts_at_once(settings_in: Callable[..., Any]) -> None:
    async with settings_in() as chat:
        mark(chat, "keys.chat.conversations")
        await chat.pilot.press("enter")
        await chat.until(lambda: isinstance(chat.app.screen, ValueDialog))
        chat.app.screen.query_one(Input).value = "f7"
        await chat.pilot.press("enter")
        await chat.shows("keys.chat.conversations is f7")
        await chat.pilot.press("escape", "f7")
        await chat.shows("Conversations")


async def test_the_prompts_keys_count_at_once(settings_in: Callable[..., Any]) -> None:
    async with settings_in() as chat:
        mark(chat, "prompt_keys")
        await chat.pilot.press("enter")
        await chat.until(lambda: isinstance(chat.app.screen, ChoiceDialog))
        await chat.pilot.press("down", "enter")
        await chat.shows("prompt_keys is vim")
        await chat.pilot.press("escape")
        await chat.shows("INSERT")


async def test_a_wrong_value_is_told_while_it_is_typed_and_not_saved(settings_in: Callable[..., Any]) -> None:
    async with settings_in() as chat:
        mark(chat, "model.context_length")
        await chat.pilot.press("enter")
        await chat.until(lambda: isinstance(chat.app.screen, ValueDialog))
        await chat.pilot.press("ctrl+u", *"12")
        await chat.shows("✗")
        await chat.shows("greater than or equal to 256")
        await chat.pilot.press("enter")
        assert isinstance(chat.app.screen, ValueDialog)
        await chat.pilot.press("8")
        await chat.pilot.press("0", "enter")
        await chat.shows("model.context_length is 1280; it counts at the next start")
        assert file_text() == "[model]\ncontext_length = 1280\n"


async def test_a_switch_turns_and_the_default_comes_back(settings_in: Callable[..., Any]) -> None:
    async with settings_in() as chat:
        mark(chat, "plain")
        await chat.pilot.press("enter")
        await chat.shows("plain is on")
        assert file_text() == "plain = true\n"
        await chat.pilot.press("d")
        await chat.shows("plain is off")
        assert file_text().strip() == ""


async def test_what_the_environment_sets_is_not_changed(
    settings_in: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESIDE_PLAIN", "false")
    async with settings_in() as chat:
        mark(chat, "plain")
        await chat.pilot.press("enter")
        await chat.shows("the environment sets plain (FIRESIDE_PLAIN)")
        assert not paths.settings_file().exists()


async def test_a_server_is_added_and_then_set(settings_in: Callable[..., Any]) -> None:
    async with settings_in() as chat:
        await chat.pilot.press("n")
        await chat.shows("Name of the new server")
        await chat.pilot.press(*"house", "enter")
        await chat.shows("Its address")
        await chat.pilot.press(*"box/v1", "enter")
        await chat.shows("remote:house is there at the next start")
        await chat.shows("remotes.house.url")
        assert file_text() == '[remotes.house]\nurl = "http://box/v1"\n'


async def test_a_broken_file_is_shown_and_left(settings_in: Callable[..., Any]) -> None:
    broken = "theme = \n"
    async with settings_in(broken, size=(60, 20)) as chat:
        await chat.until(lambda: "is not valid TOML" in " ".join(chat.text.split()))
        await chat.shows("Nothing is changed here")
        await chat.pilot.press("enter", "e", "d")
        assert file_text() == broken
        paths.settings_file().write_text("theme = 'light'\n", "utf-8")
        await chat.pilot.press("r")
        await chat.shows("context_length")


async def test_a_file_broken_meanwhile_is_not_written_over(settings_in: Callable[..., Any]) -> None:
    async with settings_in() as chat:
        paths.ensure_folder(paths.home())
        paths.settings_file().write_text("theme = \n", "utf-8")
        mark(chat, "plain")
        await chat.pilot.press("enter")
        await chat.until(lambda: "is not valid TOML" in " ".join(chat.text.split()))
        assert file_text() == "theme = \n"


async def test_values_from_anywhere_are_shown_safely(settings_in: Callable[..., Any]) -> None:
    async with settings_in('[reply]\nsystem = "[bold]x[/] \\u001b[31m red \\u202e"\n') as chat:
        mark(chat, "reply.system")
        await chat.shows("[bold]x[/]")
        assert "\x1b" not in chat.text
        assert "\u202e" not in chat.text


@pytest.mark.parametrize("size", [(60, 20), (40, 12), (120, 40)])
async def test_it_fits_any_terminal(settings_in: Callable[..., Any], size: tuple[int, int]) -> None:
    async with settings_in(size=size) as chat:
        assert all(len(line) <= size[0] for line in chat.text.splitlines())
        mark(chat, "theme")
        await chat.until(lambda: "The colours of the terminal" in " ".join(chat.text.split()))
