"""The context, opened: every part of the next prompt with its tokens and its exact text."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from fireside.context_parts import Part, Upcoming
from fireside.text import for_terminal, for_terminal_line
from tui.actions import bindings
from tui.context.bar import COLOURS, written

_MOST_SHOWN = 100_000
"""Characters of a part that are laid out."""


class ContextScreen(Screen[None]):
    """The parts at the left, the text of the chosen one beside them, or below in a narrow terminal."""

    CSS_PATH = "context.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("context")

    def __init__(self, upcoming: Upcoming, tokens_per_s: float) -> None:
        """tokens_per_s: how fast prompts are read, 0 where that is not known."""
        super().__init__()
        self._upcoming, self._speed = upcoming, tokens_per_s

    def compose(self) -> ComposeResult:
        """Heading, bar, parts and text, and what the cache means."""
        yield Static("What the next prompt is made of", markup=False, classes="page-title")
        yield Static(markup=False, id="context-whole")
        with Horizontal(id="context-body"):
            yield OptionList(*self._options(), compact=True, markup=False, id="context-parts")
            with VerticalScroll(id="context-view"):
                yield Static(markup=False, id="context-text")
        yield Static(self._below(), markup=False, id="context-below")

    def on_mount(self) -> None:
        """Begin at the first part."""
        self.query_one(OptionList).focus()
        self._show_bar()

    def on_resize(self) -> None:
        """The bar is as wide as the screen."""
        self._show_bar()

    def _show_bar(self) -> None:
        width = max(10, self.size.width - 4)
        line = written(self._upcoming, self._speed, width, self.app.theme_variables)
        self.query_one("#context-whole", Static).update(line)

    def _options(self) -> list[Option]:
        if not self._upcoming.parts:
            return [Option("nothing yet: write a message", disabled=True)]
        return [Option(self._line(part)) for part in self._upcoming.parts]

    def _line(self, part: Part) -> Text:
        colours = self.app.theme_variables
        return Text.assemble(
            ("■ ", colours[COLOURS[part.origin]]),
            (f"{part.tokens:>6,}  ", colours["foreground"]),
            (for_terminal_line(f"{part.origin}: {part.title}", 60), colours["foreground"]),
        )

    def _below(self) -> str:
        upcoming = self._upcoming
        said = [f"{upcoming.reply:,} tokens are kept for the reply, {upcoming.free:,} are free"]
        if not upcoming.room:
            said = ["the server does not tell how much its model can see"]
        if upcoming.cached is None:
            said.append("nor what it has cached" if not upcoming.room else "what is cached is not known")
        else:
            said.append(f"{upcoming.cached:,} of {upcoming.tokens:,} are read already")
        if upcoming.left_out:
            said.append(f"the first {upcoming.left_out:,} do not fit any more")
        return "; ".join(said) + ".  Escape goes back"

    @on(OptionList.OptionHighlighted)
    def _chosen(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_index < len(self._upcoming.parts):
            text = for_terminal(self._upcoming.parts[event.option_index].text)
            more = len(text) - _MOST_SHOWN
            shown = text[:_MOST_SHOWN] + (f"\n… {more:,} more characters" if more > 0 else "")
            self.query_one("#context-text", Static).update(shown)
            self.query_one("#context-view", VerticalScroll).scroll_home(animate=False)

    def action_back(self) -> None:
        """Leave."""
        self.dismiss(None)
