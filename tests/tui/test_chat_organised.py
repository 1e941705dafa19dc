"""Conversations in order: pinned, tagged, archived, deleted and brought back, found, walked as a tree."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.widgets import Input

from fireside.conversations.types import SearchFilter, TreeRow
from tui.chat.message import MessageView
from tui.chat.message_acts import code_blocks
from tui.chat.search_screen import SearchScreen, asked
from tui.chat.sidebar import ConversationList
from tui.chat.tree_screen import TreeScreen, tree_lines


def row(number: int, parent: int | None) -> TreeRow:
    return TreeRow(number, parent, "user", "complete", str(number))


@given(st.lists(st.integers(0, 30), max_size=60))
def test_every_message_is_one_line_below_its_parent(parents: list[int]) -> None:
    rows = [row(number + 1, min(parent, number) or None) for number, parent in enumerate(parents)]
    lines = tree_lines(rows, [each.id for each in rows])
    places = {line.row.id: place for place, line in enumerate(lines)}
    assert len(places) == len(rows)
    for line in lines:
        if line.row.parent is not None:
            assert places[line.row.parent] < places[line.row.id]


def test_only_branchings_indent() -> None:
    chain = [row(number, number - 1 or None) for number in range(1, 5001)]
    assert {line.indent for line in tree_lines(chain, [])} == {0}
    lines = tree_lines([row(1, None), row(2, 1), row(3, 1), row(4, 2)], [1, 3])
    assert [(line.row.id, line.indent, line.branch, line.shown) for line in lines] == [
        (1, 0, (0, 1), True),
        (2, 1, (0, 2), False),
        (4, 1, (0, 1), False),
        (3, 1, (1, 2), True),
    ]


def test_code_blocks_are_told_from_text() -> None:
    text = "Try\n```python\nprint(1)\n```\nor\n~~~\na ``` b\n~~~\n"
    assert code_blocks(text) == ["print(1)\n", "a ``` b\n"]
    assert code_blocks("no code `here`") == []
    assert code_blocks("begun\n```sh\nls\n") == ["ls\n"]


def test_a_search_is_narrowed_by_words_of_its_own() -> None:
    assert asked("tag:work by:me old kiln").words == "old kiln"
    assert asked("tag:work by:me old kiln").only == SearchFilter(tag="work", role="user")
    assert asked("by:nobody tag: x").only == SearchFilter()


async def test_a_deleted_conversation_comes_back(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Warm."]]) as chat:
        await chat.send("How warm?")
        await chat.write("/delete")
        await chat.shows("/undo brings it back")
        assert chat.store.conversations() == []
        await chat.write("/undo")
        await chat.shows("undone: the deletion of “How warm?”")
        assert [one.title for one in chat.store.conversations()] == ["How warm?"]
        await chat.write("/undo")
        await chat.shows("there is nothing to undo")


async def test_the_list_pins_tags_and_archives(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Warm."], ["Cold."]], size=(100, 30)) as chat:
        await chat.send("How warm?")
        await chat.write("/new")
        await chat.send("How cold?")
        await chat.pilot.press("ctrl+b")
        await chat.until(lambda: chat.screen.query_one(ConversationList).option_count == 2)
        await chat.pilot.press("down", "p")
        await chat.until(lambda: [one.title for one in chat.store.conversations()] == ["How warm?", "How cold?"])
        await chat.shows("‡ How warm?")
        chat.screen.prompt.focus()
        await chat.write("/tag winter")
        await chat.shows("#winter")
        await chat.write("/archive")
        await chat.until(lambda: len(chat.store.conversations()) == 1)
        chat.screen.query_one(ConversationList).focus()
        await chat.pilot.press("A")
        await chat.shows("Archived")
        await chat.shows("How cold?")
        await chat.pilot.press("u")
        await chat.until(lambda: len(chat.store.conversations()) == 2)


async def test_the_tree_goes_to_a_message_of_another_branch(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["One."], ["Two."], ["Three."]]) as chat:
        await chat.send("Count.")
        await chat.write("/retry")
        await chat.settled()
        await chat.until(lambda: chat.texts() == ["Count.", "Two."])
        await chat.pilot.press("f3")
        await chat.until(lambda: isinstance(chat.app.screen, TreeScreen))
        await chat.shows("3 messages, 2 on branches")
        assert "○ 1/2 model: One." in chat.text
        await chat.pilot.press("k", "enter")
        await chat.until(lambda: chat.texts() == ["Count.", "One."])
        await chat.until(lambda: isinstance(chat.app.focused, MessageView))


async def test_search_finds_while_it_is_typed_and_jumps(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["The kiln is hot."], ["The sea is cold."]]) as chat:
        await chat.send("About kilns.")
        await chat.write("/new")
        await chat.send("About seas.")
        await chat.pilot.press("ctrl+f")
        await chat.until(lambda: isinstance(chat.app.screen, SearchScreen))
        chat.app.screen.query_one(Input).value = "kiln hot"
        await chat.shows("model: The kiln is hot.")
        await chat.pilot.press("tab")
        await chat.shows("nothing holds all of these words")
        await chat.pilot.press("tab")
        await chat.shows("1 found")
        await chat.pilot.press("enter")
        await chat.until(lambda: chat.texts() == ["About kilns.", "The kiln is hot."])
        focused = chat.app.focused
        assert isinstance(focused, MessageView)
        assert focused.message.text == "The kiln is hot."


async def test_messages_sent_meanwhile_wait_and_go_one_by_one(chat_with: Callable[..., Any]) -> None:
    go_on = asyncio.Event()
    async with chat_with([["One ", go_on, "done."], ["Two."], ["Three."]]) as chat:
        await chat.write("First")
        await chat.shows("One")
        await chat.write("Second")
        await chat.write("Third")
        await chat.shows("↑ waits: Third")
        assert chat.screen.prompt.text == ""
        go_on.set()
        await chat.until(lambda: chat.texts() == ["First", "One done.", "Second", "Two.", "Third", "Three."])
        assert "waits" not in chat.text


async def test_what_waits_goes_back_into_the_prompt_when_a_reply_is_stopped(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["One ", asyncio.Event()]]) as chat:
        await chat.write("First")
        await chat.shows("One")
        await chat.write("Second")
        await chat.write("Third")
        await chat.pilot.press("escape")
        await chat.settled()
        await chat.until(lambda: chat.screen.prompt.text == "Second\n\nThird")


async def test_a_stopped_reply_is_gone_on_with_in_its_place(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["One ", asyncio.Event()], ["two ", "three."]]) as chat:
        await chat.write("Count.")
        await chat.shows("One")
        await chat.pilot.press("escape")
        await chat.settled()
        await chat.write("/continue")
        await chat.until(lambda: chat.texts() == ["Count.", "One two three."])
        await chat.settled()
        assert chat.model.requests[1].reply_prefix == "One "
        assert len(chat.store.messages(chat.session.conversation.id)) == 2


async def test_any_message_is_edited_in_place_removed_and_brought_back(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["One."], ["Two."]]) as chat:
        await chat.send("First")
        await chat.send("Second")
        await chat.pilot.press("alt+up", "up", "up", "E")
        await chat.shows("Edit in place")
        await chat.pilot.press("end", "exclamation_mark", "ctrl+s")
        await chat.until(lambda: chat.texts() == ["First", "One.!", "Second", "Two."])
        await chat.pilot.press("alt+up", "up", "x")
        await chat.until(lambda: chat.texts() == ["First", "One.!"])
        await chat.write("/undo")
        await chat.until(lambda: len(chat.texts()) == 4)
        await chat.write("/undo")
        await chat.until(lambda: chat.texts() == ["First", "One.", "Second", "Two."])


@pytest.mark.parametrize("suffix", [".md", ".html", ".json"])
async def test_a_conversation_is_exported_and_comes_back(
    chat_with: Callable[..., Any], tmp_path: Path, suffix: str
) -> None:
    async with chat_with([["Warm."]]) as chat:
        await chat.send("How warm?")
        file = tmp_path / f"talk{suffix}"
        await chat.write(f"/export {file}")
        await chat.until(file.is_file)
        assert "Warm." in file.read_text("utf-8")
        if suffix == ".json":
            await chat.write(f"/import {file}")
            await chat.shows("one conversation brought in")
            assert len(chat.store.conversations()) == 2


async def test_a_persona_brings_its_words_and_its_parameters(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Arr."], ["Hello."]]) as chat:
        await chat.write("/set temperature 0.3")
        await chat.shows("temperature is 0.3 in this conversation")
        await chat.write("/system Speak as a pirate.")
        await chat.shows("system prompt changed")
        await chat.write("/persona keep pirate")
        await chat.shows("kept as")
        await chat.write("/persona off")
        await chat.shows("no persona")
        await chat.write("/persona pirate")
        await chat.shows("from the next reply on: pirate")
        await chat.send("Hi")
        request = chat.model.requests[0]
        assert request.prompt[0].content == "Speak as a pirate."
        assert request.sampling.temperature == 0.3
        assert chat.session.conversation.persona == "pirate"
        await chat.write("/set warmth 3")
        await chat.shows("warmth")
        await chat.write("/persona nobody")
        await chat.shows("there is no persona nobody")
