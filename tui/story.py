"""The story screen: a manuscript that the person and the model write together."""

from __future__ import annotations

from contextlib import aclosing
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static, TextArea
from textual.worker import Worker

from fireside import paths
from fireside.errors import FiresideError
from fireside.models.types import AdapterUse, ChatModel, Delta
from fireside.stories import manuscript as ms
from fireside.stories.export import write_markdown
from fireside.stories.prose import word_count
from fireside.stories.store import Story, create_story, open_story
from fireside.stories.write import add_text, continue_story
from fireside.text import for_terminal, for_terminal_line
from tui.actions import bindings
from tui.chat.dialogs import ConfirmDialog, LineDialog, TextDialog
from tui.story_notes import NotesDialog
from tui.story_page import StoryPage, StoryStatus, keys_text, status_text

_FRAMES_A_SECOND = 20


class StoryPrompt(TextArea):
    """The person's own words. Enter writes on; Ctrl+J, Shift+Enter or Alt+Enter begins a new line."""

    class Sent(Message):
        """Enter: add this text, which may be empty, and go on."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Walk(Message):
        """Undo or redo on an empty line: meant for the story."""

        def __init__(self, back: bool) -> None:
            super().__init__()
            self.back = back

    def __init__(self) -> None:
        super().__init__(
            id="story-prompt",
            compact=True,
            highlight_cursor_line=False,
            placeholder="Your own words, or just Enter to let the model write on",
        )

    async def _on_key(self, event: events.Key) -> None:
        """Keys with a meaning of their own here; the rest is the text area's."""
        match event.key:
            case "ctrl+j" | "shift+enter" | "alt+enter":
                self.insert("\n")
            case "enter":
                self.post_message(self.Sent(self.text))
            case "ctrl+z" | "ctrl+y" if not self.text:
                self.post_message(self.Walk(event.key == "ctrl+z"))
            case _:
                return
        event.stop()
        event.prevent_default()


class StoryScreen(Screen[None]):
    """One story. Everything is saved as it happens; leaving, or the app's end, loses nothing."""

    CSS_PATH = "story.tcss"
    AUTO_FOCUS = "#story-prompt"
    BINDINGS: ClassVar[list[BindingType]] = bindings("story")

    def __init__(self, story_name: str, model: ChatModel, adapters: tuple[AdapterUse, ...] = ()) -> None:
        """Open the story, or begin it where there is none of that name. The model stays the caller's to close.

        Raises FiresideError (the name cannot be one) or StorageError (the file cannot be used).
        """
        super().__init__()
        paths.checked_name(story_name, "story")
        exists = (paths.stories_folder() / f"{story_name}.db").exists()
        self.story: Story = open_story(story_name) if exists else create_story(story_name)
        self._model, self._adapters = model, adapters
        self._state = "ready"
        self._tokens = (0, 0)
        self._speed = 0.0
        self._whole = False
        self._writer: Worker[None] | None = None
        self._stale = False

    @property
    def busy(self) -> bool:
        """Whether the model is writing."""
        return self._writer is not None and not self._writer.is_finished

    def compose(self) -> ComposeResult:
        """Heading, page, notice, prompt, keys, status: one column."""
        yield Static(markup=False, id="story-heading")
        yield StoryPage()
        yield Static(markup=False, id="story-notice")
        yield StoryPrompt()
        yield Static(markup=False, id="story-keys")
        yield Static(markup=False, id="story-status")

    def on_mount(self) -> None:
        """Show the story, its end in view."""
        self.set_interval(1 / _FRAMES_A_SECOND, self._show_if_stale)
        self.app.theme_changed_signal.subscribe(self, lambda _: self.show())
        self.show()
        self.query_one(StoryPage).anchor()

    def on_unmount(self) -> None:
        """Close the file. What was being written is saved already."""
        if self._writer is not None:
            self._writer.cancel()
        self.story.close()

    def on_resize(self) -> None:
        """Lay the lines out for the new width."""
        self.show()

    # What is shown

    def show(self) -> None:
        """Show the story as it is now."""
        self._stale = False
        manuscript, colours = self.story.manuscript, self.app.theme_variables
        self.query_one("#story-heading", Static).update(for_terminal_line(self.story.info.title))
        self.query_one(StoryPage).show(ms.path(manuscript), self._whole, self.busy)
        choices = ms.alternatives(manuscript)
        place = choices.index(manuscript.head) + 1 if manuscript.head is not None else 0
        status = StoryStatus(
            self._state,
            word_count(ms.text(manuscript)),
            (place, len(choices)),
            self._tokens,
            self._speed,
            self._model.name,
        )
        width = self.size.width - (2 if self.has_class("narrow") else 4)
        self.query_one("#story-status", Static).update(status_text(status, width, colours))
        self.query_one("#story-keys", Static).update(keys_text(width, colours))

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

    # Writing

    def begin(self, *, retry: bool = False) -> None:
        """Let the model write, unless it does already."""
        if self.busy:
            self.show_notice("the model is still writing; Escape stops it")
            return
        self.show_notice("")
        self._state = "reading…"
        self._writer = self._write(retry)
        self.query_one(StoryPage).anchor()
        self.show()

    @work(group="write")
    async def _write(self, retry: bool) -> None:
        """Show what the model writes as it comes. The story saves it."""
        try:
            async with aclosing(
                continue_story(self.story, self._model, retry=retry, adapters=self._adapters)
            ) as pieces:
                async for piece in pieces:
                    if isinstance(piece, Delta):
                        self._state = "writing…"
                    else:
                        usage = piece.usage
                        self._tokens = (usage.prompt_tokens + usage.completion_tokens, await self._context_length())
                        self._speed = piece.timings.tokens_per_s
                    self._stale = True
        except FiresideError as error:
            self.show_error(error)
        finally:
            self._state = "ready"
            self._writer = None
            self._stale = True

    async def _context_length(self) -> int:
        return (await self._model.start()).context_length

    @on(StoryPrompt.Sent)
    def _sent(self, event: StoryPrompt.Sent) -> None:
        if self.busy:
            self.show_notice("the model is still writing; Escape stops it")
            return
        try:
            add_text(self.story, event.text)
        except FiresideError as error:
            self.show_error(error)
            return
        self.query_one(StoryPrompt).text = ""
        self.begin()

    def action_write_on(self) -> None:
        """Add what is in the prompt, and go on."""
        self._sent(StoryPrompt.Sent(self.query_one(StoryPrompt).text))

    def action_retry(self) -> None:
        """Write an alternative to the last piece."""
        self.begin(retry=True)

    def action_stop_or_leave(self) -> None:
        """Escape: stop the model; else leave the story."""
        if not self._stop():
            self.dismiss(None)

    def action_interrupt(self) -> None:
        """Ctrl+C: copy what is selected, else stop the model."""
        selected = self.query_one(StoryPrompt).selected_text or self.get_selected_text()
        if selected:
            self.app.copy_to_clipboard(selected)
            self.show_notice("copied")
        elif not self._stop():
            self.show_notice("Escape leaves the story, Ctrl+Q quits; everything is saved")

    def _stop(self) -> bool:
        """Stop the model; False where it was not writing."""
        if self._writer is None or not self.busy:
            return False
        self._writer.cancel()
        self.show_notice("stopped; what came is kept")
        return True

    # Changing

    def _change(self, changed: ms.Manuscript, nothing: str) -> None:
        """Save and show another state of the manuscript; say `nothing` where it is the same."""
        if self.busy:
            self.show_notice("the model is still writing; Escape stops it")
        elif changed == self.story.manuscript:
            self.show_notice(nothing)
        else:
            try:
                self.story.save(changed)
                self.show_notice("")
            except FiresideError as error:
                self.show_error(error)
            self.show()

    @on(StoryPrompt.Walk)
    def _walk(self, event: StoryPrompt.Walk) -> None:
        walked = (ms.undo if event.back else ms.redo)(self.story.manuscript)
        self._change(walked, "nothing to undo" if event.back else "nothing to redo")

    def action_turn(self, by: int) -> None:
        """Show the previous or next version of the last piece."""
        self._change(ms.turn(self.story.manuscript, by), "there is no other version there; ^R writes one")

    @work(group="dialog")
    async def action_edit(self) -> None:
        """Change the last piece in a dialog; the old text stays as a version."""
        pieces = ms.path(self.story.manuscript)
        if self.busy or not pieces:
            self.show_notice(
                "the model is still writing; Escape stops it" if self.busy else "there is nothing to edit yet"
            )
            return
        last = pieces[-1]
        lead = last.text[: len(last.text) - len(last.text.lstrip())]
        changed = await self.app.push_screen_wait(TextDialog("Edit the last piece", last.text.strip()))
        if changed and changed != last.text.strip():
            self._change(ms.edit(self.story.manuscript, last.id, lead + changed), "")

    @work(group="dialog")
    async def action_notes(self) -> None:
        """Change the title, the memory and the author's note."""
        changes = await self.app.push_screen_wait(NotesDialog(self.story.info))
        if changes:
            try:
                self.story.change(**changes)
                self.show_notice("saved; it counts from the next piece on")
            except FiresideError as error:
                self.show_error(error)
            self.show()

    @work(group="dialog")
    async def action_export(self) -> None:
        """Save as Markdown under a name the person gives."""
        named = await self.app.push_screen_wait(LineDialog("Export to", f"{self.story.info.name}.md"))
        if not named:
            return
        try:
            file = paths.expanded(named)
            if file.is_file() and not await self.app.push_screen_wait(ConfirmDialog(f"Replace {file.name}?")):
                return
            write_markdown(file, self.story.info.title, self.story.manuscript, force=True)
            self.show_notice(f"saved as {file}")
        except FiresideError as error:
            self.show_error(error)
        except OSError as error:
            self.show_notice(str(error), error=True)

    # Reading

    def action_whole(self) -> None:
        """Show the whole of a long story, from its beginning."""
        self._whole = True
        self.show()
        self.query_one(StoryPage).scroll_home(animate=False)

    def action_page(self, step: int) -> None:
        """Scroll by a page; the end is followed again once it is reached."""
        page = self.query_one(StoryPage)
        if step < 0:
            page.scroll_page_up(animate=False)
        else:
            page.scroll_page_down(animate=False)
