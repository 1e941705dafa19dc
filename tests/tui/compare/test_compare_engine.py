"""The bundled model with an adapter against itself without: each its own process, each its own words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from fireside.conversations.store import ConversationStore
from fireside.models.adapters import import_adapter
from fireside.settings import Settings
from tui.app import FiresideApp
from tui.compare.screen import CompareScreen
from tui.models import open_model
from tui.session import ChatSession

pytestmark = pytest.mark.engine


def _adapter(path: Path) -> Path:
    """An adapter that changes what is said."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 4.0)
    for side, shape in (("lora_a", (4, 576)), ("lora_b", (576, 4))):
        writer.add_tensor(f"blk.0.attn_q.weight.{side}", np.full(shape, 2.0, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


async def test_with_the_adapter_and_without(tmp_path: Path, wait: Callable[..., Any]) -> None:
    import_adapter(_adapter(tmp_path / "a.gguf"), "bent")
    settings = Settings(titles="first words")
    session = ChatSession(ConversationStore(tmp_path / "chats.db"), settings, lambda name: open_model(settings, name))
    session.change_parameters({"temperature": 0, "max_tokens": 12})
    app = FiresideApp(session, adapter="bent")
    async with app.run_test(size=(80, 24)) as pilot:
        await wait(pilot, lambda: session.adapters, 60)
        app.screen.run_command("/compare")  # type: ignore[attr-defined]  # the chat is the first screen
        await wait(pilot, lambda: isinstance(app.screen, CompareScreen))
        screen = app.screen
        assert isinstance(screen, CompareScreen)
        await pilot.press(*"Colours", "enter")
        await wait(pilot, lambda: all(column.text and column.details for column in screen._columns), 60)
        bent, plain = screen._columns
        assert bent.side.title.endswith("+ bent:1")
        assert bent.text != plain.text
        other = plain.side.model
        assert bent.side.model is session.model
        assert other is not session.model
        await pilot.press("2")
        await wait(pilot, lambda: not isinstance(app.screen, CompareScreen))
        assert [message.text for message in session.messages()] == ["Colours", plain.text]
        await wait(pilot, lambda: not other.running)  # type: ignore[attr-defined]  # a worker's model
