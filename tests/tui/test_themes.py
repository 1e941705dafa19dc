"""The themes: every colour name of ours in each of them, readable; and an app that is usable without colours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.color import Color
from textual.theme import BUILTIN_THEMES

from fireside.conversations.store import ConversationStore
from fireside.errors import FiresideError
from fireside.models.scripted import ScriptedModel
from fireside.settings import Settings
from tui.app import FiresideApp
from tui.session import ChatSession
from tui.theme import CONTRAST, DARK, TERMINAL_THEMES, THEME_NAMES, THEMES, contrast, own_name, textual_name

MEANINGS = ("user", "assistant", "tool", "source", "caution", "muted", "foreground", "error", "success", "warning")


@pytest.fixture
def app(tmp_path: Any) -> FiresideApp:
    store = ConversationStore(tmp_path / "themes.db")
    return FiresideApp(ChatSession(store, Settings(), lambda name: ScriptedModel([])))


def test_the_settings_know_all_of_textuals_themes() -> None:
    assert set(THEME_NAMES) == {*THEMES, *BUILTIN_THEMES} - set(TERMINAL_THEMES)


@pytest.mark.parametrize("name", THEME_NAMES)
async def test_every_colour_is_there_and_readable(app: FiresideApp, name: str) -> None:
    async with app.run_test() as pilot:
        app.theme = textual_name(name)
        await pilot.pause()
        colours = app.theme_variables
        assert set(DARK.variables) & {*MEANINGS, "faint"} <= set(colours)
        grounds = ("background",) if name in THEMES else ("background", "surface", "panel")
        for meaning in MEANINGS:
            for ground in grounds:
                found = contrast(Color.parse(colours[meaning]), Color.parse(colours[ground]))
                assert found >= CONTRAST, (meaning, ground, found)
        assert own_name(app.theme) == name


def test_contrast_is_that_of_wcag() -> None:
    black, white, grey = Color(0, 0, 0), Color(255, 255, 255), Color(119, 119, 119)
    assert contrast(black, white) == pytest.approx(21)
    assert contrast(white, white) == 1
    assert contrast(grey, white) == pytest.approx(4.48, abs=0.01)


async def test_a_theme_of_textuals_is_chosen_by_its_name(chat_with: Callable[..., Any]) -> None:
    async with chat_with([["Oak."]]) as chat:
        await chat.send("Which wood?")
        await chat.write("/theme nord")
        await chat.until(lambda: chat.app.theme == "nord")
        await chat.write("/theme nrod")
        await chat.shows("did you mean nord?")
        await chat.write("/theme")
        await chat.until(lambda: chat.app.theme == "fireside-light")


async def test_a_theme_is_taken_from_the_settings(tmp_path: Any) -> None:
    store = ConversationStore(tmp_path / "themes.db")
    app = FiresideApp(ChatSession(store, Settings(theme="gruvbox"), lambda name: ScriptedModel([])))
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.theme == "gruvbox"
        assert app.theme_variables["user"]
        assert not set(TERMINAL_THEMES) & set(app.available_themes)


async def test_without_colour_nothing_is_told_by_colour_alone(
    chat_with: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with chat_with([["Oak."]]) as chat:
        assert chat.app.no_color
        await chat.send("Which wood?")
        lines = chat.text.splitlines()
        # Who speaks: the person's message has a bar before it, the model's has none.
        assert any("▌" in line or "▎" in line for line in lines if "Which wood?" in line)
        assert not any("▌" in line or "▎" in line for line in lines if "Oak." in line)
        # What failed is marked, and said in words.
        chat.screen.show_error(FiresideError("it broke", "mend it"))
        await chat.shows("✗ it broke")
        # Which line is chosen is marked in the list of commands, and stands out by weight in other lists.
        await chat.pilot.press("slash")
        await chat.shows("› /help")
        svg = chat.app.export_screenshot()
        assert svg


async def test_the_marked_line_of_a_list_is_bold_and_underlined_without_colour(
    chat_with: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with chat_with() as chat:
        for title in ("ash", "oak"):
            chat.store.create("s", "m", title)
        await chat.write("/open")
        await chat.shows("oak")
        marked = [
            segment
            for strip in chat.app.screen._compositor.render_strips()
            for segment in strip
            if segment.style is not None and segment.style.underline and segment.text.strip()
        ]
        assert "oak" in "".join(segment.text for segment in marked)
        assert "ash" not in "".join(segment.text for segment in marked)


async def test_sixteen_colours_keep_text_and_ground_apart(app: FiresideApp) -> None:
    from rich.color import Color as Shade
    from rich.color import ColorSystem

    async with app.run_test() as pilot:
        for name in THEMES:
            app.theme = textual_name(name)
            await pilot.pause()
            colours = app.theme_variables

            def shade(meaning: str, colours: dict[str, str] = colours) -> int | None:
                return Shade.parse(colours[meaning]).downgrade(ColorSystem.STANDARD).number

            for meaning in ("foreground", "user", "muted", "error", "tool"):
                assert shade(meaning) != shade("background"), (name, meaning)
