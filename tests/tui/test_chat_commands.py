"""Slash commands on the screen: what they change, and how they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mcp_world import by_hand, tool
from textual.screen import Screen
from textual.widgets import Input, OptionList, TextArea

from fireside.errors import AdapterError, DocumentError
from fireside.models.types import AdapterUse
from tui.chat.commands import run
from tui.chat.dialogs import ChoiceDialog, ConfirmDialog, HelpDialog, LineDialog, TextDialog
from tui.slash import COMMANDS


def test_every_command_of_the_table_can_be_run() -> None:
    assert set(run._COMMANDS) == {command.name for command in COMMANDS}


async def test_an_unknown_command_is_one_notice_with_the_nearest_match(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        await chat.write("/adaptr")
        await chat.shows("there is no command /adaptr")
        assert "did you mean /adapter?" in chat.text
        assert chat.screen.prompt.text == "/adaptr"
        assert chat.session.conversation is None


async def test_help_lists_every_command_and_escape_closes_it(chat_with: Callable[..., Any]) -> None:
    async with chat_with(size=(100, 90)) as chat:
        await chat.write("/help")
        await chat.until(lambda: isinstance(chat.app.screen, HelpDialog))
        assert all(command.usage in chat.text for command in COMMANDS)
        await chat.pilot.press("escape")
        await chat.until(lambda: chat.app.screen is chat.screen)


async def test_new_leaves_the_conversation_and_open_returns_to_it(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Oak."], ["Two."]]) as chat:
        await chat.send("Which wood?")
        await chat.write("/new")
        await chat.shows("Ask anything")
        await chat.send("One and one?")
        await chat.write("/open which")
        await chat.shows("Oak.")
        assert chat.texts() == ["Which wood?", "Oak."]
        await chat.write("/open")
        await chat.until(lambda: isinstance(chat.app.screen, ChoiceDialog))
        assert chat.app.screen.query_one(OptionList).option_count == 2
        await chat.pilot.press("enter")
        await chat.shows("Two.")


async def test_open_refuses_a_title_that_is_not_there(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Oak."]]) as chat:
        await chat.write("/open")
        await chat.shows("there are no conversations yet")
        await chat.send("Which wood?")
        await chat.write("/open pine")
        await chat.shows("no conversation has 'pine' in its title")


async def test_search_goes_to_the_message(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Oak burns long."], ["Two."]]) as chat:
        await chat.send("Which wood?")
        await chat.write("/new")
        await chat.send("One and one?")
        await chat.write("/search burns")
        await chat.shows("Oak burns long.")
        await chat.shows("1 found")
        await chat.pilot.press("enter")
        await chat.until(lambda: chat.texts() == ["Which wood?", "Oak burns long."])
        chat.screen.prompt.focus()
        await chat.write("/search zebra")
        await chat.shows("nothing holds all of these words")


async def test_rename_by_argument_and_by_dialog(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Oak."]]) as chat:
        await chat.write("/rename x")
        await chat.shows("nothing to rename yet")
        await chat.send("Which wood?")
        await chat.write("/rename Firewood")
        await chat.until(lambda: chat.store.conversations()[0].title == "Firewood")
        await chat.write("/rename")
        await chat.until(lambda: isinstance(chat.app.screen, LineDialog))
        assert chat.app.screen.query_one(Input).value == "Firewood"
        await chat.pilot.press("end", "!", "enter")
        await chat.until(lambda: chat.store.conversations()[0].title == "Firewood!")


async def test_delete_begins_another_conversation(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Oak."]]) as chat:
        await chat.write("/delete")
        await chat.shows("nothing was said yet")
        await chat.send("Which wood?")
        await chat.write("/delete")
        await chat.shows("deleted “Which wood?”")
        await chat.shows("Ask anything")


async def test_the_sidebar_opens_renames_and_deletes(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Oak."], ["Two."]]) as chat:
        await chat.send("Which wood?")
        await chat.pilot.press("ctrl+n")
        await chat.shows("Ask anything")
        await chat.send("One and one?")
        await chat.pilot.press("ctrl+b")
        await chat.shows("Conversations")
        await chat.pilot.press("down", "enter")
        await chat.until(lambda: chat.texts() == ["Which wood?", "Oak."])
        assert chat.app.focused is chat.screen.prompt
        await chat.pilot.press("ctrl+b", "ctrl+b")
        await chat.pilot.press("r")
        await chat.until(lambda: isinstance(chat.app.screen, LineDialog))
        await chat.pilot.press("end", "!", "enter")
        await chat.until(lambda: chat.session.title == "Which wood?!")
        await chat.until(lambda: chat.app.screen is chat.screen)
        await chat.pilot.press("d")
        await chat.until(lambda: [one.title for one in chat.store.conversations()] == ["One and one?"])


async def test_the_system_prompt_counts_from_the_next_reply(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Arr."], ["Ahoy."]]) as chat:
        await chat.write("/system You are a pirate.")
        await chat.shows("system prompt changed")
        await chat.send("Hello.")
        assert chat.model.requests[0].prompt[0].content == "You are a pirate."
        assert chat.store.conversations()[0].system == "You are a pirate."
        await chat.write("/system")
        await chat.until(lambda: isinstance(chat.app.screen, TextDialog))
        chat.app.screen.query_one(TextArea).text = "You are a captain."
        await chat.pilot.press("ctrl+s")
        await chat.until(lambda: chat.session.system == "You are a captain.")
        await chat.send("Hello?")
        assert chat.model.requests[1].prompt[0].content == "You are a captain."


async def test_an_adapter_is_applied_to_the_next_reply_and_taken_out(
    chat_with: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(spec: str, sha256: str, architecture: str) -> AdapterUse:
        name, _, scale = spec.partition(":")
        if name != "tidy":
            raise AdapterError(f"there is no adapter {name}", "did you mean tidy?")
        return AdapterUse(name, Path("tidy.gguf"), float(scale or 1))

    monkeypatch.setattr("fireside.models.adapters.resolve", resolve)
    async with chat_with([["a"], ["b"]]) as chat:
        await chat.write("/adapter")
        await chat.shows("no adapter is applied")
        await chat.write("/adapter tiddy")
        await chat.shows("there is no adapter tiddy")
        assert "did you mean tidy?" in chat.text
        await chat.write("/adapter tidy:0.5")
        await chat.shows("+ tidy:0.5")
        await chat.send("One.")
        assert [(use.name, use.scale) for use in chat.model.requests[0].adapters] == [("tidy", 0.5)]
        assert chat.store.conversations()[0].adapter == "tidy:0.5"
        await chat.write("/adapter off")
        await chat.shows("adapter taken out")
        await chat.send("Two.")
        assert chat.model.requests[1].adapters == ()
        assert chat.store.conversations()[0].adapter is None


async def test_docs_attaches_a_library_and_says_what_is_wrong(
    chat_with: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[object] = []

    class Library:
        def search(self, question: str, k: int) -> list[Any]:
            return []

        def close(self) -> None:
            closed.append(self)

    def open_library(name: str, *_: object) -> Library:
        if name != "house":
            raise DocumentError(f"there is no library {name}", "libraries: house")
        return Library()

    monkeypatch.setattr("rag.library.open_library", open_library)
    async with chat_with() as chat:
        await chat.write("/docs mouse")
        await chat.shows("there is no library mouse")
        assert chat.session.library is None
        await chat.write("/docs house")
        await chat.shows("docs house")
        assert isinstance(chat.session.library, Library)
        await chat.write("/tools on")
        await chat.shows("search_documents")
        await chat.write("/docs off")
        await chat.shows("answering without documents")
        assert chat.session.library is None
        assert len(closed) == 1
        assert [tool.name for tool in chat.session.tools] == ["calculator", "now", "remember", "recall", "ask_person"]


async def test_tools_are_confined_to_a_folder_that_must_exist(chat_with: Callable[..., Any], tmp_path: Path) -> None:
    async with chat_with() as chat:
        await chat.write("/tools /no/such")
        await chat.shows("/no/such is not a folder")
        assert chat.session.tools == ()
        await chat.write(f"/tools {tmp_path}")
        await chat.shows("read_file")
        await chat.write("/allow nosuch")
        await chat.shows("there is no tool nosuch")
        await chat.write("/allow now")
        await chat.shows("now runs without asking")
        assert chat.session.allowed == {"now"}
        await chat.write("/tools off")
        await chat.shows("tools are off")
        assert chat.session.tools == ()


async def test_the_tools_of_an_mcp_server(chat_with: Callable[..., Any], tmp_path: Path) -> None:
    async with chat_with() as chat:
        await chat.write("/mcp")
        await chat.shows("no MCP servers")
        by_hand(tmp_path, "weather", tool("forecast"))
        await chat.write("/mcp weather")
        await chat.shows("may ask to use weather.forecast")
        assert "weather.forecast" in [each.name for each in chat.session.tools]
        await chat.write("/mcp")
        await chat.shows("weather (in use)")
        await chat.write("/mcp nowhere")
        await chat.shows("no MCP server")
        await chat.write("/mcp off")
        await chat.shows("no MCP server is in use")
        assert "weather.forecast" not in [each.name for each in chat.session.tools]


async def test_export_writes_markdown_and_json_and_asks_before_it_replaces(
    chat_with: Callable[..., Any], tmp_path: Path
) -> None:
    async with chat_with([["Oak."]]) as chat:
        await chat.write("/export x.md")
        await chat.shows("nothing was said yet")
        await chat.send("Which wood?")
        await chat.write(f"/export {tmp_path / 'chat.txt'}")
        await chat.shows("neither .md nor .html nor .json")
        await chat.write(f"/export {tmp_path / 'chat.md'}")
        await chat.shows("saved as")
        assert "Oak." in (tmp_path / "chat.md").read_text("utf-8")
        await chat.write(f"/export {tmp_path / 'chat.json'}")
        await chat.until(lambda: (tmp_path / "chat.json").exists())
        document = json.loads((tmp_path / "chat.json").read_text("utf-8"))
        assert [message["text"] for message in document["messages"]] == ["Which wood?", "Oak."]
        (tmp_path / "chat.md").write_text("precious", "utf-8")
        await chat.write(f"/export {tmp_path / 'chat.md'}")
        await chat.until(lambda: isinstance(chat.app.screen, ConfirmDialog))
        await chat.pilot.press("n")
        await chat.until(lambda: chat.app.screen is chat.screen)
        assert (tmp_path / "chat.md").read_text("utf-8") == "precious"


async def test_an_exported_conversation_comes_back(chat_with: Callable[..., Any], tmp_path: Path) -> None:
    async with chat_with([["Oak."]]) as chat:
        await chat.send("Which wood?")
        await chat.write(f"/export {tmp_path / 'chat.json'}")
        await chat.shows("saved as")
        first = chat.session.conversation.id
        await chat.write(f"/import {tmp_path / 'chat.json'}")
        await chat.until(lambda: chat.session.conversation.id != first)
        assert [message.text for message in chat.session.messages()] == ["Which wood?", "Oak."]
        (tmp_path / "other.json").write_text("{}", "utf-8")
        await chat.write(f"/import {tmp_path / 'other.json'}")
        await chat.shows("holds no conversation that Fireside knows")
        await chat.write(f"/import {tmp_path / 'missing.json'}")
        await chat.shows("missing.json")


async def test_the_theme_changes_and_messages_follow(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Oak."]]) as chat:
        await chat.send("Which wood?")
        await chat.write("/theme light")
        await chat.until(lambda: chat.app.theme == "fireside-light")
        await chat.write("/theme mauve")
        await chat.shows("there is no theme mauve")
        await chat.write("/theme")
        await chat.until(lambda: chat.app.theme == "fireside-dark")


async def test_the_command_palette_offers_the_slash_commands(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        offered = {command.title: command.callback for command in chat.app.get_system_commands(chat.screen)}
        assert {f"/{command.name}" for command in COMMANDS} <= offered.keys()
        offered["/export"]()
        assert chat.screen.prompt.text == "/export "


async def test_copy_takes_the_last_reply(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Oak."]]) as chat:
        await chat.write("/copy")
        await chat.shows("there is no message yet")
        await chat.send("Which wood?")
        await chat.write("/copy")
        await chat.until(lambda: chat.app.clipboard == "Oak.")


async def test_train_starts_the_run_and_opens_its_screen(
    chat_with: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Opened(Screen[None]):
        def __init__(self, run_folder: Path) -> None:
            super().__init__()
            self.run_folder = run_folder

    started: list[Any] = []

    def start_run(config: Any) -> Path:
        started.append(config)
        return tmp_path / "run"

    monkeypatch.setattr("tui.runs.screen.RunScreen", Opened)
    monkeypatch.setattr("finetune.config.load_config", lambda file: file)
    monkeypatch.setattr("finetune.run.start_run", start_run)
    async with chat_with() as chat:
        await chat.write("/train tidy.toml")
        await chat.until(lambda: isinstance(chat.app.screen, Opened))
        assert chat.app.screen.run_folder == tmp_path / "run"
        assert started == [Path("tidy.toml")]


async def test_train_with_a_config_that_is_not_there_is_one_notice(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        await chat.write("/train nowhere.toml")
        await chat.shows("nowhere.toml")
        assert chat.app.screen is chat.screen


async def test_story_opens_by_name_and_from_the_list(chat_with: Callable[..., Any]) -> None:
    from tui.story.screen import StoryScreen
    from tui.story.side.stories import StoriesScreen

    async with chat_with() as chat:
        await chat.write("/story lighthouse")
        await chat.until(lambda: isinstance(chat.app.screen, StoryScreen))
        chat.app.pop_screen()
        await chat.write("/story")
        await chat.until(lambda: isinstance(chat.app.screen, StoriesScreen))
        await chat.shows("lighthouse")
        await chat.pilot.press("enter")
        await chat.until(lambda: isinstance(chat.app.screen, StoryScreen))
