"""Worn phrases: what the story says again and again, with counts; one key bans a phrase from what the model writes."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from fireside.errors import FiresideError
from fireside.stories import manuscript as ms
from fireside.stories.store import Story
from fireside.stories.worn import Worn, worn
from fireside.text import for_terminal_line
from tui.actions import bindings
from tui.lists import LineList

Place = tuple[int, int]


class WornScreen(Screen[Place | None]):
    """The phrases, the longest first, then the bans that are none of them. Answers with a place to go to, or None."""

    CSS_PATH = "story.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("worn")
    HELP = """What the story says three times or more. Enter goes to the place, Space to the next one; b bans the
    phrase: the model does not write it any more, from the next piece on."""

    def __init__(self, story: Story) -> None:
        super().__init__()
        self._story = story
        self._phrases: list[Worn] = []
        self._place = 0  # which of a phrase's places is meant

    def compose(self) -> ComposeResult:
        """Heading, the list, what is said, the keys."""
        yield Static("Worn phrases", markup=False, classes="page-title")
        yield LineList(Option("reading the story…", disabled=True), compact=True, markup=False, id="worn-list")
        yield Static(markup=False, id="worn-about")
        yield Static(
            "b ban or allow   Enter to the place   Space the next place   Escape back", markup=False, id="worn-keys"
        )

    def on_mount(self) -> None:
        """Count while the screen is shown already."""
        self.query_one(LineList).focus()
        self._count()

    @work(group="count", exclusive=True)
    async def _count(self) -> None:
        text = ms.text(self._story.manuscript)
        self._phrases = await asyncio.to_thread(worn, text)
        if self.is_mounted:
            self._fill()

    def _fill(self) -> None:
        listed, bans, colours = self.query_one(LineList), self._story.info.bans, self.app.theme_variables
        highlighted = listed.highlighted
        known = {phrase.phrase for phrase in self._phrases}
        lines = [(f"{phrase.count:>5}  ", phrase.phrase) for phrase in self._phrases]
        lines += [("    –  ", ban) for ban in bans if ban not in known]
        listed.clear_options()
        for count, phrase in lines:
            banned = phrase in bans
            line = Text.assemble(
                (count, colours["muted"]),
                (for_terminal_line(phrase), colours["error"] if banned else colours["foreground"]),
                ("  ✗ banned" if banned else "", colours["error"]),
            )
            listed.add_option(Option(line))
        if not lines:
            listed.add_option(Option("nothing is said three times yet: no phrase is worn", disabled=True))
        else:
            listed.highlighted = min(highlighted or 0, len(lines) - 1)
        self._banned = [phrase for _, phrase in lines]

    def _marked(self) -> int | None:
        return self.query_one(LineList).highlighted

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Show the phrase where it stands first."""
        self._place = 0
        self._show_about()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Go to the place that is shown."""
        phrase = self._phrase()
        if phrase is not None:
            start = phrase.places[self._place]
            self.dismiss((start, start + len(phrase.phrase)))

    def _phrase(self) -> Worn | None:
        marked = self._marked()
        return self._phrases[marked] if marked is not None and marked < len(self._phrases) else None

    def _show_about(self) -> None:
        phrase, about = self._phrase(), self.query_one("#worn-about", Static)
        if phrase is None:
            about.update("")
            return
        text, start = ms.text(self._story.manuscript), phrase.places[self._place]
        around = text[max(0, start - 60) : start + len(phrase.phrase) + 60]
        place = f"{self._place + 1} of {len(phrase.places)}:  "
        about.update(place + for_terminal_line(f"…{around}…", 200))

    def action_next_place(self) -> None:
        """Show the next place of the phrase."""
        phrase = self._phrase()
        if phrase is not None:
            self._place = (self._place + 1) % len(phrase.places)
            self._show_about()

    def action_ban(self) -> None:
        """Ban the phrase, or allow it again."""
        marked = self._marked()
        if marked is None or marked >= len(self._banned):
            return
        phrase, bans = self._banned[marked], self._story.info.bans
        try:
            self._story.change(bans=tuple(b for b in bans if b != phrase) if phrase in bans else (*bans, phrase))
        except FiresideError as error:
            self.query_one("#worn-about", Static).update(for_terminal_line(error.message))
            return
        self._fill()

    def action_back(self) -> None:
        """Leave."""
        self.dismiss(None)
