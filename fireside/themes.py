"""The names of the terminal app's themes, which the settings check and the app's first frame looks up."""

from __future__ import annotations

from typing import Literal

ThemeName = Literal[
    "dark", "light", "atom-one-dark", "atom-one-light", "catppuccin-frappe", "catppuccin-latte",
    "catppuccin-macchiato", "catppuccin-mocha", "dracula", "flexoki", "gruvbox", "monokai", "nord", "rose-pine",
    "rose-pine-dawn", "rose-pine-moon", "solarized-dark", "solarized-light", "textual-dark", "textual-light",
    "tokyo-night",
]  # fmt: skip
"""Two of the app's own, then Textual's."""
