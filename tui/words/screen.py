"""A reply word by word: below the chosen one, the most likely tokens there; one can be taken, and the reply goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.message import Message
from textual.screen import Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from fireside.errors import FiresideError
from fireside.text import for_terminal_line, visible
from tui.actions import bindings
from tui.chat.markdown import Colours
from tui.lists import LineList
from tui.words.pieces import pieces, shown_piece, shown_token

Alternatives = Callable[[int], Awaitable[list[tuple[str, float]]]]
"""The most likely tokens behind the first so many characters of the reply, with their probabilities, best first."""

_AROUND = 300
"""Words shown before and after the chosen one."""
_PAUSE_S = 0.15
"""Seconds on a word after which its tokens are asked for."""
_WIDEST_BAR = 40
_EIGHTHS = " ▏▎▍▌▋▊▉"


def token_line(token: str, probability: float, stands: bool, width: int, colours: Colours) -> Text:
    """One token: whether the reply has it, its text, its probability in numbers and as a bar; in `width` columns."""
    name = for_terminal_line(shown_token(token), 16)
    text = Text("● " if stands else "  ", style=colours["user"], no_wrap=True, overflow="ellipsis")
    text.append(name, style=f"bold {colours['user']}" if stands else colours["foreground"])
    text.append(" " * max(1, 18 - Text(name).cell_len))
    text.append(f"{probability * 100:5.1f} %  ", style=colours["muted"])
    eighths = round(probability * 8 * max(4, min(_WIDEST_BAR, width - 32)))
    text.append("█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip(), style=colours["tool"])
    return text


class _Words(Static):
    """The words around the chosen one; a click chooses another."""

    class Clicked(Message):
        """The word `place` was clicked on."""

        def __init__(self, place: int) -> None:
            super().__init__()
            self.place = place

    def on_click(self, event: events.Click) -> None:
        """Tell which word it was."""
        place = event.style.meta.get("word")
        if place is not None:
            self.post_message(self.Clicked(place))


class WordsScreen(Screen[str | None]):
    """Answers with how the reply is to begin: its text up to the chosen word and the token taken; None for none."""

    CSS_PATH = "words.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("words")
    HELP = "Left and right choose a word, or a click does; Enter takes the marked token, and the reply goes on from it."

    def __init__(self, text: str, alternatives: Alternatives) -> None:
        """text: the reply. alternatives: asks the model."""
        super().__init__()
        self._text, self._alternatives = text, alternatives
        self._pieces = pieces(text)
        self._at = 0
        self._tokens: Sequence[tuple[str, float]] = ()

    def compose(self) -> ComposeResult:
        """The reply, what is said of the chosen word, its tokens, the keys."""
        with VerticalScroll(id="words-view", can_focus=False):
            yield _Words(markup=False, id="words-text")
        yield Static(markup=False, id="words-said")
        yield LineList(compact=True, markup=False, id="words-tokens")
        yield Static("← → word  ↑ ↓ token  Enter goes on from it  Escape leaves", markup=False, classes="page-keys")

    def on_mount(self) -> None:
        """Begin at the first word."""
        self.query_one(LineList).focus()
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show_tokens())
        self.call_after_refresh(self._show)

    def on_resize(self) -> None:
        """Bars and lines for the new width."""
        self.call_after_refresh(self._show_tokens)

    def action_step(self, step: int) -> None:
        """Choose the word so many places on."""
        self._choose(self._at + step)

    @on(_Words.Clicked)
    def _clicked(self, event: _Words.Clicked) -> None:
        self._choose(event.place)

    def _choose(self, place: int) -> None:
        place = max(0, min(place, len(self._pieces) - 1))
        if place != self._at:
            self._at = place
            self._show()

    def action_back(self) -> None:
        """Leave the reply as it is."""
        self.dismiss(None)

    @on(OptionList.OptionSelected)
    def _taken(self, event: OptionList.OptionSelected) -> None:
        if self._tokens:
            start, _ = self._pieces[self._at]
            self.dismiss(self._text[:start] + self._tokens[event.option_index][0])

    def _show(self) -> None:
        self._tokens = ()
        self.query_one(LineList).clear_options()
        self.query_one("#words-text", Static).update(self._written())
        self._say("asking the model …")
        self._ask(self._at)
        self.call_after_refresh(self._scroll)

    def _written(self) -> Text:
        """The words around the chosen one, each to be clicked on."""
        colours = self.app.theme_variables
        text = Text(style=colours["muted"])
        first = max(0, self._at - _AROUND)
        if first:
            text.append("… ")
        for place, (start, end) in enumerate(self._pieces[first : self._at + _AROUND], first):
            piece = visible(self._text[start:end])
            spaces = len(piece) - len(piece.lstrip(" \t"))
            click = Style(meta={"word": place})
            if place == self._at:
                shown = shown_piece(piece)
                text.append(piece[:spaces])
                text.append(shown, style=Style.parse(f"bold reverse {colours['user']}"))
                text.append(piece[spaces:] if not piece.strip() else "")
            else:
                text.append(piece[:spaces])
                text.append(piece[spaces:], style=click + Style.parse(self._colour(place, colours)))
        return text

    def _colour(self, place: int, colours: Colours) -> str:
        """What stands before the chosen word is what the tokens follow from."""
        return colours["foreground"] if place < self._at else colours["muted"]

    def _scroll(self) -> None:
        """Keep the chosen word in view."""
        static = self.query_one("#words-text", Static)
        first = max(0, self._at - _AROUND)
        start = self._pieces[first][0] if self._pieces else 0
        end = self._pieces[self._at][1] if self._pieces else 0
        before = Text(visible(self._text[start:end]))
        line = len(before.wrap(self.app.console, max(1, static.size.width)))
        view = self.query_one("#words-view", VerticalScroll)
        view.scroll_to(y=max(0, line - 1 - view.size.height // 2), animate=False)

    @work(exclusive=True, group="words")
    async def _ask(self, place: int) -> None:
        """Ask the model, once the cursor rests on a word."""
        await asyncio.sleep(_PAUSE_S)
        try:
            if not self._pieces:
                raise FiresideError("this reply holds no words", None)
            tokens = await self._alternatives(self._pieces[place][0])
        except FiresideError as error:
            self._say(for_terminal_line(error.message, 400), error=True)
            return
        self._tokens = tokens
        if not tokens:
            self._say("this model does not tell how likely its tokens are", error=True)
            return
        self._show_tokens()

    def _show_tokens(self) -> None:
        if not self._tokens:
            return
        colours, tokens = self.app.theme_variables, self.query_one(LineList)
        width = tokens.size.width
        start, end = self._pieces[self._at]
        rest = self._text[start:]
        standing = [bool(token) and rest.startswith(token) for token, _ in self._tokens]
        marked = tokens.highlighted
        tokens.clear_options()
        tokens.add_options(
            Option(token_line(token, share, stands, width, colours))
            for (token, share), stands in zip(self._tokens, standing, strict=True)
        )
        tokens.highlighted = marked if marked is not None else (standing.index(True) if any(standing) else 0)
        word = shown_piece(visible(self._text[start:end]))
        note = "" if any(standing) else f", not among the {len(self._tokens)} most likely"
        self._say(f"word {self._at + 1:,} of {len(self._pieces):,}: {for_terminal_line(word, 40)}{note}")

    def _say(self, text: str, *, error: bool = False) -> None:
        said = self.query_one("#words-said", Static)
        said.update(text)
        said.set_class(error, "error")
