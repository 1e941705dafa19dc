"""An import into a story: a file is chosen, shown with what is in it and what is wrong with it, and taken in parts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Checkbox, Input, Static

from fireside import paths
from fireside.errors import DocumentError, FiresideError
from fireside.stories.imports.read import LARGEST_FILE, READABLE, read
from fireside.stories.imports.result import Imported
from fireside.stories.lore import LoreEntry
from fireside.stories.prose import word_count
from fireside.text import for_terminal, for_terminal_line
from tui.actions import bindings
from tui.chat.dialogs import LineDialog
from tui.story.side.frame import Framed, Tick

_MOST_PROBLEMS = 200


@dataclass(frozen=True)
class Taken:
    """What the person takes of an import; the parts that are not taken are empty."""

    kind: str
    title: str
    entries: tuple[LoreEntry, ...]
    memory: str
    note: str
    opening: str


async def ask_for_import(screen: Screen[Any], *, new_story: bool) -> Taken | None:
    """Ask for a file and what to take of it; None where the person leaves. new_story: it is taken as a new story."""
    named, heading = "", "File to import: a lorebook or a character card (JSON or PNG)"
    while True:
        named = await screen.app.push_screen_wait(LineDialog(heading, named))
        if not named:
            return None
        try:
            data = await asyncio.to_thread(content_of, named)
            imported = await asyncio.to_thread(read, data)
        except FiresideError as error:
            heading = for_terminal_line(f"{error.message}. {error.hint or ''}", 400)
            continue
        return await screen.app.push_screen_wait(ImportScreen(data, imported, new_story=new_story))


def content_of(named: str) -> bytes:
    """The content of the file that the person named. Raises FiresideError."""
    # A path that was dragged or pasted into a terminal often stands in quotes.
    file = paths.expanded(named.strip().strip("'\""))
    try:
        if file.is_file() and file.stat().st_size > LARGEST_FILE:
            raise DocumentError(f"{file.name} has more than {LARGEST_FILE >> 20} MiB", READABLE)
        return file.read_bytes()
    except OSError as error:
        raise FiresideError(f"{file} cannot be read: {error.strerror}", "name a lorebook or a card") from None


class ImportScreen(Framed[Taken | None]):
    """What is in a file, who {{user}} and {{char}} are, and which of its parts are taken."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("import")
    KEYS = ("import.take", "pane.back")

    def __init__(self, data: bytes, imported: Imported, *, new_story: bool) -> None:
        """data: the file, which is read again for other names. new_story: what is ticked at first."""
        super().__init__("Import as a new story" if new_story else "Import into the story")
        self._data, self._imported, self._new_story = data, imported, new_story

    def body(self) -> ComposeResult:
        """What it is; the names; the parts; what is wrong."""
        found = self._imported
        with VerticalScroll(classes="side-form", can_focus=False):
            yield Static(markup=False, id="import-kind")
            yield Static("Who {{user}} is; empty leaves the placeholder", markup=False, classes="side-label")
            yield Input(id="import-user", classes="side-field", compact=True)
            yield Static("Who {{char}} is; empty for the name that the card has", markup=False, classes="side-label")
            yield Input(id="import-character", classes="side-field", compact=True)
            yield Static("Take", markup=False, classes="side-label")
            for part, words in self._parts():
                ticked = part != "opening" or self._new_story
                yield Tick(words, ticked, f"import-{part}")
            yield Static(markup=False, id="import-problems", classes="side-label")
            if found.about:
                about = f"What its author says\n{for_terminal(found.about[:2_000])}"
                yield Static(about, markup=False, classes="side-label")

    def _parts(self) -> list[tuple[str, str]]:
        found = self._imported
        parts = [
            ("entries", f"{len(found.entries)} lore entries", bool(found.entries)),
            ("memory", f"the memory ({word_count(found.memory)} words)", bool(found.memory)),
            ("note", f"the author's note ({word_count(found.note)} words)", bool(found.note)),
            ("opening", f"the opening, as prose ({word_count(found.opening)} words)", bool(found.opening)),
        ]
        return [(part, words) for part, words, there in parts if there]

    def on_mount(self) -> None:
        """Show what was found."""
        self.query_one("#import-user").focus()
        self._show()

    def _show(self) -> None:
        found = self._imported
        title = f": {for_terminal_line(found.title, 100)}" if found.title else ""
        self.query_one("#import-kind", Static).update(f"{for_terminal_line(found.kind, 100)}{title}")
        lines = [f"✗ {for_terminal_line(each, 300)}" for each in found.problems[:_MOST_PROBLEMS]]
        more = len(found.problems) - len(lines)
        lines += [f"and {more} more"] if more > 0 else []
        heading = "What could not be taken over" if lines else "All of it can be taken over"
        self.query_one("#import-problems", Static).update("\n".join([heading, *lines]))

    @on(Input.Changed)
    @work(exclusive=True, group="read")
    async def _named(self) -> None:
        """Read the file again with the names."""
        await self._read()

    async def _read(self) -> bool:
        """Read the file with the names that stand there, and show what comes; whether it could be read."""
        user, character = (self.query_one(each, Input).value.strip() for each in ("#import-user", "#import-character"))
        try:
            self._imported = await asyncio.to_thread(read, self._data, character=character, user=user)
        except FiresideError as error:
            self.say_error(error)
            return False
        self._show()
        return True

    @work(exclusive=True, group="read")
    async def action_take(self) -> None:
        """Close with the ticked parts."""
        # What was typed last may not have been read yet.
        if not await self._read():
            return
        found = self._imported

        def ticked(part: str) -> bool:
            boxes = self.query(f"#import-{part}").results(Checkbox)
            return any(box.value for box in boxes)

        self.dismiss(
            Taken(
                found.kind,
                found.title,
                found.entries if ticked("entries") else (),
                found.memory if ticked("memory") else "",
                found.note if ticked("note") else "",
                found.opening if ticked("opening") else "",
            )
        )

    def action_back(self) -> None:
        """Take nothing."""
        self.dismiss(None)
