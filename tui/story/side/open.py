"""Opens the screens beside a story, and brings the person back to the place that was chosen there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tui.story.side.frame import Left, Pane

if TYPE_CHECKING:
    from fireside.models.types import AdapterUse, ChatModel
    from fireside.stories.store import Story
    from tui.story.screen import StoryScreen


def open_side(screen: StoryScreen, name: str) -> None:
    """Open the pane `name` over the story. The story must be at rest, and what was typed saved."""

    def back(left: Left | None) -> None:
        if left is None:
            return
        if left.changed:
            screen.desk.read()
            screen.show()
        if left.place is not None:
            screen.go_to(left.place)

    screen.app.push_screen(_pane(name)(screen.story, screen.model, screen.adapters), back)


def _pane(name: str) -> Callable[[Story, ChatModel, tuple[AdapterUse, ...]], Pane]:
    """The class of a pane. Each is read from disk when it is first opened, not before the first frame."""
    match name:
        case "outline":
            from tui.story.side.outline import OutlineScreen

            return OutlineScreen
        case "lore":
            from tui.story.side.lore import LoreScreen

            return LoreScreen
        case "summary":
            from tui.story.side.summary import SummaryScreen

            return SummaryScreen
        case "search":
            from tui.story.side.search import SearchScreen

            return SearchScreen
        case "timeline":
            from tui.story.side.timeline import TimelineScreen

            return TimelineScreen
        case "export":
            from tui.story.side.export import ExportScreen

            return ExportScreen
        case _:
            raise LookupError(f"there is no pane {name}")
