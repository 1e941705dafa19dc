"""The story screen: a manuscript that the person and the model write together. What its keys do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar

from textual import on, work
from textual.binding import BindingType

from fireside.errors import FiresideError
from fireside.models.adapters import list_adapters
from fireside.stories import manuscript as ms
from fireside.stories.fill import fill
from fireside.stories.rewrite import Act, rewrite
from fireside.stories.write import add_text, retry_piece
from tui.actions import bindings
from tui.chat.dialogs import TextDialog
from tui.context.bar import ContextBar
from tui.story.notes import NotesDialog
from tui.story.prompt import StoryPrompt
from tui.story.rewriting import RewriteDialog
from tui.story.shown import ShownStory
from tui.story.writing import write_on


class StoryScreen(ShownStory):
    """One story. Everything is saved as it happens; leaving, or the app's end, loses nothing."""

    HELP = """The story above, the line for your own words below it. Enter on the line lets the model write on; Up goes
    into the story, where you write, select and let the model rewrite."""
    BINDINGS: ClassVar[list[BindingType]] = bindings("story")

    # The person's words

    @on(StoryPrompt.Sent)
    def _sent(self, event: StoryPrompt.Sent) -> None:
        if not self._at_rest() or not self._settle():
            return
        try:
            add_text(self.story, event.text)
        except FiresideError as error:
            self.show_error(error)
            return
        self.desk.read()
        self.query_one(StoryPrompt).text = ""
        self._go_on(retry=False)

    @on(StoryPrompt.Up)
    def _into_the_story(self) -> None:
        self.page.focus()

    # The model's words

    def _go_on(self, *, retry: bool) -> None:
        length = len(self.desk.shown.text)
        last = self.desk.shown.piece_at(length)
        start = length - len(last.text) if retry and last is not None else length
        self.page.place(length, reveal=not self.page.has_focus)
        self.act(
            lambda: write_on(self.story, self.model, lambda: self._aim, retry=retry, adapters=self.adapters),
            start,
            length,
        )

    def action_write_on(self) -> None:
        """Add what is in the prompt, and go on."""
        self._sent(StoryPrompt.Sent(self.query_one(StoryPrompt).text))

    def action_retry(self) -> None:
        """Write an alternative to the piece at the cursor; what follows it stays."""
        if not self._at_rest() or not self._settle():
            return
        here, shown = self.here, self.desk.shown
        if here is None or here.id == self.story.manuscript.head:
            self._go_on(retry=True)
            return
        start = shown.starts[shown.pieces.index(here)]
        self.act(
            lambda: retry_piece(
                self.story, self.model, here.id, max_tokens=self._aim.max_tokens, adapters=self.adapters
            ),
            start,
            start + len(here.text),
        )

    def action_fill(self) -> None:
        """Write from what stands before the cursor, or the selection, to what stands behind it."""
        start, end = self.page.selection
        self.act(lambda: fill(self.story, self.model, start, end, max_tokens=self._aim.max_tokens), start, end)

    @work(group="dialog")
    async def action_rewrite(self, act: Act | None = None) -> None:
        """Let the model rewrite, expand, shorten or describe what is selected. None: asks which, and how."""
        start, end = self.page.selection
        wish = ""
        if start == end:
            self.show_notice("select the words first: Shift and the arrows, or the mouse")
            return
        if act is None:
            chosen = await self.app.push_screen_wait(RewriteDialog())
            if chosen is None:
                return
            act, wish = chosen
        chosen_act = act
        before = end if act == "describe" else start
        self.act(lambda: rewrite(self.story, self.model, start, end, chosen_act, wish=wish), before, end, select=True)

    def action_aim(self, step: int) -> None:
        """Aim at more or fewer words, also while the model writes."""
        self._aim = self._aim.by(step)
        self._show_lines()

    def action_until(self) -> None:
        """Stop somewhere else."""
        self._aim = self._aim.next_stop()
        self._show_lines()

    # The way out

    def action_stop_or_leave(self) -> None:
        """Escape: stop the model; else let the selection go; else back to the line; else leave the story."""
        if self._stop():
            return
        start, end = self.page.selection
        if self.page.has_focus and start < end:
            self.page.place(self.page.cursor)
        elif self.page.has_focus:
            self._settle()
            self.query_one(StoryPrompt).focus()
        elif self._settle():
            self.dismiss(None)

    def action_interrupt(self) -> None:
        """Ctrl+C: copy what is selected, else stop the model."""
        in_story = self.page.selected_text if self.page.has_focus else ""
        selected = in_story or self.query_one(StoryPrompt).selected_text or self.get_selected_text()
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

    def change(self, changed: ms.Manuscript, nothing: str = "") -> None:
        """Save and show another state of the manuscript, the cursor where it differs; say `nothing` where it is the
        same."""
        if not self._at_rest():
            return
        if changed == self.story.manuscript:
            self.show_notice(nothing)
            return
        try:
            _, end = self.desk.change(changed)
        except FiresideError as error:
            self.show_error(error)
            return
        self.show_notice("")
        self.show()
        self.page.place(end)
        self.look_ahead_soon()

    @on(StoryPrompt.Walk)
    def _walked(self, event: StoryPrompt.Walk) -> None:
        self.action_walk(-1 if event.back else 1)

    def action_walk(self, step: int) -> None:
        """Undo or redo."""
        if self._at_rest() and self._settle():
            walked = (ms.undo if step < 0 else ms.redo)(self.story.manuscript)
            self.change(walked, "nothing to undo" if step < 0 else "nothing to redo")

    def action_turn(self, by: int) -> None:
        """Show the previous or next version of the piece at the cursor; what follows it stays."""
        self._turn(by, _version)

    def action_branch(self, by: int) -> None:
        """Read the previous or next branch from the piece at the cursor on, with what was written behind it there."""
        self._turn(by, _branch)

    def _turn(self, by: int, how: Callable[[ms.Manuscript, int, int], ms.Manuscript]) -> None:
        if not self._at_rest() or not self._settle():
            return
        manuscript, here = self.story.manuscript, self.here
        none = "there is no other version there; Ctrl+R writes one"
        if here is None:
            self.show_notice(none)
            return
        start = self.desk.shown.starts[self.desk.shown.pieces.index(here)]
        self.change(how(manuscript, by, here.id), none)
        # At the end of the new version, so that the next press turns the same place.
        turned = self.desk.shown.piece_at(start)
        self.page.place(start + len(turned.text) if turned else start)

    @work(group="dialog")
    async def action_edit(self) -> None:
        """Change the piece at the cursor in a dialog, or in an editor from there; the old text stays as a version."""
        if not self._at_rest() or not self._settle():
            return
        here = self.here
        if here is None:
            self.show_notice("there is nothing to edit yet")
            return
        lead = here.text[: len(here.text) - len(here.text.lstrip())]
        trail = here.text[len(here.text.rstrip()) :] if here.text.strip() else ""
        changed = await self.app.push_screen_wait(TextDialog("Edit this piece", here.text.strip()))
        if changed and changed != here.text.strip():
            self.change(ms.edit(self.story.manuscript, here.id, lead + changed + trail))

    # What goes with the story

    @work(group="dialog")
    async def action_notes(self) -> None:
        """Change the title, memory, author's note, style, preset, bans, goal and synopsis."""
        cards = await asyncio.to_thread(list_adapters)
        styles = [(card.name, f"for {card.base_name}") for card in cards if card.offered]
        changes = await self.app.push_screen_wait(NotesDialog(self.story.info, styles))
        if not changes or not self._at_rest() or not self.save_now():
            return
        try:
            self.story.change(**changes)
            self.show_notice("saved; it counts from the next piece on")
        except FiresideError as error:
            self.show_error(error)
        self.show()
        self.look_ahead_soon()

    @work(group="dialog")
    async def action_worn(self) -> None:
        """List what is said again and again, to be banned or looked at."""
        from tui.story.worn import WornScreen

        if self._at_rest() and self._settle():
            place = await self.app.push_screen_wait(WornScreen(self.story))
            if place is not None:
                self.go_to(*place)

    def action_side(self, name: str) -> None:
        """Open one of the panes beside the page: outline, lore, summary, search, timeline, export."""
        from tui.story.side.open import open_side

        if self._at_rest() and self._settle():
            open_side(self, name)

    @work(group="dialog")
    async def action_context(self) -> None:
        """Open every part of the next prompt."""
        from tui.context.screen import ContextScreen

        if not self._at_rest() or not self.save_now():
            return
        await self._look_ahead()
        upcoming = self.query_one(ContextBar).upcoming
        if upcoming is None:
            self.show_notice("the next prompt is not known yet: the story is empty, or the model does not answer")
        else:
            await self.app.push_screen(ContextScreen(upcoming, self.reading_speed))

    # Reading

    def go_to(self, start: int, end: int | None = None) -> None:
        """Go into the story, to a place of it; `end`: select up to there."""
        self.page.focus()
        self.page.place(start if end is None else end, None if end is None else start)

    def action_go_to_end(self, end: bool) -> None:
        """Go into the story, to its end or beginning."""
        self.go_to(len(self.desk.shown.text) if end else 0)

    def action_page(self, step: int) -> None:
        """Scroll by a page; in the story the cursor goes along."""
        if self.page.has_focus:
            self.page.action_move("page-down" if step > 0 else "page-up")
        elif step < 0:
            self.page.scroll_page_up(animate=False)
        else:
            self.page.scroll_page_down(animate=False)


def _version(manuscript: ms.Manuscript, by: int, piece_id: int) -> ms.Manuscript:
    """Another version of a piece, what follows kept."""
    return (ms.turn if piece_id == manuscript.head else ms.swap)(manuscript, by, piece_id)


def _branch(manuscript: ms.Manuscript, by: int, piece_id: int) -> ms.Manuscript:
    """Another version of a piece, and what was read behind it the last time."""
    versions = ms.alternatives(manuscript, piece_id)
    place = versions.index(piece_id) + by
    if not 0 <= place < len(versions):
        return manuscript
    return ms.go_to(manuscript, ms.last_read(manuscript, versions[place]))
