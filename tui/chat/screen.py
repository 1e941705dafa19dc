"""The chat screen: puts the widgets together, runs turns, and shows what the session says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from fireside.errors import FiresideError, StorageError
from fireside.text import for_terminal
from tui.actions import bindings
from tui.chat.commands.choices import choices
from tui.chat.prompt import Composer, Prompt
from tui.chat.sending import send_next, submitted
from tui.chat.status import Status, StatusLine
from tui.chat.transcript import Transcript
from tui.chat.waiting import Waiting
from tui.context.bar import ContextBar
from tui.first import First
from tui.slash import is_command, parse
from tui.tour import TouredScreen

if TYPE_CHECKING:  # what the first frame does without is imported where it is needed
    from agents.events import Event
    from fireside.conversations.types import StoredMessage
    from tui.chat.gap import Placed
    from tui.chat.message import MessageView
    from tui.chat.sidebar import Sidebar
    from tui.session import ChatSession

_TELLING = 32
"""Tokens of a prompt from which the time it took tells how fast prompts are read."""
_TYPING_S = 0.4
"""Seconds without a key after which the context bar is brought up to date."""


class ChatScreen(TouredScreen):
    """The one screen of the chat."""

    class Stands(Message):
        """The first frame is shown, and the session is waited for."""

    AUTO_FOCUS = "#prompt"
    BINDINGS: ClassVar[list[BindingType]] = bindings("chat")

    def __init__(self, first: First, *, library: str | None = None, adapter: str | None = None) -> None:
        """Nothing but text can be written before `take_session`. `library` and `adapter` are taken up with it."""
        super().__init__()
        self._first = first
        self.begun = False
        self._wanted = (library, adapter)
        self._state = "loading…"
        self._speed = 0.0
        self.reading_speed = 0.0
        self._quit_asked = 0.0
        self._archived = False
        self.reading_files = False

    def compose(self) -> ComposeResult:
        """Conversations at the left; transcript, notice, prompt and status in one column."""
        with Vertical(id="main"):
            yield Transcript(lambda: self._model_name)
            yield Static(markup=False, id="notice")
            yield Waiting()
            yield Composer(lambda kind: choices(self, kind) if self.begun else ())
            yield ContextBar()
            yield StatusLine()

    def on_mount(self) -> None:
        """Take input; everything slower waits until the first frame is on the terminal."""
        self.set_focus(self.prompt)
        self.prompt.use_keys(self._first.prompt_keys)
        self._show_status()
        self.call_after_refresh(self._stand)

    def _stand(self) -> None:
        if self.begun:
            self._begin()
        else:
            self.post_message(self.Stands())

    def take_session(self, session: ChatSession) -> None:
        """The chat that is shown from now on."""
        self.session, self.begun = session, True
        session.note = self.show_notice
        if self.is_mounted:
            self._begin()

    # Widgets

    @property
    def transcript(self) -> Transcript:
        """The transcript."""
        return self.query_one(Transcript)

    @property
    def prompt(self) -> Prompt:
        """The prompt."""
        return self.query_one(Prompt)

    @property
    def _model_name(self) -> str:
        return self.session.model.name if self.begun else self._first.model

    # Start

    @work(group="start")
    async def _begin(self) -> None:
        """List the conversations, load the model, take up the library and the adapter asked for."""
        from tui.chat.commands.tools import ask_person
        from tui.chat.sidebar import Sidebar

        self.session.ask_person = partial(ask_person, self)
        library, adapter = self._wanted
        self.transcript.show_welcome()
        self._show_status()
        await self.mount(Sidebar(), before="#main")
        try:
            self.session.recover()
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
        await self.transcript.show(self._placed(messages))
        self._speed = 0.0
        self.prompt.remember([message.text for message in messages if message.role == "user"])
        self.show_sidebar()
        self._show_status()
        self.measure()

    @work(group="measure", exclusive=True)
    async def measure(self, wait_s: float = 0.0) -> None:
        """Show what the next prompt is made of, once nothing was typed for so long."""
        await asyncio.sleep(wait_s)
        if not self.begun:
            return  # `_begin` measures
        draft = self.prompt.text.strip()
        try:
            upcoming = await self.session.upcoming("" if is_command(draft) else draft, pasted=self.prompt.pasted)
        except FiresideError:
            return  # a draft that does not fit; sending it says so
        if upcoming is not None and self.is_running:
            bar = self.query_one(ContextBar)
            bar.upcoming, bar.tokens_per_s = upcoming, self.reading_speed

    def show_sidebar(self) -> None:
        """List the conversations as they are now."""
        from tui.chat.sidebar import Sidebar

        opened = self.session.conversation.id if self.session.conversation else None
        listed = self.session.store.conversations(archived=self._archived)
        self.query_one(Sidebar).show(listed, opened, archived=self._archived)

    def set_state(self, state: str) -> None:
        """Say what is going on: loading…, thinking…, writing…, ready, no model."""
        self._state = state
        self._show_status()

    def _show_status(self) -> None:
        if not self.is_running:
            return
        if not self.begun:
            self.query_one(StatusLine).status = Status(self._state, self._model_name)
            return
        session = self.session
        self.query_one(StatusLine).status = Status(
            self._state,
            session.model.name,
            session.adapter_spec or "",
            session.library_name or "",
            "on" if session.tools else "",
            self._speed,
        )

    def show_notice(self, text: str, *, error: bool = False) -> None:
        """Say one thing above the prompt, until the next message; an empty text takes it away."""
        notice = self.query_one("#notice", Static)
        notice.update(for_terminal(f"✗ {text}" if error else text))
        notice.set_class(error, "error")
        notice.display = bool(text)

    def show_error(self, error: FiresideError) -> None:
        """Say what failed and what to do."""
        self.show_notice(error.message + (f"\n{error.hint}" if error.hint else ""), error=True)

    def _placed(self, messages: list[StoredMessage]) -> list[Placed]:
        """Messages of one conversation with their places among their siblings."""
        places = self.session.store.places(messages[0].conversation) if messages else {}
        return [(message, places.get(message.id, (0, 1))) for message in messages]

    def _place(self, message: StoredMessage) -> tuple[int, int]:
        return self._placed([message])[0][1]

    @on(Prompt.Changed)
    def _drafted(self) -> None:
        if self.begun and not self.session.busy:
            self.measure(_TYPING_S)

    # Turns

    @on(Prompt.Submitted)
    def _submitted(self, event: Prompt.Submitted) -> None:
        submitted(self, event.text)

    @on(Prompt.Failed)
    def _failed(self, event: Prompt.Failed) -> None:
        self.show_error(event.error)

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
        from agents.events import TextDelta
        from tui.chat.commands.tools import approver
        from tui.chat.reply import LiveReply

        self.set_state("thinking…" if self.session.info else "loading…")
        above = self.session.messages()[:-1]
        if asked:
            await self.transcript.add(above[-1], self._place(above[-1]))
            self.show_sidebar()
        else:
            await self.transcript.show(self._placed(above))
        live = await self.transcript.begin_reply()
        if reply.text:
            await live.take(TextDelta(reply.text))
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
        self.set_state("ready" if self.session.info else "no model")
        self.show_sidebar()
        self.measure()
        send_next(self, finished)
        if self.session.settings.titles == "model" and finished.status == "complete":
            self._title()

    @work(group="title")
    async def _title(self) -> None:
        """Let the model name a conversation that nobody has named."""
        with suppress(FiresideError):
            if await self.session.title_by_model() and self.is_running:
                self.show_sidebar()

    def _follow(self, event: Event) -> None:
        """Say in the status line where the turn is."""
        from agents.events import TextDelta, ToolCallAsked, ToolResult, TurnFinished, TurnsDropped

        match event:
            case TextDelta() if self._state != "writing…":
                self.set_state("writing…")
            case ToolCallAsked():
                self.set_state("using a tool…")
            case ToolResult():
                self.set_state("thinking…")
            case TurnFinished():
                self._speed = event.timings.tokens_per_s
                read = event.usage.prompt_tokens - event.usage.cached_tokens
                if read >= _TELLING and event.timings.prefill_s > 0:
                    self.reading_speed = read / event.timings.prefill_s
            case TurnsDropped(count):
                self.show_notice(f"the context is full: the model no longer sees the first {count} messages")

    # Keys

    def action_stop(self) -> None:
        """Escape: stop the reply; else take the notice away."""
        if self.begun and self.session.busy:
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
        from tui.chat.sidebar import ConversationList

        self.toggle_class("browsing")
        if self.has_class("browsing"):
            self.query_one(ConversationList).focus()
            self.call_after_refresh(self.show_sidebar)
        else:
            self.prompt.focus()

    async def action_messages(self) -> None:
        """Go from the prompt to the last message."""
        await self.transcript.show_end()
        if views := self.transcript.views:
            views[-1].focus()

    def action_thoughts(self) -> None:
        """Unfold or fold what the model thinks while it does."""
        if self.transcript.live is not None:
            self.transcript.live.toggle_thoughts()

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
        await self._reporting(self._command(line))

    async def _command(self, line: str) -> None:
        from tui.chat.commands.run import run

        command, argument = parse(line)
        await run(self, command.name, argument)

    def on_sidebar_act(self, event: Sidebar.Act) -> None:
        """A key in the list of conversations."""
        if event.act == "leave":
            if self.has_class("narrow"):
                self.remove_class("browsing")
            self.prompt.focus()
        elif event.act == "archived":
            self._archived = not self._archived
            self.show_sidebar()
        else:
            from tui.chat.commands.conversations import conversation

            doing = conversation(self, event.act, event.conversation)
            self.run_worker(self._reporting(doing), group="command")

    def on_message_view_act(self, event: MessageView.Act) -> None:
        """A key on a message."""
        from tui.chat.message_acts import act

        self.run_worker(self._reporting(act(self, event.view, event.act)), group="command")

    async def _reporting(self, doing: Awaitable[None]) -> None:
        """Do it; what goes wrong is one notice."""
        try:
            await doing
        except FiresideError as error:
            self.show_error(error)
        except OSError as error:
            # A path that is too long or may not be looked at: the system's word on it is enough.
            self.show_notice(str(error), error=True)
        self._show_status()
