"""The consistency search: where the whole story speaks of something, by meaning and by words."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from fireside.errors import FiresideError
from fireside.models.types import AdapterUse, ChatModel
from fireside.stories.manuscript import text
from fireside.stories.prose import word_count
from fireside.stories.store import Story
from fireside.text import for_terminal, for_terminal_line
from tui.actions import bindings
from tui.lists import LineList
from tui.story.side.finding import found, scene_at
from tui.story.side.frame import Pane

if TYPE_CHECKING:
    from rag.types import Passage

_HITS = 12
_AROUND = 500  # characters of the story shown before and behind a hit
_HOW = "Ask as you would ask a reader: what colour are her eyes? Or write the words themselves."


class SearchScreen(Pane):
    """The question above, the places at the left, the marked one in its surroundings beside them."""

    AUTO_FOCUS = "#story-question"
    BINDINGS: ClassVar[list[BindingType]] = bindings("story-search")
    KEYS = ("story-search.ask", "pane.back")

    def __init__(self, story: Story, model: ChatModel, adapters: tuple[AdapterUse, ...] = ()) -> None:
        super().__init__(f"Search {story.info.title}", story, model, adapters)
        self._read = text(story.manuscript)
        self._hits: Sequence[tuple[int, int, str]] = ()
        # One at a time: the index is written, and a thread cannot be stopped.
        self._turn = asyncio.Lock()

    def body(self) -> ComposeResult:
        """Question, hits, marked hit."""
        yield Input(placeholder="A question, or words", id="story-question", classes="side-field", compact=True)
        with Horizontal(classes="side-body"):
            yield LineList(id="story-hits", classes="side-list", markup=False, compact=True)
            with VerticalScroll(classes="side-view"):
                yield Static(markup=False, id="story-hit")

    def on_mount(self) -> None:
        """Nothing is asked yet."""
        self.query_one(".side-body").visible = False
        self.say(_HOW if self._read.strip() else "Nothing is written yet: there is nothing to search.")

    @on(Input.Submitted)
    def _asked(self, event: Input.Submitted) -> None:
        question = for_terminal_line(event.value, 500)
        if question:
            self._find(question)

    @work(exclusive=True, group="find")
    async def _find(self, question: str) -> None:
        """Look the story through and list the places."""
        if not self._read.strip():
            return
        self.say(f"searching {word_count(self._read):,} words… the first time takes longest")
        try:
            async with self._turn:
                # Shielded, so that the next search waits for this one's thread too.
                passages = await asyncio.to_thread(found, self.story, question, _HITS)
        except FiresideError as error:
            self.say_error(error)
            return
        self._hits = [self._place(each) for each in passages]
        hits = self.query_one("#story-hits", OptionList)
        hits.clear_options()
        colours = self.app.theme_variables
        hits.add_options(
            [
                Option(Text.assemble((f"{where}  " if where else "", colours["muted"]), _line(self._read, start, end)))
                for start, end, where in self._hits
            ]
        )
        self.query_one(".side-body").visible = bool(self._hits)
        if not self._hits:
            self.say("nothing was found")
            return
        self.say(f"{len(self._hits)} places, the best first; Enter goes there")
        hits.highlighted = 0
        hits.focus()

    def _place(self, hit: Passage) -> tuple[int, int, str]:
        """Where a hit begins and ends in what is read, and its scene."""
        start, end = hit.start, hit.end
        if self._read[start:end] != hit.text:
            # Characters that no text should have are left out when it is indexed.
            near = self._read.find(hit.text[:80])
            start, end = (near, near + len(hit.text)) if near >= 0 else (min(start, len(self._read)), end)
        share = round(100 * start / max(1, len(self._read)))
        return start, end, for_terminal_line(scene_at(self.story, start), 30) or f"{share} %"

    @on(OptionList.OptionHighlighted, "#story-hits")
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_index >= len(self._hits):
            return
        start, end, where = self._hits[event.option_index]
        colours = self.app.theme_variables
        words = word_count(self._read[:start])
        shown = Text(f"{where} · after {words:,} words\n\n", colours["muted"])
        begin = max(0, start - _AROUND)
        shown.append(("…" if begin else "") + for_terminal(self._read[begin:start]), colours["muted"])
        shown.append(for_terminal(self._read[start:end]), colours["foreground"])
        shown.append(for_terminal(self._read[end : end + _AROUND]), colours["muted"])
        self.query_one("#story-hit", Static).update(shown)
        self.query_one(".side-view", VerticalScroll).scroll_home(animate=False)

    @on(OptionList.OptionSelected, "#story-hits")
    def _selected(self, event: OptionList.OptionSelected) -> None:
        """Back to the story, at the place."""
        self.leave(self._hits[event.option_index][0])

    def action_ask(self) -> None:
        """To the question again."""
        self.query_one(Input).focus()

    def action_back(self) -> None:
        """From the places to the question, and from there back to the story."""
        question = self.query_one(Input)
        if self.focused is question or not self._hits:
            self.leave()
        else:
            question.focus()


def _line(read: str, start: int, end: int) -> str:
    return for_terminal_line(read[start:end], 160)
