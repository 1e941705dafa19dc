"""What the model thinks before it replies: one quiet line while it does, folded above the reply afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fireside.models.types import Thinking
from tui.chat.message import MessageView


async def test_thoughts_are_counted_while_they_come_and_folded_afterwards(chat_with: Callable[..., Any]) -> None:
    reply, more = asyncio.Event(), asyncio.Event()
    script = [Thinking("Dry wood "), Thinking("burns well."), reply, "Oak.", more]
    async with chat_with([script]) as chat:
        await chat.write("Which wood?")
        await chat.shows("thinking… 4 words")
        assert "Dry wood" not in chat.text
        reply.set()
        await chat.shows("Oak.")
        assert chat.text.index("thinking… 4 words") < chat.text.index("Oak.")
        more.set()
        await chat.settled()
        assert "▸ thought for 4 words" in chat.text
        assert chat.texts() == ["Which wood?", "Oak."]


async def test_a_key_unfolds_them_and_the_model_is_not_shown_them_again(chat_with: Callable[..., Any]) -> None:
    async with chat_with([[Thinking("Dry wood burns well."), "Oak."], ["Because."]]) as chat:
        await chat.send("Which wood?")
        await chat.pilot.press("alt+up", "t")
        await chat.shows("Dry wood burns well.")
        await chat.pilot.press("t")
        await chat.until(lambda: "Dry wood" not in chat.text)
        assert isinstance(chat.app.focused, MessageView)
        await chat.pilot.press("escape")
        await chat.send("Why?")
        prompt = [message.content for message in chat.model.requests[-1].prompt]
        assert prompt[1:] == ["Which wood?", "Oak.", "Why?"]


async def test_stopped_while_it_thinks(chat_with: Callable[..., Any]) -> None:
    async with chat_with([[Thinking("Dry wood"), asyncio.Event()]]) as chat:
        await chat.write("Which wood?")
        await chat.shows("thinking… 2 words")
        await chat.pilot.press("escape")
        await chat.settled()
        assert "▸ thought for 2 words" in chat.text
        assert chat.session.messages()[-1].status == "stopped"


async def test_a_key_unfolds_them_while_they_come(chat_with: Callable[..., Any]) -> None:
    more, reply = asyncio.Event(), asyncio.Event()
    async with chat_with([[Thinking("Dry wood "), more, Thinking("burns well."), reply, "Oak."]]) as chat:
        await chat.write("Which wood?")
        await chat.shows("thinking… 2 words")
        await chat.pilot.press("ctrl+t")
        await chat.shows("Dry wood")
        more.set()
        await chat.shows("Dry wood burns well.")
        await chat.pilot.press("ctrl+t")
        await chat.until(lambda: "Dry wood" not in chat.text)
        assert "thinking… 4 words" in chat.text
        reply.set()
        await chat.settled()
        assert "▸ thought for 4 words" in chat.text
