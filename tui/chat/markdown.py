"""The colours that Markdown and code are drawn in: Rich's styles from a theme's variables."""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style
from rich.theme import Theme

Colours = Mapping[str, str]
"""The theme's variables by name, as `App.theme_variables` gives them."""


def rich_theme(colours: Colours) -> Theme:
    """Rich's Markdown and code styles in the colours of a theme."""
    heading = Style(bold=True)
    muted = colours["muted"]
    styles: dict[str, str | Style] = {
        **{f"markdown.h{level}": heading for level in range(1, 7)},
        "markdown.code": colours["caution"],
        "markdown.block_quote": muted,
        "markdown.item.bullet": muted,
        "markdown.item.number": muted,
        "markdown.hr": colours["faint"],
        "markdown.link": "underline",
        "markdown.link_url": muted,
        "markdown.table.border": colours["faint"],
        "markdown.table.header": "bold",
        "code.background": f"on {colours['surface']}",
        "code.text": f"{colours['foreground']} on {colours['surface']}",
        "code.keyword": colours["user"],
        "code.literal.string": colours["source"],
        "code.literal.number": colours["caution"],
        "code.comment": f"italic {muted}",
        "code.name.function": colours["tool"],
        "code.name.class": colours["tool"],
        "code.name.builtin": colours["tool"],
    }
    return Theme(styles)
