"""A reply word by word: where it is cut, what the model is asked, and how another token is taken."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pytest_textual_snapshot import SVGImageExtension  # type: ignore[import-untyped]  # it ships no types
from syrupy.assertion import SnapshotAssertion

from fireside.models.types import Delta, TokenScore
from tui.chat.message import MessageView
from tui.words.pieces import pieces, shown_token
from tui.words.screen import WordsScreen, token_line

REPLY = "Dry oak burns longest.\n\nPine burns fast and leaves tar in the flue."
COLOURS = {"user": "red", "foreground": "white", "muted": "grey50", "tool": "blue"}


def _told(*tokens: tuple[str, float]) -> list[Delta]:
    top = tuple((text.encode(), math.log(share)) for text, share in tokens)
    return [Delta(tokens[0][0], (TokenScore(1, tokens[0][0].encode(), top[0][1], top),))]


OAK = _told((" oak", 0.62), (" wood", 0.25), (" pine", 0.08), (" birch", 0.04), ("\n", 0.005))


@given(st.text())
def test_pieces_are_the_whole_text(text: str) -> None:
    assert "".join(text[start:end] for start, end in pieces(text)) == text


def test_a_word_has_the_space_before_it_and_a_break_stands_alone() -> None:
    cut = [REPLY[start:end] for start, end in pieces(REPLY)]
    assert cut[:5] == ["Dry", " oak", " burns", " longest.", "\n\n"]
    assert cut[5] == "Pine"


@given(st.text(max_size=20), st.floats(0, 1), st.integers(1, 200))
def test_a_line_is_one_line(token: str, share: float, width: int) -> None:
    line = token_line(shown_token(token), share, False, width, COLOURS)
    assert "\n" not in line.plain
    assert "\x1b" not in line.plain


async def _opened(chat: Any) -> WordsScreen:
    await chat.send("Which wood?")
    await chat.pilot.press("alt+up", "p")
    await chat.until(lambda: isinstance(chat.app.screen, WordsScreen))
    screen = chat.app.screen
    assert isinstance(screen, WordsScreen)
    return screen


async def test_another_token_begins_another_reply(chat_with: Callable[..., Any]) -> None:
    first = _told(("Dry", 0.9), ("The", 0.1))
    async with chat_with([[REPLY], first, OAK, [" dried well."]]) as chat:
        await _opened(chat)
        await chat.shows("● Dry")
        await chat.pilot.press("right")
        await chat.shows("␣wood")
        assert "62.0 %" in chat.text
        assert "word 2 of 14: oak" in chat.text
        assert chat.model.requests[2].reply_prefix == "Dry"
        assert chat.model.requests[2].scores == 10
        await chat.pilot.press("down", "enter")
        await chat.until(lambda: chat.texts() == ["Which wood?", "Dry wood dried well."])
        await chat.settled()
        assert "‹ 2/2 ›" in chat.text
        assert chat.model.requests[3].reply_prefix == "Dry wood"
        reply = chat.session.messages()[-1]
        assert [sibling.text for sibling in chat.store.siblings(reply.id)] == [REPLY, "Dry wood dried well."]


async def test_a_click_chooses_a_word_and_escape_leaves_all_as_it_is(chat_with: Callable[..., Any]) -> None:
    async with chat_with([[REPLY], OAK, OAK]) as chat:
        await _opened(chat)
        await chat.shows("not among the 5")
        await chat.pilot.click("#words-text", offset=(5, 0))
        await chat.shows("word 2 of 14: oak")
        await chat.shows("● ␣oak")
        await chat.pilot.press("escape")
        await chat.until(lambda: isinstance(chat.app.focused, MessageView))
        assert chat.texts() == ["Which wood?", REPLY]


async def test_a_model_that_tells_nothing_is_one_line(chat_with: Callable[..., Any]) -> None:
    async with chat_with([[REPLY], ["Dry"]]) as chat:
        await _opened(chat)
        await chat.shows("this model does not tell how likely its tokens are")
        await chat.pilot.press("enter", "escape")
        assert chat.texts() == ["Which wood?", REPLY]


async def test_a_question_has_no_words_of_the_model(chat_with: Callable[..., Any]) -> None:
    async with chat_with([[REPLY]]) as chat:
        await chat.send("Which wood?")
        await chat.pilot.press("alt+up", "up", "p")
        await chat.shows("only a reply has words that the model chose")


async def test_the_words_in_the_dark(chat_with: Callable[..., Any], snapshot: SnapshotAssertion) -> None:
    async with chat_with([[REPLY], OAK, OAK], size=(80, 24)) as chat:
        await _opened(chat)
        await chat.pilot.press("right")
        await chat.shows("● ␣oak")
        assert chat.app.export_screenshot() == snapshot.use_extension(SVGImageExtension)


async def test_the_words_in_the_light_where_it_is_narrow(
    chat_with: Callable[..., Any], snapshot: SnapshotAssertion
) -> None:
    async with chat_with([[REPLY], OAK, OAK], size=(60, 20)) as chat:
        chat.app.theme = "fireside-light"
        await _opened(chat)
        await chat.pilot.press("right")
        await chat.shows("● ␣oak")
        assert chat.app.export_screenshot() == snapshot.use_extension(SVGImageExtension)
