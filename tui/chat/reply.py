"""The reply being written: a live Markdown widget that is only ever appended to, and the tool calls above it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pygments.token import Token  # type: ignore[import-untyped]  # pygments ships no types
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.highlight import HighlightTheme, highlight
from textual.widgets import Markdown, Static
from textual.widgets.markdown import MarkdownBlock, MarkdownFence, MarkdownStream

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
from fireside.text import TerminalStream, for_terminal_line
from tui.chat import rendering
from tui.chat.markdown import parser
from tui.event_lines import event_line


class _CodeColours(HighlightTheme):
    """The colours that `markdown.rich_theme` gives to code of finished messages."""

    STYLES = {  # noqa: RUF012  # Textual declares it so
        Token.Comment: "$muted italic",
        Token.Keyword: "$user",
        Token.Literal.Number: "$caution",
        Token.Literal.String: "$source",
        Token.Literal.String.Double: "$source",
        Token.Literal.String.Doc: "$source",
        Token.Name.Builtin: "$tool",
        Token.Name.Class: "$tool",
        Token.Name.Function: "$tool",
    }


class _Fence(MarkdownFence):
    """A code block in our colours."""

    @classmethod
    def highlight(cls, code: str, language: str, ansi: bool = False, dark: bool = False) -> Content:
        """`code` in colours; `ansi` and `dark` mean nothing to a theme of ours."""
        return highlight(code, language=language or None, theme=_CodeColours)


class LiveMarkdown(Markdown):
    """Markdown that grows; links are not opened."""

    BLOCKS: dict[str, type[MarkdownBlock]] = {  # noqa: RUF012  # Textual declares it so
        **Markdown.BLOCKS,
        "fence": _Fence,
        "code_block": _Fence,
    }

    def __init__(self) -> None:
        super().__init__(open_links=False, parser_factory=parser)


class LiveReply(Vertical):
    """Shows the events of one turn as they come. Replaced by a `MessageView` at the turn's end."""

    def __init__(self) -> None:
        super().__init__(classes="message assistant live")
        self._safe = TerminalStream()
        self._thought = ""
        self._calls: list[tuple[ToolCall, str, str] | str] = []
        self._plan: list[dict[str, Any]] = []
        self._stream: MarkdownStream | None = None

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
                await self._append(self._safe.push(text))
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
        await self._append(self._safe.close())
        if self._stream is not None:
            await self._stream.stop()

    async def _append(self, text: str) -> None:
        if not text:
            return
        if self._stream is None:
            self._stream = Markdown.get_stream(self.query_one(LiveMarkdown))
            self.query_one(".waiting").display = False
        await self._stream.write(text)

    def _think(self, text: str) -> None:
        """Say that the model thinks, and how far it has come; the thoughts can be read when the reply is there."""
        self._thought += text
        self.query_one(".waiting").display = False
        line = self.query_one(".thinking", Static)
        line.update(rendering.thinking(len(self._thought.split()), self.app.theme_variables))
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
