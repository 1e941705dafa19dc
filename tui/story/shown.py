"""What the story screen stands on: the open story as it is shown, saved while one types, and streamed into."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Static
from textual.worker import Worker

from fireside import paths
from fireside.errors import FiresideError
from fireside.models.types import AdapterUse, ChatModel, Delta, Finished
from fireside.stories import manuscript as ms
from fireside.stories.goals import Progress
from fireside.stories.store import Story, create_story, open_story
from fireside.text import for_terminal
from tui.context.bar import ContextBar
from tui.help_here import rows
from tui.story.desk import Desk
from tui.story.lines import (
    PAGE_KEYS,
    PROMPT_KEYS,
    SELECTION_KEYS,
    WRITING_KEYS,
    StoryStatus,
    control_text,
    heading_text,
    keys_text,
    status_text,
)
from tui.story.page import StoryPage
from tui.story.prompt import StoryPrompt
from tui.story.writing import Aim

_FRAMES_A_SECOND = 20
_SAVED_AFTER_S = 0.7
"""Seconds without a key after which typed words are in the file."""
_RESTED_S = 6.0
"""Seconds without a key after which the next one begins another step of undo."""
_FORESEEN_AFTER_S = 0.5
_TELLING = 32
"""Tokens of a prompt from which the time it took tells how fast prompts are read."""

Events = AsyncGenerator[Delta | Finished, None]


class ShownStory(Screen[None]):
    """One story, with the lines around it. Everything is saved as it happens."""

    CSS_PATH = "story.tcss"
    AUTO_FOCUS = "#story-prompt"

    def __init__(self, story_name: str, model: ChatModel, adapters: tuple[AdapterUse, ...] = ()) -> None:
        """Open the story, or begin it where there is none of that name. The model stays the caller's to close.

        adapters: used where the story has no style of its own. Raises FiresideError (the name cannot be one) or
        StorageError (the file cannot be used).
        """
        super().__init__()
        paths.checked_name(story_name, "story")
        exists = (paths.stories_folder() / f"{story_name}.db").exists()
        self.desk = Desk(open_story(story_name) if exists else create_story(story_name))
        self.model, self._given_adapters = model, adapters
        self.reading_speed = 0.0
        self._state, self._speed = "ready", 0.0
        self._aim = Aim()
        self._writer: Worker[None] | None = None
        self._behind = 0  # characters behind the place that the model writes at
        self._stale = False
        self._first_words = 0
        self._named: Mapping[str, str] = {}
        self._lines_wait = False
        self._later: dict[str, Timer] = {}

    @property
    def story(self) -> Story:
        """The open story. Words typed in the last moment are in it after `save_now`."""
        return self.desk.story

    @property
    def adapters(self) -> tuple[AdapterUse, ...]:
        """What the story is written with beside its own style, which goes before."""
        return () if self.story.info.style else self._given_adapters

    @property
    def busy(self) -> bool:
        """Whether the model is writing."""
        return self._writer is not None and not self._writer.is_finished

    @property
    def page(self) -> StoryPage:
        """The manuscript."""
        return self.query_one(StoryPage)

    @property
    def here(self) -> ms.Piece | None:
        """The piece that is selected or that ends or goes on at the cursor; the last one while the cursor is not in the
        manuscript."""
        shown, page = self.desk.shown, self.page
        if not page.has_focus:
            return shown.piece_at(len(shown.text))
        start, end = page.selection
        return shown.piece_at(start if start < end else max(0, start - 1))

    def compose(self) -> ComposeResult:
        """Heading, page, notice, prompt, length and keys, context, status: one column."""
        yield Static(markup=False, id="story-heading")
        yield StoryPage(self._typed)
        yield Static(markup=False, id="story-notice")
        yield StoryPrompt()
        with Horizontal(id="story-below"):
            yield Static(markup=False, id="story-length")
            yield Static(markup=False, id="story-keys")
        yield ContextBar()
        yield Static(markup=False, id="story-status")

    def on_mount(self) -> None:
        """Show the story, its end in view."""
        self.set_interval(1 / _FRAMES_A_SECOND, self._show_if_stale)
        self.look_ahead_soon()
        self.app.theme_changed_signal.subscribe(self, lambda _: self.show())
        self.bindings_updated_signal.subscribe(self, lambda _: self.call_after_refresh(self._learn_keys))
        self.show()
        self.page.place(len(self.desk.shown.text))
        self._first_words = self.page.words

    def on_screen_resume(self) -> None:
        """A pane beside the page may have changed the story."""
        if not self.busy:
            self._settle()
            self.desk.read()
            self.show()

    def on_unmount(self) -> None:
        """Save and close the file. What was being written is saved already."""
        if self._writer is not None:
            self._writer.cancel()
        try:
            self.desk.save_now()
        except FiresideError as error:
            self.app.notify(error.message, severity="error", markup=False)
        self.story.close()

    def on_resize(self) -> None:
        """The lines around the page are as wide as the screen."""
        self._show_lines()

    # What is shown

    def show(self) -> None:
        """Show the story as it is now."""
        self._stale = False
        if self.busy:
            self.desk.read()
        shown = self.desk.shown
        self.page.show(shown, len(shown.text) - self._behind if self.busy else None)
        self._show_lines_soon()

    def _show_lines_soon(self) -> None:
        """Show the lines around the page once the page itself is drawn."""
        if not self._lines_wait:
            self._lines_wait = True
            self.call_after_refresh(self._show_lines)

    def _show_lines(self) -> None:
        self._lines_wait = False
        if not self.is_mounted or not self.query(StoryPage):
            return
        colours, page, info = self.app.theme_variables, self.page, self.story.info
        width = self.size.width - (2 if self.has_class("narrow") else 4)
        here, shown, selected = self.here, self.desk.shown, page.selected_text
        self.query_one("#story-heading", Static).update(heading_text(info.title, bool(shown.text), width, colours))
        choosing = bool(selected) and page.has_focus and not self.busy
        control = Text() if choosing else control_text(self._aim, self._named, colours)
        self.query_one("#story-length", Static).update(control)
        keys = SELECTION_KEYS if choosing else PAGE_KEYS if page.has_focus else PROMPT_KEYS
        keys = WRITING_KEYS if self.busy else keys
        self.query_one("#story-keys", Static).update(
            keys_text(keys, self._named, width - control.cell_len - 3, colours)
        )
        known = here is not None and here.id in self.story.manuscript.pieces
        versions = ms.alternatives(self.story.manuscript, here.id) if here is not None and known else []
        status = StoryStatus(
            self._state,
            Progress(page.words, info.goal),
            page.words - self._first_words,
            here.author if here else None,
            (versions.index(here.id) + 1, len(versions)) if here is not None and here.id in versions else (0, 0),
            len(selected.split()) if len(selected) < 100_000 else page.words,
            self._speed,
            self.model.name,
        )
        self.query_one("#story-status", Static).update(status_text(status, width, colours))

    def _show_if_stale(self) -> None:
        """Words come faster than they can be read; the page is drawn a few times a second, while there is one."""
        if self._stale and self.query(StoryPage):
            self.show()

    def show_notice(self, text: str, *, error: bool = False) -> None:
        """Say one thing above the prompt; an empty text takes it away."""
        notice = self.query_one("#story-notice", Static)
        notice.update(for_terminal(text))
        notice.set_class(error, "error")
        notice.display = bool(text)

    def show_error(self, error: FiresideError) -> None:
        """Say what failed and what to do."""
        self.show_notice(error.message + (f"\n{error.hint}" if error.hint else ""), error=True)

    def _at_rest(self) -> bool:
        """Whether the story may be changed; says so where it may not."""
        if self.busy:
            self.show_notice("the model is still writing; Escape stops it")
        return not self.busy

    @on(StoryPage.Moved)
    def _moved(self) -> None:
        self._show_lines_soon()

    def _learn_keys(self) -> None:
        """Other keys count in the story than on the line below it."""
        if self.is_mounted and self.app.screen is self:
            self._named = {name: keys.split(", ")[0] for keys, _, name in rows(self.active_bindings)}
            self._show_lines()

    # The person's words

    def _typed(self, start: int, end: int, words: str) -> bool:
        """The page's wish: `words` in place of what stands from `start` to `end`."""
        if not self._at_rest():
            return False
        try:
            self.desk.type(start, end, words)
            if "\n" in words:
                self.desk.settle()
        except FiresideError as error:
            self.show_error(error)
            return False
        self.show_notice("")
        self.show()
        self._after(_SAVED_AFTER_S, self.save_now)
        self._after(_RESTED_S, self._settle)
        self.look_ahead_soon()
        return True

    def _after(self, seconds: float, act: Callable[[], bool] | Callable[[], None]) -> None:
        """Do `act` so long after the last time that this was asked."""
        name = act.__name__
        if name in self._later:
            self._later[name].stop()
        self._later[name] = self.set_timer(seconds, act)

    def save_now(self) -> bool:
        """Save what was typed; False where that failed, which is told: the words stay on the page."""
        try:
            self.desk.save_now()
        except FiresideError as error:
            self.show_error(error)
            return False
        return True

    def _settle(self) -> bool:
        try:
            self.desk.settle()
        except FiresideError as error:
            self.show_error(error)
            return False
        return True

    # The model's words

    def act(self, events: Callable[[], Events], start: int, end: int, *, select: bool = False) -> None:
        """Show what the model writes in place of the characters from `start` to `end`; the story saves it.

        select: what came is selected when it is done.
        """
        if not self._at_rest() or not self._settle():
            return
        self.show_notice("")
        self.workers.cancel_group(self, "foresee")
        self._behind = len(self.desk.shown.text) - end
        self._state = "reading…"
        self._writer = self._write(events, start, select)
        self.page.reveal(end)
        self.show()

    @work(group="write")
    async def _write(self, events: Callable[[], Events], start: int, select: bool) -> None:
        try:
            async with aclosing(events()) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Delta):
                        self._state = "writing…"
                    elif isinstance(piece, Finished):
                        self._learn(piece)
                    self._stale = True
        except FiresideError as error:
            self.show_error(error)
        finally:
            self._state, self._writer = "ready", None
            self.desk.read()
            if self.is_mounted and self.query(StoryPage):
                self.show()
                end = len(self.desk.shown.text) - self._behind
                self.page.place(end, start if select else None, reveal=self.page.has_focus)
                self.look_ahead_soon()

    def _learn(self, finished: Finished) -> None:
        """How fast the model reads and writes."""
        self._speed = finished.timings.tokens_per_s or self._speed
        read = finished.usage.prompt_tokens - finished.usage.cached_tokens
        if read >= _TELLING and finished.timings.prefill_s > 0:
            self.reading_speed = read / finished.timings.prefill_s

    # The context bar

    async def _look_ahead(self) -> None:
        from fireside.stories.upcoming import upcoming

        try:
            foreseen = await upcoming(self.story, self.model, max_tokens=self._aim.max_tokens)
        except FiresideError:
            return  # an empty story, or no model: writing on says so
        if self.is_mounted and self.query(ContextBar):
            bar = self.query_one(ContextBar)
            bar.upcoming, bar.tokens_per_s = foreseen, self.reading_speed

    def look_ahead_soon(self) -> None:
        """Bring the context bar up to date when nothing has happened for a moment."""
        self._after(_FORESEEN_AFTER_S, self._foresee)

    def _foresee(self) -> None:
        """Bring the context bar up to date."""
        if not self.busy:
            self.run_worker(self._look_ahead(), group="foresee", exclusive=True)
