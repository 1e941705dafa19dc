"""The session without a screen: what is saved, which branch is answered, and what may not happen twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.events import ApprovalAsked, Event, TextDelta, TurnFailed, TurnFinished
from fireside.conversations.store import ConversationStore
from fireside.conversations.types import StoredMessage
from fireside.errors import FiresideError, ModelError, StorageError, WorkerDied
from fireside.models.scripted import ScriptedModel
from fireside.models.types import ChatModel, ModelInfo
from fireside.settings import Settings
from tui.session import ChatSession, as_prompt

Opened = Callable[..., ChatSession]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ConversationStore]:
    opened = ConversationStore(tmp_path / "conversations.db")
    yield opened
    opened.close()


@pytest.fixture
def session_of(store: ConversationStore) -> Opened:
    def opened(*replies: Any) -> ChatSession:
        model = ScriptedModel(replies)
        return ChatSession(store, Settings(), lambda name: model)

    return opened


async def deny(asked: ApprovalAsked) -> Any:
    return "deny"


async def run(session: ChatSession, reply: StoredMessage | None) -> list[Event]:
    assert reply is not None
    return [event async for event in session.write(reply, deny)]


async def _rest(events: AsyncGenerator[Event, None]) -> list[Event]:
    return [event async for event in events]


async def test_a_sent_message_is_saved_before_the_model_is_asked(session_of: Opened) -> None:
    session = session_of(["Yes."])
    assert session.conversation is None
    reply = session.send("Is it saved?\nReally?")
    assert session.title == "Is it saved? Really?"
    assert [(message.role, message.status) for message in session.messages()] == [
        ("user", "complete"), ("assistant", "streaming"),
    ]  # fmt: skip
    events = await run(session, reply)
    assert isinstance(events[0], TextDelta)
    assert isinstance(events[-1], TurnFinished)
    assert session.messages()[-1].text == "Yes."


async def test_a_reply_begun_refuses_another_until_it_has_ended(session_of: Opened) -> None:
    session = session_of(["Yes."], ["No."])
    reply = session.send("One.")
    for refused in (lambda: session.send("Two."), session.new, lambda: session.retry(reply.id)):
        with pytest.raises(FiresideError, match="still being written"):
            refused()
    await run(session, reply)
    assert not session.busy
    await run(session, session.send("Two."))


async def test_stop_before_the_first_piece_leaves_an_empty_stopped_reply(session_of: Opened) -> None:
    session = session_of([asyncio.Event(), "never"], ["Fine."])
    reply = session.send("One.")
    running = asyncio.create_task(run(session, reply))
    while not session.model.requests:  # type: ignore[attr-defined]  # the scripted model's
        await asyncio.sleep(0)
    session.stop()
    assert await running == []
    assert (session.messages()[-1].text, session.messages()[-1].status) == ("", "stopped")
    await run(session, session.send("Two."))
    prompt = session.model.requests[1].prompt  # type: ignore[attr-defined]
    assert [message.content for message in prompt[1:]] == ["Two."]


async def test_a_reply_that_cannot_be_saved_when_stopped_leaves_the_session_free(
    session_of: Opened, store: ConversationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_of([asyncio.Event()])
    reply = session.send("Go.")
    rest = asyncio.ensure_future(_rest(session.write(reply, deny)))
    while not session.model.requests:  # type: ignore[attr-defined]  # the scripted model
        await asyncio.sleep(0)

    def full(*_: Any) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(store, "write", full)
    session.stop()
    with pytest.raises(StorageError):
        await rest
    assert not session.busy
    async with asyncio.timeout(10):
        await session.close()


async def test_stop_without_a_reply_does_nothing(session_of: Opened) -> None:
    session_of().stop()


async def test_leaving_the_events_early_saves_and_frees_the_session(session_of: Opened) -> None:
    session = session_of(["One ", "two."])
    events = session.write(session.send("Count."), deny)
    assert isinstance(await anext(events), TextDelta)
    await events.aclose()
    assert not session.busy
    assert (session.messages()[-1].text, session.messages()[-1].status) == ("One ", "stopped")


async def test_close_waits_until_the_reply_is_saved(session_of: Opened, tmp_path: Path) -> None:
    session = session_of(["Kept", asyncio.Event()])
    reply = session.send("Go.")
    events = session.write(reply, deny)
    assert await anext(events) == TextDelta("Kept")
    running = asyncio.create_task(_rest(events))
    await session.close()
    await running
    again = ConversationStore(tmp_path / "conversations.db")
    assert (again.message(reply.id).text, again.message(reply.id).status) == ("Kept", "stopped")
    again.close()


async def test_a_dead_worker_fails_the_turn_and_is_started_by_the_next(session_of: Opened) -> None:
    session = session_of(["Half", WorkerDied("it died", "again")], ["Whole."])
    events = await run(session, session.send("Go."))
    assert events[-1] == TurnFailed("it died", "again")
    assert (session.messages()[-1].text, session.messages()[-1].status) == ("Half", "failed")
    started = session.model.started  # type: ignore[attr-defined]
    await run(session, session.send("Go on."))
    assert session.model.started > started  # type: ignore[attr-defined]


async def test_a_conversation_comes_back_with_its_system_prompt(session_of: Opened) -> None:
    session = session_of(["a"], ["b"], ["c"])
    session.change_system("Be brief.")
    await run(session, session.send("One."))
    assert session.conversation is not None
    first = session.conversation.id
    session.new()
    assert session.system == Settings().reply.system
    await run(session, session.send("Two."))
    session.open(first)
    assert session.system == "Be brief."
    assert await session.restore() == []
    assert [message.text for message in session.messages()] == ["One.", "a"]


async def test_an_adapter_that_is_gone_is_a_problem_told_not_a_conversation_lost(session_of: Opened) -> None:
    session = session_of(["a"])
    await run(session, session.send("One."))
    assert session.conversation is not None
    session.store.change(session.conversation.id, adapter="gone:1", library="gone")
    session.open(session.conversation.id)
    problems = await session.restore()
    assert len(problems) == 2
    assert session.adapters == ()
    assert session.library is None


async def test_siblings_are_chosen_and_their_ends_are_known(session_of: Opened) -> None:
    session = session_of(["a"], ["b"])
    first = session.send("One.")
    await run(session, first)
    await run(session, session.retry(first.id))
    second = session.messages()[-1]
    assert not session.sibling(second.id, 1)
    assert session.sibling(second.id, -1)
    assert session.messages()[-1].id == first.id
    assert not session.sibling(first.id, -1)


async def test_retrying_a_question_answers_it_again(session_of: Opened) -> None:
    session = session_of(["a"], ["b"])
    await run(session, session.send("One."))
    await run(session, session.retry(session.messages()[0].id))
    assert [message.text for message in session.messages()] == ["One.", "b"]


async def test_a_model_that_does_not_load_leaves_the_old_one(store: ConversationStore) -> None:
    class Broken(ScriptedModel):
        async def start(self) -> ModelInfo:
            raise ModelError("broken")

    models: dict[str | None, ChatModel] = {None: ScriptedModel([["a"]]), "broken": Broken([])}
    session = ChatSession(store, Settings(), lambda name: models[name])
    with pytest.raises(ModelError):
        await session.use_model("broken")
    await run(session, session.send("One."))
    assert session.messages()[-1].text == "a"


async def test_a_reply_begun_while_another_model_loads_keeps_its_own(store: ConversationStore) -> None:
    loaded = asyncio.Event()

    class Slow(ScriptedModel):
        async def start(self) -> ModelInfo:
            await loaded.wait()
            return await super().start()

    models: dict[str | None, ChatModel] = {None: ScriptedModel([["a"]]), "slow": Slow([])}
    session = ChatSession(store, Settings(), lambda name: models[name])
    changing = asyncio.ensure_future(session.use_model("slow"))
    await asyncio.sleep(0)
    reply = session.send("One.")
    loaded.set()
    with pytest.raises(FiresideError, match="still being written"):
        await changing
    await run(session, reply)
    assert session.messages()[-1].text == "a"
    assert session.model is models[None]


async def test_another_model_takes_over_and_the_conversation_remembers_it(store: ConversationStore) -> None:
    first, second = ScriptedModel([["a"]], "first"), ScriptedModel([["b"]], "second")
    session = ChatSession(store, Settings(), lambda name: second if name == "second" else first)
    await run(session, session.send("One."))
    await session.use_model("second")
    await run(session, session.send("Two."))
    assert session.messages()[-1].text == "b"
    assert session.conversation is not None
    assert session.conversation.model == "second"


async def test_a_conversation_deleted_elsewhere_does_not_break_the_turn(session_of: Opened) -> None:
    session = session_of(["a"], ["b"])
    await run(session, session.send("One."))
    assert session.conversation is not None
    session.store.delete(session.conversation.id)
    with pytest.raises(FiresideError):
        session.send("Two.")
    await run(session, session.send("Three."))
    assert [message.text for message in session.messages()] == ["Three.", "b"]


def test_an_unanswered_question_is_not_put_before_the_model() -> None:
    def stored(role: Any, text: str) -> StoredMessage:
        return StoredMessage(0, 0, None, role, text, "complete", 0.0, {})

    path = [stored("user", "lost"), stored("assistant", ""), stored("user", "asked"), stored("assistant", "told")]
    path.append(stored("user", "now"))
    assert [(message.role, message.content) for message in as_prompt(path)] == [
        ("user", "asked"), ("assistant", "told"), ("user", "now"),
    ]  # fmt: skip
