"""One turn on the screen: sent, streamed, saved, stopped, failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from fireside.conversations.store import ConversationStore
from fireside.errors import ModelError, StorageError, WorkerDied
from fireside.models.scripted import ScriptedModel
from fireside.models.types import ModelInfo
from tui.chat.reply import LiveReply


async def test_a_message_is_answered_and_saved(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Dry ", "wood ", "burns."]]) as chat:
        assert "Ask anything" in chat.text
        await chat.send("What burns?")
        assert "Ask anything" not in chat.text
        assert "What burns?" in chat.text
        assert "Dry wood burns." in chat.text
        user, reply = chat.store.messages(chat.session.conversation.id)
        assert (user.role, user.text, user.status) == ("user", "What burns?", "complete")
        assert (reply.role, reply.text, reply.status) == ("assistant", "Dry wood burns.", "complete")
        assert reply.parent == user.id
        assert chat.session.conversation.title == "What burns?"
        prompt = chat.model.requests[0].prompt
        assert [message.role for message in prompt] == ["system", "user"]


async def test_the_reply_is_on_the_screen_and_in_the_store_while_it_is_written(
    chat_with: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.record._SAVE_SECONDS", 0.0)
    more = asyncio.Event()
    async with chat_with([["The first half", more, " and the second."]]) as chat:
        await chat.write("Tell me.")
        await chat.shows("The first half")
        assert "writing…" in chat.text
        await chat.until(lambda: chat.session.messages()[-1].text == "The first half")
        assert chat.session.messages()[-1].status == "streaming"
        more.set()
        await chat.settled()
        assert "The first half and the second." in chat.text
        assert "ready" in chat.text
        assert "tok/s" in chat.text


async def test_a_finished_reply_is_one_widget(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["# Title\n\n- a\n- b\n\n```python\nx = 1\n```\n"]]) as chat:
        await chat.send("Go on.")
        assert not chat.screen.query(LiveReply)
        views = chat.screen.transcript.views
        assert [view.message.role for view in views] == ["user", "assistant"]
        assert not views[-1].children
        assert "x = 1" in chat.text


async def test_escape_stops_and_keeps_what_came(chat_with: Callable[..., Any]) -> None:
    never = asyncio.Event()
    async with chat_with([["Once upon a time", never, " there was"], ["Again."]]) as chat:
        await chat.write("A story.")
        await chat.shows("Once upon a time")
        await chat.pilot.press("escape")
        await chat.settled()
        reply = chat.session.messages()[-1]
        assert (reply.text, reply.status) == ("Once upon a time", "stopped")
        assert "stopped" in chat.text
        assert chat.model.cancelled == 1
        await chat.send("Go on.")
        assert chat.texts()[-1] == "Again."


async def test_ctrl_c_stops_the_reply_and_does_not_leave(chat_with: Callable[..., Any]) -> None:
    never = asyncio.Event()
    async with chat_with([["Half", never]]) as chat:
        await chat.write("Go.")
        await chat.shows("Half")
        await chat.pilot.press("ctrl+c")
        await chat.settled()
        assert chat.session.messages()[-1].status == "stopped"
        assert chat.app.is_running


async def test_ctrl_c_asks_twice_before_it_leaves(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        await chat.pilot.press("ctrl+c")
        await chat.shows("again to quit")
        assert chat.app._exit is False
        await chat.pilot.press("ctrl+c")
        assert chat.app._exit is True


async def test_a_dead_worker_is_one_line_and_the_next_turn_starts_it_again(
    chat_with: Callable[..., Any],
) -> None:
    died = WorkerDied("the model's process ended", "send the message again to start it once more")
    async with chat_with([["Half", died], ["Whole."]]) as chat:
        await chat.send("Go.")
        assert "the model's process ended" in chat.text
        assert "send the message again" in chat.text
        assert "Half" in chat.text
        assert (chat.session.messages()[-1].text, chat.session.messages()[-1].status) == ("Half", "failed")
        started = chat.model.started
        await chat.send("Once more.")
        assert chat.model.started > started
        assert chat.texts()[-1] == "Whole."


async def test_a_model_that_cannot_be_loaded_leaves_the_chat_usable(chat_with: Callable[..., Any]) -> None:
    class Broken(ScriptedModel):
        async def start(self) -> ModelInfo:
            raise ModelError("broken.gguf is not a GGUF file", "choose another with /model")

    async with chat_with(model=Broken([])) as chat:
        await chat.shows("broken.gguf is not a GGUF file")
        assert "no model" in chat.text
        await chat.send("Hello?")
        assert chat.texts()[0] == "Hello?"
        assert chat.session.messages()[-1].status == "failed"
        assert "choose another with /model" in chat.text


async def test_a_message_sent_while_the_model_loads_waits_for_it(chat_with: Callable[..., Any]) -> None:
    loaded = asyncio.Event()

    class Slow(ScriptedModel):
        async def start(self) -> ModelInfo:
            self.started += 1
            await loaded.wait()
            return await super().start()

    async with chat_with(model=Slow([["Here I am."]])) as chat:
        assert "loading…" in chat.text
        await chat.write("Early bird.")
        await chat.shows("Early bird.")
        assert chat.texts() == ["Early bird.", ""]
        loaded.set()
        await chat.shows("Here I am.")


async def test_a_command_can_be_run_while_a_reply_is_written(chat_with: Callable[..., Any]) -> None:
    more = asyncio.Event()
    async with chat_with([["One", more, "."]]) as chat:
        await chat.write("First.")
        await chat.shows("One")
        await chat.write("/new")
        await chat.shows("Escape stops it")
        more.set()
        await chat.settled()
        assert chat.texts() == ["First.", "One."]


async def test_leaving_in_mid_reply_saves_what_came(chat_with: Callable[..., Any], tmp_path: Any) -> None:
    from fireside.conversations.store import ConversationStore

    never = asyncio.Event()
    async with chat_with([["Kept", never]]) as chat:
        await chat.write("Go.")
        await chat.shows("Kept")
        reply = chat.session.messages()[-1].id
        await chat.pilot.press("ctrl+q")
    store = ConversationStore(tmp_path / "conversations.db")
    assert (store.message(reply).text, store.message(reply).status) == ("Kept", "stopped")
    store.close()


async def test_a_full_disk_is_one_notice_and_the_text_stays_on_the_screen(
    chat_with: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any, **details: Any) -> None:
        raise StorageError("cannot save the reply: the disk is full", "free some space")

    more = asyncio.Event()
    async with chat_with([["Precious", more, " words."], ["Again."]]) as chat:
        await chat.write("Go.")
        await chat.shows("Precious")
        with monkeypatch.context() as patch:
            patch.setattr(chat.store, "write", full)
            more.set()
            await chat.shows("the disk is full")
            assert "Precious words." in chat.text
            assert not chat.session.busy
        await chat.send("Once more.")
        assert chat.texts()[-1] == "Again."


async def test_a_disk_that_is_full_at_the_start_does_not_keep_the_model_away(
    chat_with: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: ConversationStore) -> int:
        raise StorageError("the disk is full", "free some space")

    monkeypatch.setattr(ConversationStore, "recover", full)
    async with chat_with() as chat:
        await chat.shows("the disk is full")
        await chat.shows("ready")
