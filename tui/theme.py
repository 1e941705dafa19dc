"""The two colour themes, `fireside-dark` and `fireside-light`: embers on soot, ink on paper."""

from __future__ import annotations

from textual.theme import Theme

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
