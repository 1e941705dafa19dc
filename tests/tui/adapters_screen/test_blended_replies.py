"""Two adapters at once in a chat with the bundled model: its replies are those of their weighted sum."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import gguf
import numpy as np
import pytest

from agents.events import TurnFailed
from fireside import paths
from fireside.conversations.store import ConversationStore
from fireside.settings import Settings
from tui.models import open_model
from tui.session import ChatSession

pytestmark = pytest.mark.engine

WIDTH, RANK = 576, 2
LEFT, RIGHT = "blk.2.attn_output.weight", "blk.6.attn_output.weight"
Pair = tuple[np.ndarray, np.ndarray]


def keep(name: str, **matrices: Pair) -> None:
    """An adapter that adds b @ a to each matrix: alpha is its rank, so that nothing else scales it."""
    folder = paths.ensure_folder(paths.adapters_folder() / name)
    base = {"name": "", "sha256": "", "architecture": "llama"}
    (folder / "card.json").write_text(json.dumps({"base": base, "verified": True}))
    writer = gguf.GGUFWriter(folder / "adapter.gguf", "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(RANK))
    for tensor, (a, b) in matrices.items():
        writer.add_tensor(f"{tensor}.lora_a", a)
        writer.add_tensor(f"{tensor}.lora_b", b)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def drawn(draw: np.random.Generator) -> Pair:
    a, b = (draw.normal(0, 0.4, shape).astype(np.float32) for shape in ((RANK, WIDTH), (WIDTH, RANK)))
    return a, b


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[ChatSession]:
    """A chat with the bundled model, three adapters beside it: two, and one that is half of each.

    They change other matrices, and the scales are powers of two: their sum is the same to the last bit.
    """
    draw = np.random.default_rng(5)
    left, right = drawn(draw), drawn(draw)
    keep("left", **{LEFT: left})
    keep("right", **{RIGHT: right})
    keep("merged", **{LEFT: (left[0], left[1] * np.float32(0.5)), RIGHT: (right[0], right[1] * np.float32(0.5))})
    settings = Settings(titles="first words")
    found = ChatSession(ConversationStore(tmp_path / "c.db"), settings, lambda name: open_model(settings, name))
    yield found
    await found.close()


async def nobody(asked: object) -> str:
    return "deny"


async def reply(session: ChatSession, spec: str | None) -> str:
    """What the model answers with these adapters."""
    session.new()
    session.change_parameters({"temperature": 0, "max_tokens": 12})
    await session.use_adapter(spec)
    written = session.send("Name a few trees that grow by a river.")
    async for event in session.write(written, nobody):  # type: ignore[arg-type]  # nobody is never asked
        assert not isinstance(event, TurnFailed), event
    return session.messages()[-1].text


async def test_a_blend_answers_as_the_sum_of_its_adapters(session: ChatSession) -> None:
    merged = await reply(session, "merged")
    blended = await reply(session, "left:0.5+right:0.5")
    assert blended == merged
    conversation = session.conversation
    assert conversation is not None
    assert conversation.adapter == "left:0.5+right:0.5"
    for spec in (None, "left:0.5", "right:0.5"):
        assert await reply(session, spec) != blended
    await session.use_adapter(None)
    session.open(conversation.id)
    assert await session.restore() == []
    assert [(use.name, use.scale) for use in session.adapters] == [("left", 0.5), ("right", 0.5)]
