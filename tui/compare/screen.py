"""Two replies to one question, written at once in two columns; one is kept as the chat's, the other stays beside it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Input, Static
from textual.worker import Worker

from fireside.errors import FiresideError
from fireside.text import for_terminal, for_terminal_line
from tui.actions import bindings
from tui.attach.attachment import Attachment, with_data
from tui.compare.column import Column
from tui.compare.sides import Side
from tui.prompting import turn_of

if TYPE_CHECKING:
    from agents.turn import Turn
    from tui.session import ChatSession

_KEYS = "1 2 keep that reply  n asks something else  Escape leaves"
_RUNNING = "both write at once and share the processor   Escape stops them"
_ASKING = "Enter asks both   Escape leaves"


class CompareScreen(Screen[bool]):
    """Answers whether a reply was kept."""

    CSS_PATH = "compare.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("compare")
    HELP = "Two replies to the last question; 1 or 2 keeps one as the chat's reply, the other stays as another version."

    def __init__(self, session: ChatSession, sides: tuple[Side, Side]) -> None:
        """The question is the chat's last one, or else what is written here."""
        super().__init__()
        self._session = session
        self._columns = [Column(side, number) for number, side in enumerate(sides, 1)]
        self._path = session.messages()
        while self._path and self._path[-1].role != "user":
            self._path.pop()
        self._question: str | None = None
        self._attached: tuple[Attachment, ...] = ()

    def compose(self) -> ComposeResult:
        """The question, the two sides, where another is written, the keys."""
        yield Static(markup=False, id="compare-question")
        with Container(id="compare-sides"):
            yield from self._columns
        yield Input(placeholder="Ask both", compact=True, id="compare-ask")
        yield Static(markup=False, classes="page-keys")

    def on_mount(self) -> None:
        """Write the replies to the chat's last question, or ask for one."""
        if self._path:
            asked = self._path[-1]
            self._run(turn_of(self._session, self._path), asked.text)
        else:
            self.query_one("#compare-question", Static).update("Two replies to one question, side by side")
            self.action_ask()

    async def on_unmount(self) -> None:
        """Let go of the models that were opened for this."""
        for column in self._columns:
            if column.side.owned:
                with suppress(FiresideError):
                    await column.side.model.close()

    def action_ask(self) -> None:
        """Write another question."""
        if self._under_way():
            return
        field = self.query_one(Input)
        field.display = True
        field.focus()
        self._show_keys(_ASKING)

    @on(Input.Submitted)
    async def _asked(self, event: Input.Submitted) -> None:
        text = for_terminal(event.value).strip()
        if not text or self._under_way():
            return
        try:
            self._attached = await self._session.attach(text)
        except FiresideError as error:
            self._show_keys(f"✗ {error.message}")
            return
        self._question = text
        path = self._session.messages()
        self._run(turn_of(self._session, path, with_data(text, self._attached)), text)

    def action_stop_or_leave(self) -> None:
        """Stop both replies; once they have ended, leave."""
        field = self.query_one(Input)
        if running := self._under_way():
            for worker in running:
                worker.cancel()
        elif field.display and any(column.text for column in self._columns):
            self._show_done()
        else:
            self.dismiss(False)

    def action_keep(self, place: int) -> None:
        """Make a reply the chat's; the other stays as another version."""
        if self._under_way():
            self._show_keys("wait until both are written, or Escape stops them")
            return
        if not self._columns[place].text.strip():
            self._show_keys(f"there is no reply {place + 1} to keep")
            return
        written = [column for column in self._columns if column.text.strip()]
        replies = [(column.text, column.details) for column in written]
        try:
            self._session.keep_replies(self._question, self._attached, replies, written.index(self._columns[place]))
        except FiresideError as error:
            self._show_keys(f"✗ {error.message}")
            return
        self.dismiss(True)

    def _run(self, turn: Turn, question: str) -> None:
        field = self.query_one(Input)
        field.display = False
        field.value = ""
        self._columns[0].query_one(".side-text").focus()
        self.query_one("#compare-question", Static).update(for_terminal_line(question, 400))
        self._show_keys(_RUNNING)
        for column in self._columns:
            own = replace(turn, adapters=column.side.adapters, tools=(), plans=False, delegates=False, keep=False)
            self.run_worker(column.write(own), group="compare")

    @on(Worker.StateChanged)
    def _changed(self, event: Worker.StateChanged) -> None:
        if event.worker.group == "compare" and event.worker.is_finished and not self._under_way():
            self._show_done()

    def _show_done(self) -> None:
        self.query_one(Input).display = False
        self._columns[0].query_one(".side-text").focus()
        self._show_keys(_KEYS)

    def _under_way(self) -> list[Worker[object]]:
        return [worker for worker in self.workers if worker.group == "compare" and not worker.is_finished]

    def _show_keys(self, text: str) -> None:
        self.query_one(".page-keys", Static).update(for_terminal(text))
