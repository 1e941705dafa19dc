"""The messages that are not mounted, above and below those that are: what stands in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from textual.geometry import Size
from textual.layout import ArrangeResult
from textual.layouts.vertical import VerticalLayout
from textual.widget import Widget

if TYPE_CHECKING:
    from fireside.conversations.types import StoredMessage

Placed: TypeAlias = "tuple[StoredMessage, tuple[int, int]]"
"""A message with its index among its siblings and their count."""
NEAR_END = 2
"""Lines from the end of the transcript within which the person follows it."""


class Gap(Widget):
    """Stands for the messages above, or below, that are not mounted: as many lines as they are thought to take.

    It is itself one line: Textual files each widget under every square of the plane that it covers.
    """

    BLANK = True

    def __init__(self) -> None:
        super().__init__(classes="gap")
        self.lines = 0

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """One line, at the end of those that it stands for."""
        return min(1, self.lines)

    def stand_for(self, lines: float) -> None:
        """Be so many lines high."""
        self.lines = max(0, round(lines))
        self.refresh(layout=True)


class WindowLayout(VerticalLayout):
    """One below the other, with room for what gaps stand for."""

    name = "window"

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:
        """Placements from top to bottom."""
        placements = []
        down = 0
        for placement in super().arrange(parent, children, size, greedy):
            if isinstance(placement.widget, Gap):
                down += placement.widget.lines - placement.region.height
            placements.append(placement._replace(region=placement.region.translate((0, down))))
        return placements


def guessed_lines(placed: Sequence[Placed], width: int) -> float:
    """The lines that messages will take, told from a few of them."""
    if not placed:
        return 0.0
    few = placed[:: max(1, len(placed) // 20)]
    lines = sum(2 + message.text.count("\n") + len(message.text) // max(20, width) for message, _ in few)
    return lines / len(few) * len(placed)
