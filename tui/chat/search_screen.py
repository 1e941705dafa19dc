"""Search: in all conversations or in this one, found while it is typed, to jump to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from fireside.conversations.store import ConversationStore
from fireside.conversations.types import SearchFilter, SearchHit
from fireside.errors import FiresideError
from fireside.models.types import Role
from fireside.text import for_terminal_line
from tui.actions import bindings
from tui.chat.markdown import Colours
from tui.lists import LineList

_MOST = 100
_HINT = "Words, or “words together”;  tag:NAME  by:me  by:model  narrow it"


@dataclass(frozen=True)
class Asked:
    """What is looked for, and what it is narrowed to."""

    words: str
    only: SearchFilter


def asked(line: str) -> Asked:
    """A line as it is typed: `tag:NAME`, `by:me` and `by:model` narrow, the rest are the words."""
    words: list[str] = []
    tag: str | None = None
    role: Role | None = None
    for word in line.split(" "):
        name, colon, value = word.partition(":")
        if colon and name == "tag" and value:
            tag = value
        elif colon and name == "by" and value in ("me", "model"):
            role = "user" if value == "me" else "assistant"
        else:
            words.append(word)
    return Asked(" ".join(words), SearchFilter(tag=tag, role=role))


def found_line(hit: SearchHit, here: bool, colours: Colours) -> Text:
    """One hit: its conversation (unless it is the open one), and the words in their surroundings."""
    text = Text(no_wrap=True, overflow="ellipsis")
    if not here:
        text.append(f"{for_terminal_line(hit.title, 30) or 'untitled'}  ", style=colours["muted"])
    if hit.role is not None:
        text.append("you: " if hit.role == "user" else "model: ", style=colours["muted"])
    begin = len(text)
    text.append(hit.excerpt, style=colours["foreground"])
    for start, end in hit.spans:
        text.stylize(f"bold {colours['user']}", begin + start, begin + end)
    return text


class SearchScreen(Screen[SearchHit | None]):
    """Answers with the hit that was chosen; None where none was."""

    CSS_PATH = "tree.tcss"
    AUTO_FOCUS = "#search-words"
    BINDINGS: ClassVar[list[BindingType]] = bindings("search")

    def __init__(self, store: ConversationStore, line: str, conversation: int | None, *, here: bool) -> None:
        """line: what is looked for at first. conversation: the open one; `here` searches it alone."""
        super().__init__()
        self._store, self._line, self._conversation = store, line, conversation
        self._here = here and conversation is not None
        self._hits: Sequence[SearchHit] = ()

    def compose(self) -> ComposeResult:
        """Where, what, and what was found."""
        yield Static(markup=False, classes="page-title")
        yield Input(self._line, placeholder=_HINT, compact=True, select_on_focus=False, id="search-words")
        yield LineList(compact=True, markup=False, id="found")
        yield Static(markup=False, classes="page-keys")

    def on_mount(self) -> None:
        """Look at once, where something is asked."""
        self._look()

    @on(Input.Changed)
    def _typed(self) -> None:
        self._look()

    @work(group="search", exclusive=True)
    async def _look(self) -> None:
        line = self.query_one(Input).value
        wanted = asked(line)
        self.query_one(".page-title", Static).update("Search this conversation" if self._here else "Search everything")
        try:
            self._hits = await asyncio.to_thread(self._found, wanted)
        except FiresideError as error:
            self._say(error.message)
            return
        found = self.query_one(LineList)
        colours = self.app.theme_variables
        found.set_options([Option(found_line(hit, self._here, colours)) for hit in self._hits])
        if self._hits:
            found.highlighted = 0
            more = " or more" if len(self._hits) == _MOST else ""
            self._say(f"{len(self._hits)} found{more}")
        else:
            self._say("nothing holds all of these words; the last may be a beginning" if wanted.words.strip() else "")

    def _found(self, wanted: Asked) -> Sequence[SearchHit]:
        if self._here and self._conversation is not None:
            return self._store.find(self._conversation, wanted.words, _MOST)
        return self._store.search(wanted.words, _MOST, only=wanted.only)

    def _say(self, what: str) -> None:
        other = "" if self._conversation is None else f"Tab searches {'everything' if self._here else 'this one'}   "
        keys = f"Enter goes there   {other}Escape leaves"
        self.query_one(".page-keys", Static).update(f"{what}   {keys}" if what else keys)

    def action_scope(self) -> None:
        """Search the open conversation, or everything."""
        if self._conversation is not None:
            self._here = not self._here
            self._look()

    def action_move(self, step: int) -> None:
        """Mark the next or previous hit while the words are typed."""
        found = self.query_one(LineList)
        found.action_cursor_down() if step > 0 else found.action_cursor_up()

    @on(Input.Submitted)
    def _enter(self) -> None:
        place = self.query_one(LineList).highlighted
        if place is not None and place < len(self._hits):
            self.dismiss(self._hits[place])

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._hits[event.option_index])

    def action_back(self) -> None:
        """Leave without going anywhere."""
        self.dismiss(None)
