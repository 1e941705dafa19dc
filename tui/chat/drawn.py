"""A widget drawn from lines that are made once a width and kept: one widget a message, however long it is.

Textual draws a Rich renderable three times (to measure it, for its height, for its lines); this draws it once, and
what takes long in several frames.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from rich.cells import cell_len
from rich.console import RenderableType
from rich.segment import Segment
from textual.geometry import Size
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget

FRAME = 0.03
"""Seconds of drawing between two turns of the event loop; what is left is drawn in the next ones."""


class Drawn(Widget):
    """Shows what `parts` gives, one below the other. The text can be selected with the mouse."""

    DEFAULT_CSS = "Drawn { height: auto; }"

    def __init__(self, *, classes: str = "") -> None:
        super().__init__(classes=classes)
        self._width = -1
        self._strips: list[Strip] = []
        self._left: Iterator[RenderableType] | None = None

    def parts(self) -> Iterable[RenderableType]:
        """What is shown, in parts that are each drawn in a moment."""
        raise NotImplementedError

    def redraw(self) -> None:
        """What is shown has changed: make the lines again."""
        self._width = -1
        self.refresh(layout=True)

    @property
    def is_whole(self) -> bool:
        """Whether all parts have been drawn."""
        return self._left is None

    def strips(self, width: int) -> list[Strip]:
        """The lines at a width, kept until `redraw` or another width; of much, what is drawn by now."""
        if width != self._width:
            self._strips, self._width, self._left = [], width, iter(self.parts())
            self._draw()
        return self._strips

    def _draw(self) -> None:
        """Draw for a frame's time."""
        ends = time.perf_counter() + FRAME
        for part in self._left or ():
            self._strips += self.lines_of(part, self._width)
            if time.perf_counter() > ends:
                self.call_after_refresh(self._draw_more)
                return
        self._left = None

    def _draw_more(self) -> None:
        if self._left is not None and self._width >= 0:
            self._draw()
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many as there are lines."""
        return len(self.strips(width))

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """All there is."""
        return container.width

    def render_line(self, y: int) -> Strip:
        """One line on the widget's ground, with what is selected of it marked."""
        width, style = self.size.width, self.visual_style.rich_style
        strips = self.strips(width)
        if y >= len(strips):
            return Strip.blank(width, style)
        strip = strips[y]
        selection = self.text_selection
        if selection is not None and (span := selection.get_span(y)) is not None:
            strip = self._marked(strip, *span)
        return strip.adjust_cell_length(width).apply_style(style).apply_offsets(0, y)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The text under a selection, as it stands on the screen."""
        return selection.extract("\n".join(strip.text.rstrip() for strip in self._strips)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw the mark."""
        self.refresh()

    def lines_of(self, renderable: RenderableType, width: int) -> list[Strip]:
        """A Rich renderable's lines at a width."""
        console = self.app.console
        options = console.options.update(width=max(1, width), height=None, highlight=False)
        lines = console.render_lines(renderable, options, pad=False, new_lines=False)
        return [Strip(line) for line in lines]

    def _marked(self, strip: Strip, start: int, end: int) -> Strip:
        text = strip.text
        first, last = cell_len(text[:start]), strip.cell_length if end == -1 else cell_len(text[:end])
        style = self.screen.get_component_rich_style("screen--selection")
        middle = Segment.apply_style(strip.crop(first, last), post_style=style)
        return Strip.join([strip.crop(0, first), Strip(middle), strip.crop(last)])
