from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from agents.events import (
    ApprovalAsked,
    CitationChecked,
    Event,
    PassagesFound,
    TextDelta,
    ThinkingDelta,
    ToolCallAsked,
    ToolResult,
    TurnFailed,
    TurnFinished,
    TurnsDropped,
)
from agents.record import record_turn
from fireside.conversations.store import ConversationStore
from fireside.conversations.types import StoredMessage
from fireside.models.types import Timings, ToolCall, Usage
from rag.types import Citation, Passage

CALL = ToolCall("now", {})
CITATION = Citation(1, "a.md", 0, 4, None, (), "warm", True)
END = TurnFinished("Very warm. [1]", "stop", False, (CITATION,), (CALL,), Usage(1, 2, 3), Timings())


@pytest.fixture
def store(tmp_path: Path) -> ConversationStore:
    return ConversationStore(tmp_path / "conversations.db")


@pytest.fixture
def message_id(store: ConversationStore) -> int:
    conversation = store.create("Be kind.", "small")
    asked = store.add(conversation.id, None, "user", "How warm?")
    return store.add(conversation.id, asked.id, "assistant", "", "streaming").id


async def stream(*pieces: Event | asyncio.Event | Exception) -> AsyncGenerator[Event, None]:
    for piece in pieces:
        if isinstance(piece, Exception):
            raise piece
        if isinstance(piece, asyncio.Event):
            await piece.wait()
        else:
            yield piece


async def recorded(store: ConversationStore, message_id: int, *pieces: Event | asyncio.Event) -> StoredMessage:
    assert [event async for event in record_turn(store, message_id, stream(*pieces))] == list(pieces)
    return store.message(message_id)


async def test_a_finished_turn_with_everything(store: ConversationStore, message_id: int) -> None:
    passage = Passage("a.md", "A", 0, 4, "warm", None, (), 1.0, 1.0, 1.0)
    message = await recorded(
        store,
        message_id,
        TurnsDropped(4),
        PassagesFound("How warm?", (passage,), True),
        ToolCallAsked(CALL),
        ApprovalAsked(CALL, "why"),
        ToolResult(CALL, "done", "noon"),
        TextDelta("Very "),
        TextDelta("warm."),
        CitationChecked(CITATION),
        END,
    )
    assert (message.text, message.status) == ("Very warm. [1]", "complete")
    details = message.details
    assert details["tools"] == [{"name": "now", "arguments": {}, "status": "done", "result": "noon"}]
    assert details["citations"][0]["quote"] == "warm"
    assert details["usage"]["completion_tokens"] == 3
    assert (details["finish"], details["refused"], details["dropped"], details["relevant"]) == ("stop", False, 4, True)


async def test_what_the_model_thinks_is_kept_beside_the_text(store: ConversationStore, message_id: int) -> None:
    thoughts = [ThinkingDelta("Fire "), ThinkingDelta("is warm.")]
    message = await recorded(store, message_id, *thoughts, TextDelta("Very warm. [1]"), END)
    assert (message.text, message.details["thinking"]) == ("Very warm. [1]", "Fire is warm.")


async def test_thoughts_that_led_nowhere_are_kept_too(store: ConversationStore, message_id: int) -> None:
    events = record_turn(store, message_id, stream(ThinkingDelta("Fire"), asyncio.Event()))
    await anext(events)
    await events.aclose()
    message = store.message(message_id)
    assert (message.text, message.status, message.details) == ("", "stopped", {"thinking": "Fire"})


async def test_a_failed_turn_keeps_its_text_and_says_why(store: ConversationStore, message_id: int) -> None:
    message = await recorded(store, message_id, TextDelta("Very "), TurnFailed("it stopped", "send again"))
    assert (message.text, message.status) == ("Very ", "failed")
    assert message.details == {"error": "it stopped", "hint": "send again"}


async def test_a_turn_that_is_closed_early_keeps_its_text_as_stopped(store: ConversationStore, message_id: int) -> None:
    events = record_turn(store, message_id, stream(TextDelta("Very "), TextDelta("warm"), asyncio.Event()))
    await anext(events)
    await anext(events)
    await events.aclose()
    message = store.message(message_id)
    assert (message.text, message.status) == ("Very warm", "stopped")


async def test_text_is_saved_a_quarter_of_a_second_after_it_came_even_if_nothing_follows(
    store: ConversationStore, message_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    now = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now)
    events = record_turn(store, message_id, stream(TextDelta("Very "), TextDelta("warm"), asyncio.Event()))
    await anext(events)
    await anext(events)
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    assert store.message(message_id).text == ""
    now += 0.25
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert store.message(message_id).text == "Very warm"
    assert store.message(message_id).status == "streaming"
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_fast_text_is_not_saved_at_every_piece(
    store: ConversationStore, message_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[str] = []
    write = store.write

    def counting(message_id: int, text: str, *rest: object) -> None:
        writes.append(text)
        write(message_id, text, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "write", counting)
    await recorded(store, message_id, *(TextDelta("x") for _ in range(50)), END)
    assert len(writes) < 10


CHILD = """
import asyncio, sys
from pathlib import Path
from agents.events import TextDelta
from agents.record import record_turn
from fireside.conversations.store import ConversationStore

async def slow():
    number = 0
    while True:
        yield TextDelta(f"{number} ")
        number += 1
        # After the fortieth word the model hangs.
        await asyncio.sleep(0.02 if number < 40 else 999)

async def main():
    store = ConversationStore(Path(sys.argv[1]))
    async for event in record_turn(store, int(sys.argv[2]), slow()):
        print(event.text, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("words", [30, 40])
def test_a_killed_process_loses_at_most_half_a_second_of_text(tmp_path: Path, words: int) -> None:
    path = tmp_path / "conversations.db"
    store = ConversationStore(path)
    conversation = store.create("", "small")
    message = store.add(conversation.id, None, "assistant", "", "streaming")
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), str(message.id)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    shown = "".join(child.stdout.readline().strip() + " " for _ in range(words))
    if words == 40:
        # Nothing more comes: half a second later all of it must be there.
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.5)
    child.kill()
    child.wait()
    child.stdout.close()
    kept = ConversationStore(path).message(message.id).text
    assert (shown + "30 31 32 33 34 35 36 37 38 39").startswith(kept.strip())
    lost = len(shown.split()) - len(kept.split())
    assert lost <= (0 if words == 40 else 25)


async def test_a_turn_that_breaks_off_is_failed_and_not_stopped(store: ConversationStore, message_id: int) -> None:
    with pytest.raises(KeyError):
        async for _ in record_turn(store, message_id, stream(TextDelta("So far "), KeyError("a fault"))):
            pass
    kept = store.message(message_id)
    assert (kept.text, kept.status) == ("So far ", "failed")
    assert "KeyError" in kept.details["error"]
