"""Looks into a document library: its documents as they are cut, and why a search found what it found."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option

from fireside.errors import FiresideError
from fireside.text import for_terminal_line
from rag.library import Library
from rag.store import Record
from rag.types import Document, Passage
from tui.actions import bindings
from tui.library.open_file import open_document
from tui.library.passages import cut_document, explained_hit, ordering_score

_HITS = 20


class LibraryScreen(Screen[None]):
    """One library: a list of its documents, or of what a search found, and beside it what is chosen there."""

    CSS_PATH = "screen.tcss"
    AUTO_FOCUS = "#library-question"
    BINDINGS: ClassVar[list[BindingType]] = bindings("library")

    def __init__(self, library: Library) -> None:
        """library: open; the screen reads it in threads and never writes it."""
        super().__init__()
        self._library = library
        self._records: Sequence[Record] = ()
        self._hits: Sequence[Passage] = ()
        self._searched = False
        self._shown: tuple[Document, int] | None = None  # the document on the right, and the place in it

    def compose(self) -> ComposeResult:
        """The question above, the list on the left, the chosen document or passage on the right."""
        yield Input(placeholder="Search this library; empty lists its documents", id="library-question")
        with Horizontal():
            yield OptionList(id="library-list", markup=False)
            with VerticalScroll(id="library-view", can_focus=True):
                yield Static(id="library-text", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """List the documents."""
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
            self._tell("nothing was found" if question else "the library holds no documents yet")

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
        """From the list or the text back to the question, and from there out."""
        question = self.query_one(Input)
        if self.focused is question or self.focused is None:
            self.dismiss()
        else:
            question.focus()

    def action_open_file(self) -> None:
        """Open the file of what is shown: text in the editor at its line, the rest where the system shows it."""
        if self._shown is None:
            return
        try:
            open_document(self.app, *self._shown)
        except FiresideError as error:
            self.notify(for_terminal_line(f"{error.message}; {error.hint}", 300), severity="error", markup=False)


def _name(path: str) -> str:
    return Path(path).name
