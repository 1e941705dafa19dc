"""Edits and retries: siblings in the tree, and moving between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.widgets import TextArea

from tui.chat.dialogs import TextDialog
from tui.chat.message import MessageView


async def test_retry_writes_a_second_version_beside_the_first(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["First try."], ["Second try."]]) as chat:
        await chat.send("Go.")
        await chat.pilot.press("alt+up", "r")
        await chat.until(lambda: chat.texts() == ["Go.", "Second try."])
        await chat.shows("‹ 2/2 ›")
        assert "First try." not in chat.text
        reply = chat.session.messages()[-1]
        assert [sibling.text for sibling in chat.store.siblings(reply.id)] == ["First try.", "Second try."]
        assert chat.model.requests[1].prompt == chat.model.requests[0].prompt


async def test_left_and_right_move_between_versions_and_keep_the_cursor(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["First try."], ["Second try."]]) as chat:
        await chat.send("Go.")
        await chat.send("/retry")
        await chat.shows("‹ 2/2 ›")
        await chat.pilot.press("alt+up", "left")
        await chat.shows("‹ 1/2 ›")
        assert "First try." in chat.text
        assert chat.app.focused is chat.screen.transcript.views[-1]
        await chat.pilot.press("left")
        assert "‹ 1/2 ›" in chat.text
        await chat.pilot.press("alt+right")
        await chat.shows("‹ 2/2 ›")
        assert chat.texts() == ["Go.", "Second try."]


async def test_the_next_message_follows_the_version_that_is_shown(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["First try."], ["Second try."], ["Fine."]]) as chat:
        await chat.send("Go.")
        await chat.send("/retry")
        await chat.pilot.press("alt+up", "left", "escape")
        await chat.send("On from here.")
        assert chat.texts() == ["Go.", "First try.", "On from here.", "Fine."]


async def test_an_edited_question_is_answered_anew_and_the_old_branch_stays(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Oak."], ["More."], ["Pine."]]) as chat:
        await chat.send("Which wood?")
        await chat.send("And then?")
        await chat.pilot.press("alt+up", "up", "up", "up", "e")
        await chat.until(lambda: isinstance(chat.app.screen, TextDialog))
        area = chat.app.screen.query_one(TextArea)
        assert area.text == "Which wood?"
        area.text = "Which soft wood?"
        await chat.pilot.press("ctrl+s")
        await chat.until(lambda: chat.texts() == ["Which soft wood?", "Pine."])
        await chat.settled()
        assert "‹ 2/2 ›" in chat.text
        await chat.pilot.press("alt+up", "up", "left")
        await chat.until(lambda: chat.texts() == ["Which wood?", "Oak.", "And then?", "More."])


async def test_an_edited_reply_stands_as_written(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Grene."]]) as chat:
        await chat.send("Colour?")
        await chat.pilot.press("alt+up", "e")
        await chat.until(lambda: isinstance(chat.app.screen, TextDialog))
        chat.app.screen.query_one(TextArea).text = "Green."
        await chat.pilot.press("ctrl+s")
        await chat.until(lambda: chat.texts() == ["Colour?", "Green."])
        assert len(chat.model.requests) == 1
        assert chat.session.messages()[-1].status == "complete"


async def test_two_quick_keys_on_a_message_that_goes_away_are_as_good_as_one(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["First try."], ["Second try."]]) as chat:
        await chat.send("Go.")
        await chat.send("/retry")
        view = chat.screen.transcript.views[-1]
        for act in ("previous", "previous", "up"):
            view.post_message(MessageView.Act(view, act))
        await chat.shows("‹ 1/2 ›")
        assert chat.texts() == ["Go.", "First try."]


async def test_leaving_the_editor_changes_nothing(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Oak."]]) as chat:
        await chat.send("Which wood?")
        await chat.write("/edit")
        await chat.until(lambda: isinstance(chat.app.screen, TextDialog))
        await chat.pilot.press("escape")
        assert chat.texts() == ["Which wood?", "Oak."]
        assert len(chat.store.messages(chat.session.conversation.id)) == 2


async def test_the_cursor_moves_over_messages_and_back_to_the_prompt(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Oak."]]) as chat:
        await chat.send("Which wood?")
        await chat.pilot.press("alt+up", "alt+up")
        assert chat.app.focused is chat.screen.transcript.views[0]
        await chat.pilot.press("alt+down", "alt+down")
        assert chat.app.focused is chat.screen.prompt
        await chat.pilot.press("alt+up", "c")
        assert chat.app.clipboard == "Oak."
        await chat.pilot.press("escape")
        assert chat.app.focused is chat.screen.prompt
