"""A whole text as it was written, however long: lines are broken to the width and drawn only where they are seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from rich.cells import cell_len, chop_cells
from rich.segment import Segment
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.geometry import Size
from textual.screen import Screen
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static

from fireside.text import for_terminal
from tui.actions import bindings

_PIECE = 4_096
"""Characters that are broken to the width at once."""


def broken(text: str, width: int) -> Iterator[str]:
    """The lines of a text, none wider than `width` cells; tabs become four spaces."""
    for line in text.expandtabs(4).split("\n"):
        if line.isascii():
            yield from (line[at : at + width] for at in range(0, len(line), width)) if line else ("",)
            continue
        rest = ""
        for at in range(0, len(line), _PIECE):
            *whole, rest = chop_cells(rest + line[at : at + _PIECE], width) or [""]
            yield from whole
        yield rest


class _Lines(ScrollView, can_focus=True):
    """The lines, drawn as they come into view."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text
        self._lines: list[str] = []
        self._width = -1

    def on_resize(self, event: events.Resize) -> None:
        """Break the lines anew."""
        width = max(1, self.scrollable_content_region.width)
        if width != self._width:
            self._width = width
            self._lines = list(broken(self._text, width))
            self.virtual_size = Size(width, len(self._lines))
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line, as it was written."""
        place = y + self.scroll_offset.y
        text = self._lines[place] if place < len(self._lines) else ""
        return Strip([Segment(text)], cell_len(text)).adjust_cell_length(self.size.width).apply_style(self.rich_style)


class WholeText(Screen[None]):
    """A text by itself; the arrows, j and k scroll, Escape leaves."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("whole")
    DEFAULT_CSS = """
    WholeText { background: $background; }
    WholeText _Lines { height: 1fr; padding: 0 2; background: $background; scrollbar-size-vertical: 1; }
    WholeText .keys { height: 1; padding: 0 2; background: $surface; color: $muted; }
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = for_terminal(text)

    def compose(self) -> ComposeResult:
        """The text and one line below."""
        yield _Lines(self._text)
        yield Static(f"{len(self._text):,} characters, as written  Escape back", markup=False, classes="keys")

    def action_back(self) -> None:
        """Leave."""
        self.dismiss()

    def action_scroll_lines(self, step: int) -> None:
        """Scroll by a line."""
        self.query_one(_Lines).scroll_relative(y=step, animate=False)
