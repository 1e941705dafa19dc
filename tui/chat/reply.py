"""The reply being written: Markdown that grows in one widget, and the tool calls above it."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from agents.events import (
    Delegated,
    Event,
    PlanChanged,
    TextDelta,
    ThinkingDelta,
    ToolCallAsked,
    ToolResult,
    TurnsDropped,
)
from fireside.models.types import ToolCall
from fireside.text import TerminalStream, for_terminal, for_terminal_line
from tui.chat import rendering
from tui.chat.drawn import Drawn
from tui.chat.gap import NEAR_END
from tui.event_lines import event_line

if TYPE_CHECKING:
    from tui.chat.blocks import Block

PAUSE = 0.05
"""Seconds between two drawings of what has come: twenty a second read as a flow, at two fifths of the work of fifty."""
SHARE = 3
"""A drawing that takes long puts the next one off by so many times its own time, so that keys come between."""


THOUGHT = 2_000
"""Characters of the thoughts that are shown while they come."""


class LiveMarkdown(Drawn):
    """Markdown that grows: looks at every moment as `FinishedMarkdown` does of the same text."""

    def __init__(self) -> None:
        from tui.chat.growing import GrowingMarkdown  # the parser, which the first frame does without

        super().__init__()
        self._markdown = GrowingMarkdown()
        self._kept: list[Strip] = []
        self._kept_of: tuple[int, int, int] = (0, 0, 0)  # blocks, how often they were parsed again, the width
        self._hidden = 0

    def on_mount(self) -> None:
        """Draw again when the theme changes."""
        self.app.theme_changed_signal.subscribe(self, lambda _: self._forget())

    def on_unmount(self) -> None:
        """The signal would keep what it calls."""
        self.app.theme_changed_signal.unsubscribe(self)

    def append(self, text: str) -> None:
        """Add to the end; what is more than a message shows is counted."""
        before = self._markdown.text
        more = "" if self._hidden else rendering.beginning(before + text)[len(before) :]
        if more:
            self._markdown.append(more)
        self._hidden += len(text) - len(more)
        self.redraw()

    def strips(self, width: int) -> list[Strip]:
        """The settled blocks as they were drawn before, and the open ones."""
        if width == self._width:
            return self._strips
        settled = self._markdown.settled
        count, again, drawn_width = self._kept_of
        if again != self._markdown.again or width != drawn_width:
            self._kept, count = [], 0
        self._kept += self._lines_of_blocks(settled[count:], settled[count - 1] if count else None, width)
        self._kept_of = (len(settled), self._markdown.again, width)
        lines = self._kept + self._lines_of_blocks(self._markdown.open, settled[-1] if settled else None, width)
        if self._hidden:
            hidden = rendering.left_out(self._hidden, self.app.theme_variables)
            lines += self.lines_of(hidden, width)
        self._strips, self._width = lines, width
        return lines

    def _lines_of_blocks(self, shown: list[Block], before: Block | None, width: int) -> list[Strip]:
        from tui.chat.blocks import spaced

        lines: list[Strip] = []
        for part in spaced(shown, before):
            lines += self.lines_of(part, width)
        return lines

    def _forget(self) -> None:
        self._kept_of = (0, 0, 0)
        self.redraw()


class LiveReply(Vertical):
    """Shows the events of one turn as they come. Replaced by a `MessageView` at the turn's end."""

    def __init__(self) -> None:
        super().__init__(classes="message assistant live")
        self._safe = TerminalStream()
        self._thought = ""
        self._unfolded = False
        self._calls: list[tuple[ToolCall, str, str] | str] = []
        self._plan: list[dict[str, Any]] = []
        self._waiting: list[str] = []
        self._drawing: Timer | None = None
        self._drawn_at = self._took = 0.0

    def compose(self) -> ComposeResult:
        """Thoughts, calls, text, and a word while there is none of them."""
        yield Static(markup=False, classes="thinking")
        yield Static(markup=False, classes="calls")
        yield LiveMarkdown()
        yield Static("…", markup=False, classes="waiting")

    async def take(self, event: Event) -> None:
        """Show one event."""
        match event:
            case TextDelta(text):
                self._append(self._safe.push(text))
            case ThinkingDelta(text):
                self._think(text)
            case ToolCallAsked(call):
                self._calls.append((call, "asked", ""))
                self._show_calls()
            case ToolResult(call, status, text):
                self._finish_call(call, status, text)
                self._show_calls()
            case PlanChanged(steps):
                self._plan = [asdict(step) for step in steps]
                self._show_calls()
            case Delegated(_, ToolResult(call, status)):
                self._note(f"↳ {call.name}({rendering.written_arguments(call.arguments, 80)}): {status}")
            case TurnsDropped():
                pass  # a notice says it
            case _ if line := event_line(event):
                self._note(line)
            case _:
                # The rest is shown elsewhere: by the status line, a dialog, or the finished message.
                pass

    async def end(self) -> None:
        """Show the rest; nothing more comes."""
        self._append(self._safe.close())
        self._draw()

    def draw_held(self) -> None:
        """The person is at the end again: show what has come meanwhile."""
        if self._waiting and self._drawing is None:
            self._draw()

    def _append(self, text: str) -> None:
        if not text:
            return
        self._waiting.append(text)
        if self._drawing is None and self._is_followed():
            pause = max(PAUSE, SHARE * self._took) - (time.perf_counter() - self._drawn_at)
            if pause <= 0:
                self._draw()
            else:
                self._drawing = self.set_timer(pause, self._draw_in_time)

    def _draw_in_time(self) -> None:
        self._drawing = None
        if self._is_followed():
            self._draw()

    def _draw(self) -> None:
        if self._drawing is not None:
            self._drawing.stop()
            self._drawing = None
        if not self._waiting or not self.is_attached:
            return
        self._drawn_at = time.perf_counter()
        shown = self.query_one(LiveMarkdown)
        shown.append("".join(self._waiting))
        self._waiting.clear()
        # Made here, where it can be timed, and kept for the layout.
        shown.strips(shown.size.width or self.size.width)
        self._took = time.perf_counter() - self._drawn_at
        self.query_one(".waiting").display = False

    def _is_followed(self) -> bool:
        """Whether the end is in view: while the person reads further up, nothing moves."""
        transcript = self.parent
        return not isinstance(transcript, Widget) or transcript.max_scroll_y - transcript.scroll_y <= NEAR_END

    def toggle_thoughts(self) -> None:
        """Unfold or fold what the model has thought by now."""
        self._unfolded = not self._unfolded
        if self._thought:
            self._think("")

    def _think(self, text: str) -> None:
        """Say that the model thinks, and how far it has come; unfolded, also the last of what it thinks."""
        self._thought += text
        self.query_one(".waiting").display = False
        said = rendering.thinking(len(self._thought.split()), self.app.theme_variables)
        if self._unfolded:
            said.append(f"\n{for_terminal(self._thought[-THOUGHT:]).strip()}", style="italic")
        line = self.query_one(".thinking", Static)
        line.update(said)
        line.display = True

    def _finish_call(self, call: ToolCall, status: str, text: str) -> None:
        """Put the result where the call was asked; the loop tells of every call before its result."""
        for place, shown in enumerate(self._calls):
            if not isinstance(shown, str) and shown[:2] == (call, "asked"):
                self._calls[place] = (call, status, text)
                return
        self._calls.append((call, status, text))

    def _note(self, line: str) -> None:
        self._calls.append(line)
        self._show_calls()

    def _show_calls(self) -> None:
        colours = self.app.theme_variables
        lines = [
            Text(for_terminal_line(shown, 300), style=colours["muted"])
            if isinstance(shown, str)
            else rendering.tool_call(shown[0].name, shown[0].arguments, shown[1], shown[2], colours)
            for shown in self._calls
        ]
        if self._plan:
            lines.append(rendering.checklist(self._plan, colours))
        self.query_one(".calls", Static).update(Text("\n").join(lines))
        self.query_one(".calls").display = True
