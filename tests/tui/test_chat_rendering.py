"""How stored messages, the status line and times are written, and that the themes can be read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType
from textual.color import Color
from textual.theme import Theme

from fireside.conversations.types import StoredMessage
from tui.chat.blocks import FinishedMarkdown
from tui.chat.markdown import rich_theme
from tui.chat.rendering import assistant_message, tool_call, user_message
from tui.chat.sidebar import since
from tui.chat.status import Status, written
from tui.theme import DARK, LIGHT

COLOURS = {**DARK.variables, "foreground": "#ffffff", "surface": "#222222", "error": "#ff0000", "success": "#00ff00"}


def drawn(renderable: RenderableType, width: int = 60) -> list[str]:
    console = Console(width=width, theme=rich_theme(COLOURS), color_system=None)
    with console.capture() as capture:
        console.print(renderable)
    return [line.rstrip() for line in capture.get().splitlines()]


def reply(text: str, status: Any = "complete", **details: Any) -> StoredMessage:
    return StoredMessage(1, 1, None, "assistant", text, status, 0.0, details)


def test_an_ordinary_reply_is_its_text_alone() -> None:
    assert drawn(assistant_message(reply("Oak."), (0, 1), COLOURS)) == ["Oak."]


def test_thoughts_are_folded_until_they_are_asked_for() -> None:
    thinking = reply("Oak.", thinking="Dry wood burns.\n\x1b[2JOak is dry.\n")
    assert drawn(assistant_message(thinking, (0, 1), COLOURS)) == ["▸ thought for 6 words", "", "Oak."]
    unfolded = drawn(assistant_message(thinking, (0, 1), COLOURS, thoughts=True))
    assert unfolded == ["▾ thought for 6 words", "Dry wood burns.", "Oak is dry.", "", "Oak."]


def test_a_message_with_siblings_says_which_it_is() -> None:
    assert drawn(assistant_message(reply("Oak."), (1, 3), COLOURS)) == ["Oak.", "‹ 2/3 ›"]
    user = StoredMessage(1, 1, None, "user", "*Why?*", "complete", 0.0, {})
    assert drawn(user_message(user, (0, 2), COLOURS)) == ["*Why?*", "‹ 1/2 ›"]


@pytest.mark.parametrize("status", ["stopped", "interrupted"])
def test_an_unfinished_reply_says_so(status: str) -> None:
    assert drawn(assistant_message(reply("Oak", status), (0, 1), COLOURS))[-1] == status


def test_a_failure_says_what_and_what_to_do() -> None:
    failed = reply("Half", "failed", error="the disk is full", hint="free some space")
    assert drawn(assistant_message(failed, (0, 1), COLOURS)) == ["Half", "✕ the disk is full", "  free some space"]


@pytest.mark.parametrize(
    "details", [{"error": ["x"], "hint": 3}, {"tools": [3], "citations": ["x"]}, {"citations": None}, {"thinking": 3}]
)
def test_details_of_another_shape_are_survived(details: dict[str, Any]) -> None:
    assert "Oak." in drawn(assistant_message(reply("Oak.", "failed", **details), (0, 1), COLOURS))[0]


def test_a_list_at_the_top_begins_at_the_top() -> None:
    assert drawn(FinishedMarkdown("1. a\n2. b")) == [" 1. a", " 2. b"]


def test_html_is_shown_and_entities_are_made_safe() -> None:
    assert drawn(FinishedMarkdown("a <b>c</b> &#x202e;d &#x9b;31m")) == ["a <b>c</b> d �31m"]


def test_a_link_shows_where_it_leads() -> None:
    assert drawn(FinishedMarkdown("[home](https://example.org/x)")) == ["home (https://example.org/x)"]


def test_a_call_is_one_line_and_its_result_is_folded() -> None:
    call = tool_call("read_file", {"path": "a\nb", "n": 3}, "done", "1\n2\n3\n4\n5", COLOURS)
    assert drawn(call) == ['● read_file(path="a\\nb", n=3)', "  1", "  2", "  3", "  … 2 more lines"]


@given(st.text())
def test_any_reply_is_drawn_without_control_characters(text: str) -> None:
    for line in drawn(
        assistant_message(reply(text, "failed", error=text, tools=[{"name": text, "result": text}]), (0, 1), COLOURS)
    ):
        assert all(character >= " " and not "\x7f" <= character <= "\x9f" for character in line)


FULL = Status("writing…", "smollm2-135m", "tidy:0.5", "house", "on", 31.4)


def test_the_status_line_says_everything_where_there_is_room() -> None:
    line = written(FULL, 120, COLOURS).plain
    assert line.startswith("● writing…  smollm2-135m  + tidy:0.5  docs house  tools on")
    assert line.endswith("31 tok/s")


@given(st.integers(10, 140), st.text(max_size=60), st.text(max_size=60))
def test_the_status_line_fits_whatever_the_width(width: int, adapter: str, library: str) -> None:
    status = Status("ready", "m" * 60, adapter, library, "on", 31.4)
    assert written(status, width, COLOURS).cell_len <= max(width, 10)


def test_a_narrow_status_line_keeps_the_state_and_the_model() -> None:
    line = written(FULL, 40, COLOURS).plain
    assert line.startswith("● writing…  smollm2-135m")
    assert "tok/s" not in line


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "now"), (59, "now"), (60, "1m"), (7200, "2h"), (3 * 86_400, "3d"), (30 * 86_400, "4w")]
)
def test_times_are_short(seconds: float, text: str) -> None:
    assert since(seconds) == text


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
def test_every_colour_can_be_read_on_every_ground(theme: Theme) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1 for text."""
    names = ("user", "assistant", "tool", "source", "caution", "muted")
    colours = {name: theme.variables[name] for name in names}
    colours |= {"foreground": str(theme.foreground), "error": str(theme.error), "success": str(theme.success)}
    for ground in (theme.background, theme.surface, theme.panel):
        for name, colour in colours.items():
            contrast = _contrast(Color.parse(colour), Color.parse(str(ground)))
            assert contrast >= 4.5, f"{name} on {ground}: {contrast:.2f}"


def _contrast(one: Color, other: Color) -> float:
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Color) -> float:
    def linear(channel: float) -> float:
        return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(value) for value in colour.normalized)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
