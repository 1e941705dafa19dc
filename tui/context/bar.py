"""The context bar: one line on what the next prompt is made of, how much of it is cached, and what room is left."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text
from textual.reactive import reactive
from textual.widgets import Static

from fireside.context_parts import Origin, Upcoming
from tui.chat.markdown import Colours

COLOURS: Mapping[Origin, str] = {
    "system": "muted",
    "persona": "muted",
    "tools": "tool",
    "memory": "secondary",
    "lore": "caution",
    "summary": "primary",
    "history": "assistant",
    "documents": "source",
    "note": "error",
    "question": "user",
}
"""What each part of a prompt is drawn in, by the theme's names."""

CACHED, TO_READ, ROOM = "━", "╍", "─"
_ROOMY = 60
"""Columns from which the bar says in words what it shows."""


def bar(upcoming: Upcoming, width: int, colours: Colours) -> Text:
    """The prompt as `width` cells: its parts in their colours, whole where cached and broken where to be read, then
    the room that is left. Every part that there is gets a cell."""
    total = max(upcoming.room, upcoming.tokens, 1)
    text, shown, tokens = Text(no_wrap=True), 0, 0
    cached = upcoming.cached or 0
    for part in upcoming.parts:
        if not part.tokens:
            continue
        end = max(shown + 1, round((tokens + part.tokens) * width / total))
        for cell in range(shown, min(end, width)):
            known = cell * total / width + total / width / 2 <= cached
            text.append(CACHED if known else TO_READ, style=colours[COLOURS[part.origin]])
        shown, tokens = min(end, width), tokens + part.tokens
    text.append(ROOM * (width - shown), style=colours["faint"])
    return text


def written(upcoming: Upcoming, tokens_per_s: float, width: int, colours: Colours) -> Text:
    """The whole line in `width` cells: the bar, the tokens taken, and what would be read again with its time."""
    words = [f"{upcoming.tokens:,}" + (f"/{upcoming.room:,}" if upcoming.room else "") + " tokens"]
    if width >= _ROOMY and upcoming.cached is not None and upcoming.tokens > upcoming.cached:
        seconds = upcoming.seconds(tokens_per_s)
        time = "" if seconds is None else f", {_written_seconds(seconds)}"
        words.append(f"{upcoming.tokens - upcoming.cached:,} to read{time}")
    if width >= _ROOMY and upcoming.left_out:
        words.append(f"{upcoming.left_out:,} left out")
    share = upcoming.tokens / upcoming.room if upcoming.room else 0.0
    full = colours["error"] if share >= 0.9 else colours["caution"] if share >= 0.75 else colours["muted"]
    said = Text("  ".join(words), style=full)
    return Text.assemble(bar(upcoming, max(4, width - said.cell_len - 2), colours), "  ", said, no_wrap=True)


def _written_seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


class ContextBar(Static):
    """Shows `upcoming` on one line; nothing where there is none. tokens_per_s: how fast prompts are read, 0 where no
    prompt was read yet."""

    upcoming: reactive[Upcoming | None] = reactive(None, layout=False)
    tokens_per_s: reactive[float] = reactive(0.0, layout=False)

    def __init__(self) -> None:
        super().__init__(markup=False, id="context-bar")

    def on_mount(self) -> None:
        """Follow the theme."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self.refresh())

    def render(self) -> Text:
        """The line for the present width."""
        if self.upcoming is None:
            return Text()
        return written(self.upcoming, self.tokens_per_s, self.content_size.width, self.app.theme_variables)
