"""The status line: what is going on, with what, and how fast."""

from __future__ import annotations

from dataclasses import dataclass

from rich.text import Text
from textual.reactive import reactive
from textual.widgets import Static

from fireside.text import for_terminal_line
from tui.chat.markdown import Colours

_DOTS = {"ready": "success", "stopped": "caution", "no model": "error", "not saved": "error"}


@dataclass(frozen=True)
class Status:
    """What the line says. `state` is a word or two."""

    state: str
    model: str
    adapter: str = ""
    library: str = ""
    tools: str = ""
    tokens_per_s: float = 0.0


def written(status: Status, width: int, colours: Colours) -> Text:
    """The line in at most `width` cells; where it is too long, the least needed parts are left out."""
    left = Text()
    left.append("● ", style=colours[_DOTS.get(status.state, "user")])
    left.append(status.state, style=colours["foreground"])
    quiet = colours["muted"]
    parts = [Text(for_terminal_line(status.model, 30), style=quiet)]
    if status.adapter:
        parts.append(Text(f"+ {for_terminal_line(status.adapter, 30)}", style=colours["user"]))
    if status.library:
        parts.append(Text(f"docs {for_terminal_line(status.library, 24)}", style=colours["source"]))
    if status.tools:
        parts.append(Text(f"tools {for_terminal_line(status.tools, 24)}", style=colours["tool"]))
    right: list[Text] = []
    if status.tokens_per_s:
        right.append(Text(f"{status.tokens_per_s:.0f} tok/s", style=quiet))
    while True:
        start, end = Text("  ").join([left, *parts]), Text("  ").join(right)
        if start.cell_len + end.cell_len + 2 <= width or not (parts or right):
            break
        # The speed goes first, then what is written last at the left.
        (right or parts).pop()
    gap = max(1, width - start.cell_len - end.cell_len)
    return Text.assemble(start, " " * gap, end, no_wrap=True, overflow="ellipsis")


class StatusLine(Static):
    """Shows `status` on one line, as wide as the screen."""

    status: reactive[Status] = reactive(Status("loading…", ""), layout=False)

    def __init__(self) -> None:
        super().__init__(markup=False, id="status")

    def on_mount(self) -> None:
        """Follow the theme."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self.refresh())

    def render(self) -> Text:
        """The line for the present width."""
        return written(self.status, self.content_size.width, self.app.theme_variables)
