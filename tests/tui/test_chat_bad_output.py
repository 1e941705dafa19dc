"""What a model may write, on the screen: shown harmless and without holding the terminal up, streamed and finished."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tui.chat.whole import WholeText, broken

EVIL = "\x1b]52;c;QQ==\x07\x1b[2J\x9b31m[@click=app.quit]press[/]\u202eevil\u2066 [red]red[/red] \U000e0041tag"
NESTED_QUOTES = "> " * 500 + "at the bottom"
NESTED_LIST = "\n".join("  " * depth + f"- level {depth}" for depth in range(500))
BAD = {
    "escapes": EVIL,
    "escapes in code": f"```\n{EVIL}\n```\n\n`{EVIL}`",
    "escapes in a table": f"| a | b |\n|---|---|\n| {EVIL} | {EVIL} |",
    "escapes in a fence's language": f"```{EVIL}\nx\n```",
    "nested quotes": NESTED_QUOTES,
    "nested list": NESTED_LIST,
    "brackets": "[" * 20_000,
    "stars": "*a **b " * 5_000,
    "backticks": "".join("`" * (1 + number % 50) + " " for number in range(2_000)),
    "links": "[a](" * 8_000,
    "addresses": "http://a.b/" * 5_000,
    "bars": "|" * 20_000 + "\n" + "|-" * 20_000 + "\n" + "|x" * 20_000,
    "one long line": "x" * 1_000_000,
    "many lines": "a\n" * 300_000,
    "many paragraphs": "word\n\n" * 100_000,
    "wide letters": "漢" * 300_000,
    "marks": "e" + "\u0301" * 200_000,
}


def harmless(text: str) -> None:
    """No control, bidirectional or tag character is on the screen."""
    for character in text.replace("\n", ""):
        assert character.isprintable() or character == "\xa0", f"U+{ord(character):04X}"
    assert "\u202e" not in text


async def pieces(text: str) -> list[str]:
    """As a model streams, but no more than some hundred pieces."""
    size = max(3, len(text) // 150)
    return [text[at : at + size] for at in range(0, len(text), size)]


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
async def test_it_is_shown_harmless_streamed_and_finished(text: str, chat_with: Callable[..., Any]) -> None:
    end = asyncio.Event()
    async with chat_with([[*await pieces(text), end]]) as chat:
        await chat.write("Go on.")
        await chat.until(lambda: chat.screen.transcript.live is not None)
        live = chat.screen.transcript.live
        await chat.until(lambda: not live._waiting and "…" not in chat.text.split("Go on.")[-1].splitlines()[:3])
        harmless(chat.text)
        end.set()
        await chat.settled()
        harmless(chat.text)
        assert chat.app.is_running
        view = chat.screen.transcript.views[-1]
        await chat.until(lambda: view.is_whole)
        harmless("".join(strip.text for strip in view.strips(view.size.width)))


async def test_markup_is_words(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Do [@click=app.quit]press[/] this [bold]now[/bold]."]]) as chat:
        await chat.send("[@click=app.quit]mine[/]")
        assert "Do [@click=app.quit]press[/] this [bold]now[/bold]." in chat.text
        assert "[@click=app.quit]mine[/]" in chat.text
        for y in range(chat.screen.size.height):
            for x in range(chat.screen.size.width):
                assert not (chat.screen.get_style_at(x, y).meta or {}).get("@click")


@pytest.mark.parametrize("text", [NESTED_QUOTES, NESTED_LIST], ids=["quotes", "list"])
async def test_what_is_nested_too_deep_is_shown_as_it_is_written(text: str, chat_with: Callable[..., Any]) -> None:
    async with chat_with([[text]]) as chat:
        await chat.send("Go on.")
        view = chat.screen.transcript.views[-1]
        await chat.until(lambda: view.is_whole)
        shown = "".join(strip.text for strip in view.strips(view.size.width))
        assert ("at the bottom" in shown) if text is NESTED_QUOTES else ("- level 100" in shown)


async def test_the_whole_of_what_is_cut_can_be_opened(chat_with: Callable[..., Any]) -> None:
    text = "x" * 99_990 + "the end" + "\x1b[31m"
    async with chat_with([[text]]) as chat:
        await chat.send("Go on.")
        await chat.shows("75,997 more characters")
        await chat.pilot.press("alt+up", "o")
        await chat.until(lambda: isinstance(chat.app.screen, WholeText))
        await chat.pilot.press("end")
        await chat.shows("the end")
        harmless(chat.text)
        await chat.pilot.press("escape")
        await chat.until(lambda: not isinstance(chat.app.screen, WholeText))


async def test_a_pasted_novel_is_cut_too(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Long."]]) as chat:
        await chat.send("y" * 200_000)
        view = chat.screen.transcript.views[0]
        assert "176,000 more characters" in "".join(strip.text for strip in view.strips(90))


async def test_a_storm_of_resizes_while_a_reply_is_written(chat_with: Callable[..., Any]) -> None:
    end = asyncio.Event()
    text = "# T\n\n" + "Some **words** of a reply.\n\n```python\nx = 1\n```\n\n" * 20
    async with chat_with([[*await pieces(text), end, "Last words."]]) as chat:
        await chat.write("Go on.")
        for step in range(30):
            await chat.pilot.resize_terminal(20 + step * 37 % 140, 6 + step * 11 % 50)
        await chat.pilot.resize_terminal(100, 30)
        end.set()
        await chat.settled()
        await chat.shows("Last words.")
        assert chat.screen.transcript.scroll_y == chat.screen.transcript.max_scroll_y


@pytest.mark.parametrize("width", [1, 2, 7, 40])
def test_lines_are_broken_to_the_width_and_nothing_is_lost(width: int) -> None:
    from rich.cells import cell_len

    text = "plain words\n\n漢字and more" + "é" * 50 + "\nend"
    lines = list(broken(text, width))
    assert "".join(lines) == text.replace("\n", "")
    assert all(cell_len(line) <= max(2, width) for line in lines)
