from __future__ import annotations

import re

import pytest
from textual.theme import BUILTIN_THEMES

from tui.serve.web_page import page_files
from tui.theme import DARK, LIGHT, THEME_NAMES, THEMES


@pytest.mark.parametrize("name", THEME_NAMES)
def test_the_page_has_the_colours_of_every_theme(name: str) -> None:
    style = page_files((BUILTIN_THEMES | THEMES)[name])["page.css"].data.decode()
    colours = re.findall(r"(?:background|color): ([^;]+);", style)
    assert len(colours) == 4
    assert all(re.fullmatch(r"#[0-9A-Fa-f]{6}", colour) for colour in colours)


def test_our_own_themes_colours_are_the_apps() -> None:
    for theme in (DARK, LIGHT):
        style = page_files(theme)["page.css"].data.decode().lower()
        assert f"background: {theme.background}; color: {theme.foreground}".lower() in style
