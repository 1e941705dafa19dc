"""A long conversation: only a window of it is mounted, wherever one reads, and what one reads keeps its place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fireside.conversations.store import ConversationStore
from fireside.conversations.types import Conversation, StoredMessage
from tui.chat.message import MessageView

COUNT = 400


def long_conversation(store: ConversationStore, count: int = COUNT) -> None:
    """Messages of one to seven lines."""
    made = [
        StoredMessage(
            number, 1, number - 1 or None, "user" if number % 2 else "assistant",
            f"line {number}." + "\n\nmore" * (number % 4), "complete", 0.0, {},
        )
        for number in range(1, count + 1)
    ]  # fmt: skip
    store.restore(Conversation(1, "Long", "s", "m", None, None, count, 0.0, 0.0), made)


async def opened(chat: Any, count: int = COUNT) -> Any:
    """The transcript of a long conversation that has just been opened."""
    long_conversation(chat.store, count)
    await chat.write("/open Long")
    await chat.shows(f"line {count}.")
    await chat.pilot.pause()
    return chat.screen.transcript


def first_line(chat: Any) -> str:
    """The topmost line of the transcript that says something."""
    lines: list[str] = chat.text.splitlines()[: chat.screen.transcript.region.bottom]
    return next(line.strip("▎ ") for line in lines if "line" in line)


async def test_opening_mounts_only_the_tail(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        transcript = await opened(chat)
        assert 8 <= len(chat.screen.query(MessageView)) <= 48
        assert transcript.scroll_y == transcript.max_scroll_y
        # The bar tells of all of it: the view is a small part at the end.
        assert transcript.virtual_size.height > COUNT * 2


async def test_every_message_is_seen_on_the_way_up_and_down_and_few_are_mounted(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        transcript = await opened(chat, 120)
        for key, last in (("pageup", "line 1."), ("pagedown", "line 120.")):
            seen: set[str] = set()
            for _ in range(200):
                seen |= {word for line in chat.text.splitlines() if "line " in line for word in line.split()}
                assert len(transcript.views) <= 60
                if last.split()[1] in {word for line in chat.text.splitlines() for word in line.split()}:
                    break
                await chat.pilot.press(key)
                await chat.pilot.pause()
            assert {f"{number}." for number in range(1, 121)} <= seen, key


async def test_home_and_end_jump_without_mounting_what_lies_between(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        transcript = await opened(chat)
        transcript.scroll_home(animate=False)
        await chat.shows("line 1.")
        assert transcript.views[0].message.text.startswith("line 1.")
        assert len(transcript.views) <= 60
        transcript.scroll_end(animate=False)
        await chat.shows(f"line {COUNT}.")
        await chat.until(lambda: transcript.scroll_y == transcript.max_scroll_y)
        assert len(transcript.views) <= 60


async def test_dragging_the_bar_to_the_middle_shows_the_middle(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        transcript = await opened(chat)
        transcript.scroll_to(y=transcript.max_scroll_y // 2, animate=False)
        await chat.until(lambda: transcript.views and "line" in chat.text and not transcript._changing.locked())
        number = int(first_line(chat).split()[1].rstrip("."))
        assert COUNT * 0.35 < number < COUNT * 0.65


async def test_what_one_reads_keeps_its_place_while_more_is_mounted_and_the_terminal_changes(
    chat_with: Callable[..., Any],
) -> None:
    async with chat_with() as chat:
        transcript = await opened(chat)
        transcript.scroll_to(y=transcript.max_scroll_y - 60, animate=False)
        await chat.pilot.pause()
        top = first_line(chat)
        for width in (60, 100, 44, 120):
            await chat.pilot.resize_terminal(width, 30)
            await chat.pilot.pause()
            assert first_line(chat) == top, width


async def test_the_cursor_goes_from_message_to_message_through_all_of_them(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        transcript = await opened(chat, 60)
        await chat.pilot.press("alt+up")
        for number in range(60, 1, -1):
            focused = chat.app.focused
            assert isinstance(focused, MessageView)
            assert focused.message.text.startswith(f"line {number}.")
            await chat.pilot.press("k")
            await chat.pilot.pause()
        assert transcript.views[0] is chat.app.focused


async def test_a_message_can_be_gone_to(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        transcript = await opened(chat)
        wanted = chat.session.messages()[200]
        view = await transcript.reveal(wanted.id)
        assert view is not None
        await chat.shows(wanted.text.splitlines()[0])
        await chat.pilot.pause()
        assert first_line(chat) == wanted.text.splitlines()[0]
        assert await transcript.reveal(10**9) is None


async def test_sending_from_far_up_shows_the_end(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Here I am."]]) as chat:
        transcript = await opened(chat)
        transcript.scroll_home(animate=False)
        await chat.shows("line 1.")
        await chat.send("Where are you?")
        await chat.shows("Here I am.")
        assert "Where are you?" in chat.text
        assert len(transcript.views) <= 60


async def test_a_reply_that_ends_while_one_reads_far_up_is_there_at_the_end(chat_with: Callable[..., Any]) -> None:
    more = asyncio.Event()
    async with chat_with([["It begins", more, " and ends."]]) as chat:
        transcript = await opened(chat)
        await chat.write("Go.")
        await chat.shows("It begins")
        transcript.scroll_home(animate=False)
        await chat.shows("line 1.")
        more.set()
        await chat.settled()
        assert "line 1." in chat.text
        transcript.scroll_end(animate=False)
        await chat.shows("It begins and ends.")


async def test_nothing_is_drawn_below_while_one_reads_further_up_and_all_of_it_at_the_end(
    chat_with: Callable[..., Any],
) -> None:
    more, end = asyncio.Event(), asyncio.Event()
    text = "\n\n".join(f"part {number}" for number in range(40))
    async with chat_with([[text, more, "\n\nlater words", end]]) as chat:
        await chat.write("Go.")
        await chat.shows("part 39")
        transcript = chat.screen.transcript
        transcript.scroll_to(y=transcript.max_scroll_y - 20, animate=False)
        await chat.pilot.pause()
        before, height = chat.text, transcript.virtual_size.height
        more.set()
        await chat.until(lambda: transcript.live and transcript.live._waiting)
        await chat.pilot.pause()
        assert chat.text == before
        assert transcript.virtual_size.height == height
        transcript.scroll_end(animate=False)
        await chat.shows("later words")
        end.set()
        await chat.settled()
        assert "later words" in chat.text
