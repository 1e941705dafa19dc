"""The swap as a person makes it: in a chat that stays open, over one worker process."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from agents.events import TurnFinished
from fireside.conversations.store import ConversationStore
from fireside.models.bundled import CHAT_MODEL, located
from fireside.models.client import WorkerModel
from fireside.models.gguf.loading import GgufLoading
from fireside.settings import ReplySettings, Settings
from tui.session import ChatSession

pytestmark = pytest.mark.engine

QUESTION = "Who cooks the soup?"


async def answer(session: ChatSession) -> str:
    """The reply to the question, asked in a new conversation."""

    async def deny(asked: object) -> Any:
        return "deny"

    session.new()
    async with aclosing(session.write(session.send(QUESTION), deny)) as events:
        *_, last = [event async for event in events]
    assert isinstance(last, TurnFinished)
    return last.text


async def test_an_adapter_is_swapped_into_the_open_chat_and_out_again(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESIDE_HOME", str(trained.home))
    model = WorkerModel("small", GgufLoading(located(CHAT_MODEL), context_length=512, threads=1))
    settings = Settings(reply=ReplySettings(temperature=0, repeat_penalty=1, max_tokens=24))
    session = ChatSession(ConversationStore(tmp_path / "conversations.db"), settings, lambda name: model)
    try:
        before = await answer(session)
        worker = model.pid
        await session.use_adapter("kitchen")
        assert await answer(session) == "Marlow cooks the soup, by the fire."
        await session.use_adapter("kitchen:0.01")
        assert await answer(session) != "Marlow cooks the soup, by the fire."
        await session.use_adapter(None)
        assert await answer(session) == before
        assert model.pid == worker
    finally:
        await session.close()
