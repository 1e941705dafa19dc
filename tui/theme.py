"""The colours: our two themes, embers on soot and ink on paper, and what our colour names are in Textual's others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from textual.color import Color
from textual.theme import Theme

from fireside.themes import ThemeName

# What a colour means; every pair with its theme's background has a contrast of 4.5 to 1 or more (WCAG 2.2, 1.4.3).
_DARK_MEANINGS = {
    "user": "#f0a35e",
    "assistant": "#e9e0d4",
    "tool": "#8fb8d6",
    "source": "#a9c48a",
    "caution": "#e9bd62",
    "muted": "#a0958a",
    "faint": "#4a423a",
}
_LIGHT_MEANINGS = {
    "user": "#9c4a0c",
    "assistant": "#2a2521",
    "tool": "#235f8c",
    "source": "#41661f",
    "caution": "#805500",
    "muted": "#6b6258",
    "faint": "#cfc3b2",
}
# Headings of a reply being written look as they will in the finished one: bold, no band of colour.
_PLAIN_HEADINGS = {
    f"markdown-h{level}-{key}": value
    for level in range(1, 7)
    for key, value in (("background", "transparent"), ("text-style", "bold"))
}


def _theme(name: str, dark: bool, meanings: dict[str, str], base: dict[str, str]) -> Theme:
    """One theme of the base colours and the meanings; scrollbars, borders and headings follow from them."""
    quiet = {
        "border": meanings["user"],
        "border-blurred": meanings["faint"],
        "scrollbar": meanings["faint"],
        "scrollbar-hover": meanings["muted"],
        "scrollbar-active": meanings["user"],
        "scrollbar-background": base["background"],
        "scrollbar-background-hover": base["background"],
        "scrollbar-background-active": base["background"],
        "scrollbar-corner-color": base["background"],
        "block-cursor-foreground": meanings["assistant"],
        "block-cursor-background": base["panel"],
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-foreground": meanings["assistant"],
        "block-cursor-blurred-background": base["surface"],
        "block-cursor-blurred-text-style": "none",
    }
    headings = {f"markdown-h{level}-color": meanings["assistant"] for level in range(1, 7)}
    return Theme(name=name, dark=dark, variables={**meanings, **quiet, **_PLAIN_HEADINGS, **headings}, **base)  # type: ignore[arg-type]  # the base table holds colours only


DARK = _theme(
    "fireside-dark",
    True,
    _DARK_MEANINGS,
    {
        "background": "#171411",
        "surface": "#1f1b17",
        "panel": "#2b2520",
        "foreground": "#e9e0d4",
        "primary": "#f0a35e",
        "secondary": "#c9a26b",
        "accent": "#f0b35c",
        "success": "#a9c48a",
        "warning": "#e9bd62",
        "error": "#ee8379",
    },
)
LIGHT = _theme(
    "fireside-light",
    False,
    _LIGHT_MEANINGS,
    {
        "background": "#fbf8f3",
        "surface": "#f3ede3",
        "panel": "#e8dfd0",
        "foreground": "#2a2521",
        "primary": "#9c4a0c",
        "secondary": "#7a5a26",
        "accent": "#9c4a0c",
        "success": "#41661f",
        "warning": "#805500",
        "error": "#b0302a",
    },
)
THEMES = {"dark": DARK, "light": LIGHT}
"""Our own, by the names that settings and `/theme` have for them."""
THEME_NAMES: tuple[str, ...] = get_args(ThemeName)
TERMINAL_THEMES = ("ansi-dark", "ansi-light")
"""Themes of Textual's that leave the colours to the terminal, so that nobody can tell what is readable."""
COLOURLESS = {"block-cursor-text-style": "bold underline", "block-cursor-blurred-text-style": "underline"}
"""What takes the place of colours where there are none (NO_COLOR)."""
CONTRAST = 4.5
"""The least contrast of text with what it stands on (WCAG 2.2, 1.4.3)."""

# Which of a theme's colours has which of our meanings.
_MEANT = {
    "user": "accent",
    "assistant": "foreground",
    "tool": "primary",
    "source": "success",
    "caution": "warning",
    "muted": "foreground",
    "foreground": "foreground",
    "error": "error",
    "success": "success",
    "warning": "warning",
}


def textual_name(name: str) -> str:
    """The name that Textual knows the theme `name` of the settings by."""
    return THEMES[name].name if name in THEMES else name


def own_name(name: str) -> str:
    """The name that the settings have for Textual's theme `name`."""
    return next((own for own, theme in THEMES.items() if theme.name == name), name)


def adopted(variables: Mapping[str, str]) -> dict[str, str]:
    """Our colour names for a theme that does not know them, from its `variables`; all text of it readable.

    A colour too near to what it may stand on is moved towards white or black until its contrast is 4.5 to 1.
    """
    grounds = [Color.parse(variables[ground]) for ground in ("background", "surface", "panel")]
    ink = grounds[0].get_contrast_text(alpha=1.0)
    # A quiet colour lies between the text and the ground, as far as it can.
    starts = {name: Color.parse(variables[of]) for name, of in _MEANT.items()}
    starts["muted"] = starts["muted"].blend(grounds[0], 0.45)
    found = {name: _readable(start, grounds, ink).hex for name, start in starts.items()}
    found["faint"] = grounds[0].blend(ink, 0.25).hex
    return found | {
        "border": found["user"],
        "border-blurred": found["faint"],
        "scrollbar": found["faint"],
        "scrollbar-background": grounds[0].hex,
        "block-cursor-foreground": found["assistant"],
        "block-cursor-background": grounds[2].hex,
        "block-cursor-text-style": "bold",
        **_PLAIN_HEADINGS,
        **{f"markdown-h{level}-color": found["assistant"] for level in range(1, 7)},
    }


def _readable(colour: Color, grounds: list[Color], ink: Color) -> Color:
    """`colour`, moved towards `ink` as far as it must be to stand out from all of `grounds`."""
    for step in range(21):
        moved = colour.blend(ink, step / 20)
        if all(contrast(moved, ground) >= CONTRAST for ground in grounds):
            return moved
    return ink


def contrast(one: Color, other: Color) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio" and "relative luminance")."""
    darker, lighter = sorted(_luminance(colour) for colour in (one, other))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Color) -> float:
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
