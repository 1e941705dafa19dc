"""The chat screen: puts the widgets together, runs turns, and shows what the session says."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import Screen
from textual.widgets import Static

from agents.events import Event, TextDelta, ToolCallAsked, ToolResult, TurnFinished, TurnsDropped
from fireside.conversations.types import StoredMessage
from fireside.errors import FiresideError, StorageError
from fireside.text import for_terminal
from tui.actions import bindings
from tui.chat.commands.choices import choices
from tui.chat.commands.conversations import conversation
from tui.chat.commands.run import run
from tui.chat.commands.tools import approver, ask_person
from tui.chat.dialogs import TextDialog
from tui.chat.message import MessageView
from tui.chat.prompt import Composer, Prompt
from tui.chat.reply import LiveReply
from tui.chat.sidebar import ConversationList, Sidebar
from tui.chat.status import Status, StatusLine
from tui.chat.transcript import Transcript
from tui.session import ChatSession
from tui.slash import is_command, parse

STILL_WRITING = "a reply is still being written; Escape stops it"


class ChatScreen(Screen[None]):
    """The one screen of the chat."""

    AUTO_FOCUS = "#prompt"
    BINDINGS: ClassVar[list[BindingType]] = bindings("chat")

    def __init__(self, session: ChatSession, *, library: str | None = None, adapter: str | None = None) -> None:
        """`library` and `adapter` are taken up once the screen stands."""
        super().__init__()
        self.session = session
        session.note, session.ask_person = self.show_notice, partial(ask_person, self)
        self._wanted = (library, adapter)
        self._state = "loading…"
        self._speed = 0.0
        self._used = 0
        self._notice = ""
        self._quit_asked = 0.0

    def compose(self) -> ComposeResult:
        """Conversations at the left; transcript, notice, prompt and status in one column."""
        yield Sidebar()
        with Vertical(id="main"):
            yield Transcript(lambda: self.session.model.name)
            yield Static(markup=False, id="notice")
            yield Composer(lambda kind: choices(self, kind))
            yield StatusLine()

    def on_mount(self) -> None:
        """Take input; everything slower waits until the first frame is on the terminal."""
        self.set_focus(self.prompt)
        self._show_status()
        self.call_after_refresh(self._begin)

    # Widgets

    @property
    def transcript(self) -> Transcript:
        """The transcript."""
        return self.query_one(Transcript)

    @property
    def prompt(self) -> Prompt:
        """The prompt."""
        return self.query_one(Prompt)

    # Start

    @work(group="start")
    async def _begin(self) -> None:
        """List the conversations, load the model, take up the library and the adapter asked for."""
        library, adapter = self._wanted
        try:
            self.session.store.recover()
        except FiresideError as error:
            # A full disk: what is there can be read all the same.
            self.show_error(error)
        try:
            self.show_sidebar()
            await self.session.start_model()
            self.set_state("thinking…" if self.session.busy else "ready")
            self.measure()
        except FiresideError as error:
            self.set_state("no model")
            self.show_error(error)
            return
        for use, name in ((self.session.use_library, library), (self.session.use_adapter, adapter)):
            if name is not None:
                try:
                    await use(name)
                except FiresideError as error:
                    self.show_error(error)
        self._show_status()

    # What is shown

    async def show_conversation(self) -> None:
        """Show the open conversation from the store."""
        messages = self.session.messages()
        await self.transcript.show([(message, self._place(message)) for message in messages])
        self._used, self._speed = 0, 0.0
        self.prompt.remember([message.text for message in messages if message.role == "user"])
        self.show_sidebar()
        self._show_status()
        self.measure()

    @work(group="measure", exclusive=True)
    async def measure(self) -> None:
        """Say how full the context is."""
        self._used = await self.session.tokens_used()
        self._show_status()

    def show_sidebar(self) -> None:
        """List the conversations as they are now."""
        opened = self.session.conversation.id if self.session.conversation else None
        self.query_one(Sidebar).show(self.session.store.conversations(), opened)

    def set_state(self, state: str) -> None:
        """Say what is going on: loading…, thinking…, writing…, ready, no model."""
        self._state = state
        self._show_status()

    def _show_status(self) -> None:
        session = self.session
        adapter = session.adapter.spec if session.adapter else ""
        if not self.is_running:
            return
        self.query_one(StatusLine).status = Status(
            self._state,
            session.model.name,
            adapter,
            session.library_name or "",
            "on" if session.tools else "",
            self._speed,
            (self._used, session.info.context_length if session.info and self._used else 0),
        )

    def show_notice(self, text: str, *, error: bool = False) -> None:
        """Say one thing above the prompt, until the next message; an empty text takes it away."""
        self._notice = text
        notice = self.query_one("#notice", Static)
        notice.update(for_terminal(text))
        notice.set_class(error, "error")
        notice.display = bool(text)

    def show_error(self, error: FiresideError) -> None:
        """Say what failed and what to do."""
        self.show_notice(error.message + (f"\n{error.hint}" if error.hint else ""), error=True)

    def _place(self, message: StoredMessage) -> tuple[int, int]:
        siblings = [sibling.id for sibling in self.session.store.siblings(message.id)]
        return siblings.index(message.id), len(siblings)

    # Turns

    @on(Prompt.Submitted)
    def _submitted(self, event: Prompt.Submitted) -> None:
        if is_command(event.text):
            try:
                parse(event.text)
            except FiresideError as error:
                # The line stays in the prompt, to be corrected.
                self.show_error(error)
                return
            self.prompt.sent(event.text)
            self.run_command(event.text)
        elif self.session.busy:
            self.show_notice(STILL_WRITING)
        else:
            try:
                reply = self.session.send(event.text)
            except FiresideError as error:
                self.show_error(error)
                return
            self.prompt.sent(event.text)
            self.show_notice("")
            self.write(reply, asked=True)

    def begin_turn(self, begin: Callable[[], StoredMessage | None]) -> None:
        """Start what an edit or a retry began, showing the branch it made."""
        try:
            reply = begin()
        except FiresideError as error:
            self.show_error(error)
            return
        self.show_notice("")
        if reply is None:
            self.run_worker(self.show_conversation())
        else:
            self.write(reply, asked=False)

    @work(group="turn")
    async def write(self, reply: StoredMessage, asked: bool) -> None:
        """Run one turn. `asked`: only the person's message is new; otherwise the branch above has changed too."""
        self.set_state("thinking…" if self.session.info else "loading…")
        above = self.session.messages()[:-1]
        if asked:
            await self.transcript.add(above[-1], self._place(above[-1]))
            self.show_sidebar()
        else:
            await self.transcript.show([(message, self._place(message)) for message in above])
        live = await self.transcript.begin_reply()
        self.prompt.focus()
        try:
            async with aclosing(self.session.write(reply, approver(self))) as events:
                async for event in events:
                    self._follow(event)
                    await live.take(event)
        except StorageError as error:
            # What could not be saved stays on the screen, where it can be copied.
            await live.end()
            self.transcript.live = None
            self.set_state("not saved")
            self.show_error(error)
            return
        if not self.query(LiveReply):
            # The app is leaving, and its widgets are gone; the session has saved the reply.
            return
        await live.end()
        finished = self.session.store.message(reply.id)
        await self.transcript.finish_reply(finished, self._place(finished))
        if self._notice == STILL_WRITING:
            self.show_notice("")
        self.set_state("ready" if self.session.info else "no model")
        self.show_sidebar()
        self.measure()

    def _follow(self, event: Event) -> None:
        """Say in the status line where the turn is."""
        match event:
            case TextDelta() if self._state != "writing…":
                self.set_state("writing…")
            case ToolCallAsked():
                self.set_state("using a tool…")
            case ToolResult():
                self.set_state("thinking…")
            case TurnFinished():
                self._speed = event.timings.tokens_per_s
            case TurnsDropped(count):
                self.show_notice(f"the context is full: the model no longer sees the first {count} messages")

    # Keys

    def action_stop(self) -> None:
        """Escape: stop the reply; else take the notice away."""
        if self.session.busy:
            self.session.stop()
        else:
            self.show_notice("")
            self.prompt.focus()

    async def action_interrupt(self) -> None:
        """Ctrl+C: copy what is selected, else stop the reply, else quit when it comes twice."""
        selected = self.prompt.selected_text or self.get_selected_text()
        if selected:
            self.app.copy_to_clipboard(selected)
            self.show_notice("copied")
        elif self.session.busy:
            self.session.stop()
        elif time.monotonic() - self._quit_asked < 3:
            await self.app.action_quit()
        else:
            self._quit_asked = time.monotonic()
            self.show_notice("press Ctrl+C again to quit; everything is saved")

    def action_sidebar(self) -> None:
        """Show or hide the conversations."""
        self.toggle_class("browsing")
        if self.has_class("browsing"):
            self.query_one(ConversationList).focus()
            self.call_after_refresh(self.show_sidebar)
        else:
            self.prompt.focus()

    def action_messages(self) -> None:
        """Go from the prompt to the last message."""
        if views := self.transcript.views:
            views[-1].focus()

    def action_page(self, step: int) -> None:
        """Scroll the transcript by a page, wherever the cursor is."""
        if step < 0:
            self.transcript.scroll_page_up(animate=False)
        else:
            self.transcript.scroll_page_down(animate=False)

    def action_slash(self, line: str) -> None:
        """Run a command as if it had been written."""
        self.run_command(f"/{line}")

    @work(group="command")
    async def run_command(self, line: str) -> None:
        """Carry out a slash command; what goes wrong is one notice."""
        self.show_notice("")
        try:
            command, argument = parse(line)
            await run(self, command.name, argument)
        except FiresideError as error:
            self.show_error(error)
        except OSError as error:
            # A path that is too long or may not be looked at: the system's word on it is enough.
            self.show_notice(str(error), error=True)
        self._show_status()

    @on(Sidebar.Act)
    def _conversation(self, event: Sidebar.Act) -> None:
        if event.act == "leave":
            if self.has_class("narrow"):
                self.remove_class("browsing")
            self.prompt.focus()
        else:
            self.run_worker(conversation(self, event.act, event.conversation), group="command")

    @on(MessageView.Act)
    async def _message(self, event: MessageView.Act) -> None:
        view, message = event.view, event.view.message
        match event.act:
            case "leave":
                self.prompt.focus()
                self.transcript.anchor()
            case "up" | "down":
                other = self.transcript.beside(view, -1 if event.act == "up" else 1)
                if other is not None:
                    other.focus()
                elif event.act == "down":
                    self.prompt.focus()
                else:
                    await self.transcript.show_earlier()
            case "copy":
                self.app.copy_to_clipboard(for_terminal(message.text))
                self.show_notice("copied")
            case "previous" | "next":
                await self._sibling(message, -1 if event.act == "previous" else 1)
            case "retry":
                self.begin_turn(lambda: self.session.retry(message.id))
            case "edit":
                self.edit(message)

    async def _sibling(self, message: StoredMessage, step: int) -> None:
        """Show the version before or after a message, keeping the cursor on it."""
        try:
            shown = [each.id for each in self.session.messages()]
            if message.id not in shown:
                return  # A second key, pressed before the first had brought another branch.
            place = shown.index(message.id)
            moved = self.session.sibling(message.id, step)
        except FiresideError as error:
            self.show_error(error)
            return
        if moved:
            await self.show_conversation()
            chosen = self.session.messages()[place].id
            for view in self.transcript.views:
                if view.message.id == chosen:
                    view.focus()

    @work(group="command")
    async def edit(self, message: StoredMessage) -> None:
        """Change a message in a dialog; the old one stays as a version."""
        text = await self.app.push_screen_wait(TextDialog("Edit the message", message.text))
        if text and text != message.text:
            self.begin_turn(lambda: self.session.edit(message.id, text))
