"""Looks into a document library: its documents as they are cut, why a search found what it found; and fills it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from fireside import paths
from fireside.errors import FiresideError
from fireside.settings import DocumentSettings
from fireside.text import for_terminal_line
from rag.library import Library
from rag.store import Record
from rag.types import Document, Passage
from tui.actions import bindings
from tui.chat.dialogs import ConfirmDialog, LineDialog
from tui.jobs import Jobs
from tui.library.ingesting import IngestJob, begin, common_folder, failed_text, key_of
from tui.library.open_file import open_document
from tui.library.passages import cut_document, explained_hit, ordering_score
from tui.listed.job_line import JobLine
from tui.lists import LineList

_HITS = 20


class LibraryScreen(Screen[None]):
    """One library: a list of its documents, or of what a search found, and beside it what is chosen there."""

    CSS_PATH = "screen.tcss"
    AUTO_FOCUS = "#library-list"
    BINDINGS: ClassVar[list[BindingType]] = bindings("library")

    def __init__(self, library: Library, documents: DocumentSettings | None = None, jobs: Jobs | None = None) -> None:
        """library: open; the screen reads it in threads, and what is added goes in by a job of `jobs`, which goes on
        when the screen is left. documents: how files are cut and embedded."""
        super().__init__()
        self._library = library
        self._documents = documents or DocumentSettings()
        self._jobs = jobs or Jobs()
        self._records: Sequence[Record] = ()
        self._hits: Sequence[Passage] = ()
        self._searched = False
        self._shown: tuple[Document, int] | None = None  # the document on the right, and the place in it

    def compose(self) -> ComposeResult:
        """The question above, the list on the left, the chosen document or passage on the right."""
        yield Input(placeholder="Search this library; empty lists its documents", id="library-question")
        with Horizontal():
            yield LineList(id="library-list", markup=False)
            with VerticalScroll(id="library-view", can_focus=True):
                yield Static(id="library-text", markup=False)
        yield JobLine()
        yield Static(id="library-said", markup=False)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """List the documents; what is on its way in goes on."""
        self.query_one(JobLine).follow(self._jobs.of(key_of(self._library.name)))
        self._say("")
        self.query_one("#library-view").border_title = for_terminal_line(self._library.name, 60)
        self._find("")

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        self._find(event.value.strip())

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self._show(event.option_index)

    @on(OptionList.OptionSelected)
    def _selected(self) -> None:
        self.query_one("#library-view").focus()

    @work(exclusive=True, group="find")
    async def _find(self, question: str) -> None:
        """Fill the list, with the documents where nothing is asked."""
        # What was chosen before must not come over what this tells.
        self.workers.cancel_group(self, "show")
        self._tell("searching…" if question else "")
        try:
            if question:
                self._hits = await asyncio.to_thread(self._library.search, question, _HITS)
                lines = [f"{ordering_score(hit):.2f}  {_name(hit.document)}: {hit.text}" for hit in self._hits]
            else:
                self._records = await asyncio.to_thread(self._library.documents)
                lines = [f"{_name(record.path)} ({record.chunks:,})" for record in self._records]
        except FiresideError as error:
            self.workers.cancel_group(self, "show")
            self._tell(f"{error.message}\n{error.hint or ''}")
            return
        self.workers.cancel_group(self, "show")
        self._searched = bool(question)
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options([Option(for_terminal_line(line, 120)) for line in lines])
        options.border_title = f"{len(lines)} found" if question else "documents (passages)"
        if lines:
            options.highlighted = 0
            if question:
                options.focus()
        else:
            self._tell(
                "nothing was found" if question else "the library holds no documents yet: a adds a file or a folder"
            )

    @work(exclusive=True, group="show")
    async def _show(self, index: int) -> None:
        """Show the chosen document or hit."""
        rows = self._hits if self._searched else self._records
        if index >= len(rows):
            return
        chosen = rows[index]
        path = chosen.document if isinstance(chosen, Passage) else chosen.path
        try:
            document = await asyncio.to_thread(self._library.document, path)
            if isinstance(chosen, Passage):
                text, start = explained_hit(document, chosen, index + 1, len(rows)), chosen.start
            else:
                text, start = cut_document(document, await asyncio.to_thread(self._library.chunks, path)), 0
        except FiresideError as error:
            self._tell(f"{error.message}\n{error.hint or ''}")
            return
        self._shown = document, start
        self.query_one("#library-text", Static).update(text)
        self.query_one("#library-view", VerticalScroll).scroll_home(animate=False)

    def _tell(self, text: str) -> None:
        self._shown = None
        self.query_one("#library-text", Static).update(text)

    def action_back(self) -> None:
        """From what was found back to the question, and from there out. What is on its way in goes on."""
        question = self.query_one(Input)
        if self._searched and self.focused is not question:
            question.focus()
        else:
            self.dismiss()

    def action_search(self) -> None:
        """Write what to look for."""
        self.query_one(Input).focus()

    def action_open_file(self) -> None:
        """Open the file of what is shown: text in the editor at its line, the rest where the system shows it."""
        if self._shown is None:
            return
        try:
            open_document(self.app, *self._shown)
        except FiresideError as error:
            self.notify(for_terminal_line(f"{error.message}; {error.hint}", 300), severity="error", markup=False)

    # Filling

    @work(exclusive=True, group="fill")
    async def action_add(self) -> None:
        """Add a file, or a folder with all in it."""
        text = await self.app.push_screen_wait(LineDialog(f"A file or folder to add to {self._library.name}", ""))
        if text:
            self._begin(text, "add")

    @work(exclusive=True, group="fill")
    async def action_sync(self) -> None:
        """Make the library hold a folder and nothing else: what is gone from there goes from here."""
        folder = common_folder([record.path for record in self._records])
        asked = LineDialog("Make the library hold this folder, as it is now, and nothing else", folder)
        text = await self.app.push_screen_wait(asked)
        if text:
            self._begin(text, "sync")

    def _begin(self, text: str, kind: Literal["add", "sync"]) -> None:
        try:
            path = paths.expanded(text).absolute()
            if not path.exists():
                raise FiresideError(f"there is no file or folder {for_terminal_line(text, 200)}", "check the path")
            job = begin(self._jobs, self._library.name, self._documents, [path], kind)
        except FiresideError as error:
            self._say("; ".join(each for each in (error.message, error.hint) if each), error=True)
            return
        self._say("")
        self.query_one(JobLine).follow(job)

    def action_cancel_job(self) -> None:
        """End the adding; what is indexed stays."""
        job = self._jobs.of(key_of(self._library.name))
        if job is not None:
            job.cancel()

    @on(JobLine.Ended)
    def _filled(self) -> None:
        """List what is there now, unless a search is being looked at."""
        if not self._searched:
            self._find("")

    def action_failed(self) -> None:
        """What could not be indexed the last time, and why."""
        job = self._jobs.of(key_of(self._library.name))
        report = job.report if isinstance(job, IngestJob) else None
        self.workers.cancel_group(self, "show")
        self._shown = None
        self.query_one("#library-text", Static).update(failed_text(report, self.app.theme_variables))

    @work(exclusive=True, group="remove")
    async def action_remove(self) -> None:
        """Take the marked document out of the library, once the person has said so; its file stays."""
        rows = self._hits if self._searched else self._records
        place = self.query_one(LineList).highlighted
        if place is None or place >= len(rows):
            return
        chosen = rows[place]
        path = chosen.document if isinstance(chosen, Passage) else chosen.path
        question = f"Take {_name(path)} out of the library?"
        if not await self.app.push_screen_wait(ConfirmDialog(question, f"The file stays where it is: {path}")):
            return
        try:
            await asyncio.to_thread(self._library.remove, [path])
        except FiresideError as error:
            self._say("; ".join(each for each in (error.message, error.hint) if each), error=True)
            return
        self._say(f"{_name(path)} is no longer in the library")
        self._find(self.query_one(Input).value.strip())

    def _say(self, text: str, *, error: bool = False) -> None:
        said = self.query_one("#library-said", Static)
        said.update(for_terminal_line(f"✗ {text}" if error else text, 400))
        said.set_class(error, "error")
        said.display = bool(text)


def _name(path: str) -> str:
    return Path(path).name
