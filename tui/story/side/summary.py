"""The running summary of what no longer fits into the prompt: read, edited, brought up to date, summed up anew."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from fireside.errors import FiresideError
from fireside.models.types import AdapterUse, ChatModel
from fireside.stories.asking import ask, bring_up_to_date
from fireside.stories.manuscript import text
from fireside.stories.placing import stretches
from fireside.stories.prose import word_count
from fireside.stories.store import Story
from fireside.stories.write import MAX_TOKENS
from fireside.text import for_terminal, for_terminal_line
from tui.actions import bindings
from tui.story.side.frame import Pane
from tui.story.side.writing import WritingScreen

_LOOK_S = 0.25
_EMPTY = """No summary yet.

Once the story is longer than what the model can see at a time, its beginning is summed up here, by itself, while you \
write on. e writes one of your own."""
_ABOUT = "What happened in the part of the story that the model is not shown any more. It goes on from there by itself."


class SummaryScreen(Pane):
    """The summary, up to where it reaches, and how much of the story the next prompt leaves out."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("summary")
    KEYS = ("summary.edit", "summary.renew", "summary.again", "summary.go", "summary.undo", "pane.back")

    def __init__(self, story: Story, model: ChatModel, adapters: tuple[AdapterUse, ...] = ()) -> None:
        super().__init__(f"Summary of {story.info.title}", story, model, adapters)
        self._left_out: int | None = None

    def body(self) -> ComposeResult:
        """How far it reaches, and the summary."""
        yield Static(markup=False, id="summary-reach", classes="side-about")
        with VerticalScroll(classes="side-view side-alone", id="summary-view"):
            yield Static(markup=False, id="summary-text")

    def on_mount(self) -> None:
        """Show it, and what of it grows while the model sums up."""
        self.set_interval(_LOOK_S, self._grown)
        self.app.theme_changed_signal.subscribe(self, lambda _: self._show())
        self.query_one("#summary-view").focus()
        self.show_story()

    def show_story(self) -> None:
        """Show the summary as it is now, and look what does not fit."""
        self._show()
        self._look()

    def _grown(self) -> None:
        if self.busy:
            self._show()

    def _show(self) -> None:
        info, colours = self.story.info, self.app.theme_variables
        shown = Text(for_terminal(info.summary) or _EMPTY, colours["foreground" if info.summary else "muted"])
        self.query_one("#summary-text", Static).update(shown)
        self.query_one("#summary-reach", Static).update("\n".join(self._reach()))

    def _reach(self) -> list[str]:
        """Up to where the summary reaches, and what the next prompt leaves out."""
        read, info = text(self.story.manuscript), self.story.info
        said = []
        if info.summary:
            until = min(info.summary_until, len(read))
            of = (
                f"{word_count(info.summary):,} words for the first {word_count(read[:until]):,} of {word_count(read):,}"
            )
            scene = next(
                (
                    each.node.title
                    for each in stretches(self.story.outline, self.story.manuscript, "scene")
                    if each.start < until <= each.end
                ),
                "",
            )
            end = for_terminal_line(read[max(0, until - 60) : until], 80)
            where = f", in {for_terminal_line(scene, 60)}" if scene else ""
            said.append(f"{of}, up to “…{end}”{where}." if until else "not tied to a place of the story yet")
        if self._left_out is not None:
            left = word_count(read[: self._left_out])
            said.append(
                f"The next prompt leaves out the first {left:,} words." if left else "All of the story fits for now."
            )
        return said

    @work(exclusive=True, group="look")
    async def _look(self) -> None:
        """How much the next prompt leaves out."""
        try:
            asked = await ask(self.story, self.model, text(self.story.manuscript), MAX_TOKENS)
        except FiresideError as error:
            self.say_error(error)
            return
        self._left_out = asked.shown.left_out
        self._show()

    # Changing

    def _undoable(self, what: str) -> None:
        info = self.story.info
        summary, until = info.summary, info.summary_until
        self.undos.add(what, lambda: self.story.change(summary=summary, summary_until=until))

    @work(exclusive=True, group="dialog")
    async def action_edit(self) -> None:
        """Change the summary's words. One that is emptied is forgotten, also up to where it reached."""
        if not self.free():
            return
        before = self.story.info
        words = await self.app.push_screen_wait(WritingScreen("Summary", before.summary, _ABOUT))
        if words is None or words.strip() == before.summary:
            return
        # A first summary of the person's own stands for what is left out now.
        until = before.summary_until or self._left_out or 0
        self._undoable("the summary as it was")
        try:
            self.story.change(summary=words.strip(), summary_until=until if words.strip() else 0)
        except FiresideError as error:
            self.say_error(error)
            return
        self.say("saved; u takes it back")
        self.show_story()

    def action_renew(self) -> None:
        """Let the model sum up what is left out and not summed up yet."""
        if self.free():
            self.begin(self._sum_up(anew=False))

    def action_again(self) -> None:
        """Let the model sum up all that is left out, in place of what is here."""
        if self.free():
            self.begin(self._sum_up(anew=True))

    async def _sum_up(self, *, anew: bool) -> None:
        before = self.story.info
        self.say("summing up… Escape stops it; what is summed up stays")
        asked = await ask(self.story, self.model, text(self.story.manuscript), MAX_TOKENS)
        if not asked.shown.left_out:
            self.say("all of the story fits into the prompt: there is nothing to sum up yet")
            return
        self._undoable("the summary as it was")
        if anew:
            await asyncio.to_thread(self.story.change, summary="", summary_until=0)
        changed = False
        try:
            changed = await bring_up_to_date(self.story, self.model, asked)
        finally:
            if anew and not self.story.info.summary:
                self.story.change(summary=before.summary, summary_until=before.summary_until)
        self.say("summed up; u takes it back" if changed else "it is up to date")

    def action_go(self) -> None:
        """Back to the story, where the summary ends."""
        if not self.busy:
            self.leave(min(self.story.info.summary_until, len(text(self.story.manuscript))))
