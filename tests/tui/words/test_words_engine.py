"""The bundled model: what it might have written in a word's place, and the reply that goes on from another token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fireside.conversations.store import ConversationStore
from fireside.settings import Settings
from tui.models import open_model
from tui.session import ChatSession

pytestmark = pytest.mark.engine


async def _deny(asked: Any) -> Any:
    return "deny"


async def test_its_own_word_is_the_likeliest_and_another_token_is_gone_on_with(tmp_path: Path) -> None:
    settings = Settings(titles="first words")
    session = ChatSession(ConversationStore(tmp_path / "chats.db"), settings, lambda name: open_model(settings, name))
    session.change_parameters({"temperature": 0, "max_tokens": 12})
    try:
        reply = session.send("Name the capital of France.")
        async for _ in session.write(reply, _deny):
            pass
        text = session.messages()[-1].text
        told = await session.alternatives(reply.id, 0)
        shares = [share for _, share in told]
        assert text.startswith(told[0][0])
        assert 5 <= len(told) <= 10
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) <= 1.0001
        begun = session.go_on(reply.id, told[1][0])
        async for _ in session.write(begun, _deny):
            pass
        gone_on = session.messages()[-1]
        assert gone_on.text.startswith(told[1][0])
        assert len(gone_on.text) > len(told[1][0])
        assert [each.text for each in session.store.siblings(reply.id)] == [text, gone_on.text]
    finally:
        await session.close()
