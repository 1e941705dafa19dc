"""What fails under a reply: it ends in an error behind the text it had, and the next one is served as ever."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from fireside.errors import FiresideError, ModelError
from fireside.models.bundled import CHAT_MODEL, located
from fireside.models.gguf.context import Context, NoRoom
from fireside.models.gguf.engine import GgufEngine
from fireside.models.gguf.loading import GgufLoading
from fireside.models.sampling import GREEDY
from fireside.models.types import Delta, Finished, Message, ReplyEvent, Request

pytestmark = pytest.mark.engine

LOADING = GgufLoading(located(CHAT_MODEL), context_length=512, threads=1)
REQUEST = Request((Message("user", "Write a story about a fox and a lighthouse."),), GREEDY, 24)


@pytest.fixture
def engine() -> Iterator[GgufEngine]:
    engine = GgufEngine(LOADING, CHAT_MODEL.sha256)
    yield engine
    engine.close()


def events(engine: GgufEngine, request: Request) -> list[ReplyEvent | FiresideError]:
    engine.submit(1, request)
    found = []
    while engine.busy:
        found += [event for _, event in engine.step()]
    return found


def text_of(events: list[ReplyEvent | FiresideError]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def failing(context: Context, monkeypatch: pytest.MonkeyPatch, *, after: int, error: Exception) -> None:
    """From its `after`-th batch on, `context` computes the batch and then fails."""
    decode, left = context.decode, after

    def decoded() -> None:
        nonlocal left
        decode()
        left -= 1
        if left < 0:
            raise error

    monkeypatch.setattr(context, "decode", decoded)


@pytest.mark.parametrize("after", [0, 9])
def test_a_failed_batch_ends_the_reply_behind_its_text_and_leaves_nothing_in_the_cache(
    engine: GgufEngine, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    # A stop string holds back what may be its beginning: the whole of this reply's end.
    whole = text_of(events(engine, REQUEST))
    held = replace(REQUEST, stop=(whole[:200] + "something else",))
    with monkeypatch.context() as patch:
        failing(engine.context, patch, after=after, error=ModelError("no luck", "try again"))
        *shown, end = events(engine, held)
    assert isinstance(end, ModelError)
    assert not any(isinstance(event, Finished) for event in shown)
    assert bool(text_of(shown)) == (after > 0)
    assert whole.startswith(text_of(shown))
    used = [
        engine.model.lib.llama_memory_seq_pos_max(engine.context._memory, n) for n in range(engine.context.sequences)
    ]
    assert used == [-1] * engine.context.sequences
    assert text_of(events(engine, REQUEST)) == whole


@pytest.mark.parametrize("error", [ModelError("no luck", "try again"), NoRoom()])
def test_a_failing_draft_model_costs_speed_and_nothing_else(
    engine: GgufEngine, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    drafted = GgufEngine(replace(LOADING, draft=located(CHAT_MODEL)))
    try:
        assert drafted._draft is not None
        failing(drafted._draft._context, monkeypatch, after=2, error=error)
        found = events(drafted, REQUEST)
    finally:
        drafted.close()
    assert isinstance(found[-1], Finished)
    assert text_of(found) == text_of(events(engine, REQUEST))


def test_without_spare_sequences_two_conversations_take_turns() -> None:
    engine = GgufEngine(replace(LOADING, flash_attention="off"), CHAT_MODEL.sha256)
    other = replace(REQUEST, prompt=(Message("user", "What do bees make?"),))
    try:
        assert engine.context.sequences == 1
        first = text_of(events(engine, REQUEST))
        assert text_of(events(engine, other))
        assert text_of(events(engine, REQUEST)) == first
    finally:
        engine.close()
