"""Two replies side by side: both come at once, one is kept, the other stays beside it; what fails is said where."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pytest_textual_snapshot import SVGImageExtension  # type: ignore[import-untyped]  # it ships no types
from syrupy.assertion import SnapshotAssertion

from fireside.errors import FiresideError, ModelError
from fireside.models.scripted import ScriptedModel
from tui.compare.screen import CompareScreen

LEFT = "Dry **oak**: it burns longest."
RIGHT = "Any dry wood.\n\n1. Oak\n2. Beech"


class Broken(ScriptedModel):
    """A model that does not fit into memory."""

    async def start(self) -> Any:
        raise ModelError("other.gguf needs 40.0 GB of memory, and 2.0 GB are free", "choose a smaller quantisation")


def _opens(chat: Any, other: ScriptedModel) -> list[str]:
    """Let the chat open `other` as any model; returns the names that were asked for."""
    names: list[str] = []

    def another(name: str) -> ScriptedModel:
        names.append(name)
        return other

    chat.session.another_model = another
    return names


async def _compared(chat: Any, command: str) -> CompareScreen:
    await chat.write(command)
    await chat.until(lambda: isinstance(chat.app.screen, CompareScreen))
    screen = chat.app.screen
    assert isinstance(screen, CompareScreen)
    return screen


async def test_both_come_at_once_and_the_second_is_kept(chat_with: Callable[..., Any]) -> None:
    left, right = asyncio.Event(), asyncio.Event()
    other = ScriptedModel([[RIGHT[:8], right, RIGHT[8:]]], "other")
    async with chat_with([["Wood."], [LEFT[:11], left, LEFT[11:]]]) as chat:
        names = _opens(chat, other)
        await chat.send("Which wood?")
        await _compared(chat, "/compare other")
        assert names == ["other"]
        await chat.shows("Dry oak")
        await chat.shows("Any dry")
        assert chat.model.requests[1].prompt == other.requests[0].prompt
        await chat.pilot.press("2")
        await chat.shows("wait until both are written")
        right.set()
        left.set()
        await chat.shows("1 2 keep that reply")
        assert "100 tokens/s" in chat.text
        await chat.pilot.press("2")
        await chat.until(lambda: chat.texts() == ["Which wood?", RIGHT])
        await chat.shows("kept; the other reply is another version of it")
        reply = chat.session.messages()[-1]
        assert [each.text for each in chat.store.siblings(reply.id)] == ["Wood.", LEFT, RIGHT]
        assert reply.details["written_by"] == "other"
        assert "‹ 3/3 ›" in chat.text


async def test_another_question_is_asked_there_and_its_reply_kept(chat_with: Callable[..., Any]) -> None:
    other = ScriptedModel([[RIGHT]], "other")
    async with chat_with([[LEFT]]) as chat:
        _opens(chat, other)
        await _compared(chat, "/compare other")
        await chat.shows("Ask both")
        await chat.pilot.press(*"Wood", "enter")
        await chat.shows("1 2 keep that reply")
        await chat.pilot.press("1")
        await chat.until(lambda: chat.texts() == ["Wood", LEFT])


async def test_leaving_keeps_nothing_and_escape_first_stops(chat_with: Callable[..., Any]) -> None:
    never = asyncio.Event()
    other = ScriptedModel([[RIGHT, never]], "other")
    async with chat_with([["Wood."], [LEFT, never]]) as chat:
        _opens(chat, other)
        await chat.send("Which wood?")
        await _compared(chat, "/compare other")
        await chat.shows("Beech")
        await chat.pilot.press("escape")
        await chat.shows("stopped")
        await chat.shows("1 2 keep that reply")
        assert (chat.model.cancelled, other.cancelled) == (1, 1)
        await chat.pilot.press("escape")
        await chat.until(lambda: not isinstance(chat.app.screen, CompareScreen))
        assert chat.texts() == ["Which wood?", "Wood."]
        assert len(chat.store.siblings(chat.session.messages()[-1].id)) == 1


async def test_a_model_that_does_not_fit_is_told_in_its_column(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Wood."], [LEFT]]) as chat:
        _opens(chat, Broken([], "other"))
        await chat.send("Which wood?")
        await _compared(chat, "/compare other")
        await chat.shows("needs 40.0 GB of memory")
        await chat.shows("1 2 keep that reply")
        await chat.pilot.press("2")
        await chat.shows("there is no reply 2 to keep")
        await chat.pilot.press("1")
        await chat.until(lambda: chat.texts() == ["Which wood?", LEFT])


async def test_without_an_adapter_something_must_be_named(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        await chat.write("/compare")
        await chat.shows("no adapter is applied")

        def unknown(name: str) -> ScriptedModel:
            raise FiresideError(f"there is no model called {name!r}", None)

        chat.session.another_model = unknown
        await chat.write("/compare nonsense")
        await chat.shows("there is no model called 'nonsense'")


async def test_long_replies_are_followed_to_their_ends(chat_with: Callable[..., Any]) -> None:
    lines = [f"- line {number}\n" for number in range(60)]
    other = ScriptedModel([["Short."]], "other")
    async with chat_with([["Wood."], lines], size=(80, 24)) as chat:
        _opens(chat, other)
        await chat.send("Which wood?")
        await _compared(chat, "/compare other")
        await chat.shows("1 2 keep that reply")
        await chat.shows("line 59")
        assert chat.text.index("Short.") < chat.text.index("line 50")


async def _drawn(chat: Any, snapshot: SnapshotAssertion) -> None:
    _opens(chat, ScriptedModel([[RIGHT]], "other"))
    await chat.send("Which wood burns longest in a small stove?")
    await _compared(chat, "/compare other")
    await chat.shows("1 2 keep that reply")
    assert chat.app.export_screenshot() == snapshot.use_extension(SVGImageExtension)


async def test_two_columns_in_the_dark(chat_with: Callable[..., Any], snapshot: SnapshotAssertion) -> None:
    async with chat_with([["Wood."], [LEFT]], size=(100, 24)) as chat:
        await _drawn(chat, snapshot)


async def test_one_above_the_other_in_the_light(chat_with: Callable[..., Any], snapshot: SnapshotAssertion) -> None:
    async with chat_with([["Wood."], [LEFT]], size=(60, 20)) as chat:
        chat.app.theme = "fireside-light"
        await _drawn(chat, snapshot)


async def test_where_nothing_was_asked_yet(chat_with: Callable[..., Any], snapshot: SnapshotAssertion) -> None:
    async with chat_with(size=(80, 24)) as chat:
        _opens(chat, ScriptedModel([], "other"))
        await _compared(chat, "/compare other")
        await chat.shows("Enter asks both")
        assert chat.app.export_screenshot() == snapshot.use_extension(SVGImageExtension)
