"""The open chat: the one owner of its conversation, model, adapter, library and tools, and of what a turn is made of.

Nothing here knows of a terminal: the screens, and the tests, call these methods and read the events of `write`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from agents.events import Event, TurnFailed
from fireside.conversations.store import ConversationStore
from fireside.conversations.types import Conversation, StoredMessage
from fireside.errors import FiresideError, ModelError, StorageError, ToolError
from fireside.models.types import AdapterUse, ChatModel, Message, ModelInfo
from fireside.settings import Settings
from fireside.text import for_terminal_line
from tui.libraries import library_of
from tui.prompting import as_prompt, turn_of
from tui.servers import Servers

if TYPE_CHECKING:
    from agents.builtin.ask import Ask
    from agents.loop import Approve
    from agents.tools import Tool
    from rag.library import Library

TITLE_LENGTH = 60


class ChatSession:
    """One open conversation and what it is held with. `conversation` is None until the first message is sent."""

    def __init__(
        self, store: ConversationStore, settings: Settings, open_model: Callable[[str | None], ChatModel]
    ) -> None:
        """`open_model` gives the model of a name, or the settings' own for None; nothing is loaded by it."""
        self.store = store
        self.settings = settings
        self.model = open_model(None)
        self.info: ModelInfo | None = None
        self.conversation: Conversation | None = None
        self.adapter: AdapterUse | None = None
        self.library: Library | None = None
        self.library_name: str | None = None
        self.tools: tuple[Tool, ...] = ()
        self.tools_on = False
        self.servers = Servers()
        self.folder: Path | None = settings.tools.folder
        self.allowed: set[str] = set(settings.tools.allowed)
        self.system = settings.reply.system
        self.note: Callable[[str], None] = lambda text: None  # told what the person should know and no event says
        self.ask_person: Ask | None = None
        self._open_model = open_model
        self._stop: asyncio.Event | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def busy(self) -> bool:
        """Whether a reply is begun and not ended."""
        return self._stop is not None

    @property
    def _open_id(self) -> int | None:
        return self.conversation.id if self.conversation else None

    @property
    def title(self) -> str:
        """The conversation's title, empty for one that is not begun."""
        return self.conversation.title if self.conversation else ""

    def messages(self) -> list[StoredMessage]:
        """What is shown: the messages from the root to the conversation's head."""
        if self.conversation is None or self.conversation.head is None:
            return []
        return self.store.path(self.conversation.head)

    async def start_model(self) -> ModelInfo:
        """Load the model if it is not loaded. Raises ModelError."""
        self.info = await self.model.start()
        return self.info

    async def tokens_used(self) -> int:
        """How much of the context the conversation takes, in tokens; 0 where the model is not loaded or is busy."""
        try:
            messages = self.messages()
            if self.info is None or self.busy or not messages:
                return 0
            return await self.model.count_tokens((Message("system", self.system), *as_prompt(messages)))
        except (ModelError, StorageError):
            return 0

    # Conversations

    def new(self) -> None:
        """Leave the conversation; the next message begins another. The adapter and the library stay."""
        self._refuse_while_busy()
        self.conversation = None
        self.system = self.settings.reply.system
        self.allowed = set(self.settings.tools.allowed)

    def open(self, conversation_id: int) -> Conversation:
        """Go to a saved conversation; `restore` then brings back its adapter and library."""
        self._refuse_while_busy()
        self.conversation = self.store.get(conversation_id)
        self.system = self.conversation.system
        self.allowed = set(self.settings.tools.allowed)
        return self.conversation

    async def restore(self) -> list[FiresideError]:
        """Take up the adapter and the library the conversation was held with; return what could not be had."""
        if self.conversation is None:
            return []
        problems: list[FiresideError] = []
        adapter, library = self.conversation.adapter, self.conversation.library
        wanted = self.adapter.spec if self.adapter else None
        try:
            if adapter != wanted:
                await self.use_adapter(adapter)
        except FiresideError as error:
            self.adapter = None
            problems.append(error)
        try:
            if library != self.library_name:
                await self.use_library(library)
        except FiresideError as error:
            self.library = self.library_name = None
            problems.append(error)
        return problems

    def rename(self, title: str, conversation_id: int | None = None) -> None:
        """Give the open conversation, or another, a title."""
        chosen = conversation_id or (self.conversation.id if self.conversation else None)
        if chosen is None:
            raise FiresideError("there is nothing to rename yet", "send a message first")
        changed = self.store.change(chosen, title=for_terminal_line(title, 200))
        if self.conversation and self.conversation.id == chosen:
            self.conversation = changed

    def delete(self, conversation_id: int) -> None:
        """Delete a conversation with its messages and the runs behind them; where it is the open one, begin another."""
        from agents.traces import forget_conversation

        if self.conversation and self.conversation.id == conversation_id:
            self.new()
        self.store.delete(conversation_id)
        forget_conversation(conversation_id)

    def change_system(self, system: str) -> None:
        """Set the system prompt of the open conversation, or of the one that the next message begins."""
        self.system = system
        self._keep(system=system)

    # What the conversation is held with

    async def use_model(self, name: str) -> ModelInfo:
        """Chat with another model. The old one stays where the new one cannot be loaded. Raises ModelError."""
        self._refuse_while_busy()
        model = self._open_model(name)
        info = await model.start()
        if self.busy:
            # A reply was begun while the other model loaded: it must not lose its own.
            await model.close()
            self._refuse_while_busy()
        old, self.model, self.info = self.model, model, info
        await old.close()
        # An adapter belongs to the model it was trained on.
        self.adapter = None
        self._keep(model=model.name, adapter=None)
        return info

    async def use_adapter(self, spec: str | None) -> None:
        """Apply the adapter `NAME[:SCALE]` from the next reply on, or none. Raises AdapterError, ModelError."""
        adapter: AdapterUse | None = None
        before = self._open_id
        if spec is not None:
            from fireside.models.adapters import resolve

            info = await self.start_model()
            adapter = await asyncio.to_thread(resolve, spec, info.sha256, info.architecture)
        if before is not None and self._open_id != before:
            # The person has gone to another conversation, which keeps its own.
            return
        self.adapter = adapter
        self._keep(adapter=self.adapter.spec if self.adapter else None)

    async def use_library(self, name: str | None) -> None:
        """Answer from the document library `name`, or from none. Raises DocumentError."""
        library: Library | None = None
        before, old = self._open_id, self.library
        if name is not None:
            library = await asyncio.to_thread(library_of, self.settings.documents, name)
        if before is not None and self._open_id != before:
            # The person has gone to another conversation, which keeps its own.
            return
        self.library, self.library_name = library, name
        if old is not None and not self.busy:
            await asyncio.to_thread(old.close)
        self._choose_tools()
        self._keep(library=self.library_name)

    def use_tools(self, on: bool, folder: Path | None = None) -> None:
        """Let the assistant ask for tools, or not; a `folder` confines the file tools. Raises ToolError."""
        before = (self.tools_on, self.folder)
        self.tools_on, self.folder = on, folder or self.folder
        try:
            self._choose_tools()
        except ToolError:
            self.tools_on, self.folder = before
            raise

    async def use_server(self, name: str) -> tuple[str, ...]:
        """Start an MCP server and offer its tools; a line on each thing of it that is left out. Raises ToolError."""
        notes = await self.servers.use(name)
        self.tools_on = True
        self._choose_tools()
        return notes

    async def drop_server(self, name: str) -> bool:
        """End an MCP server; False where it does not run."""
        dropped = await self.servers.drop(name)
        self._choose_tools()
        return dropped

    def _choose_tools(self) -> None:
        """The tools that the settings want offered and that have what they need."""
        if not self.tools_on:
            self.tools = ()
            return
        from tui.offered import offered_tools

        library, passages = self.library, self.settings.documents.passages
        search = None if library is None else lambda question: library.search(question, passages)
        offered = offered_tools(self.settings.tools.offered, self.folder, search, self.ask_person, self.note)
        self.tools = (*offered, *self.servers.tools)

    # Turns

    def send(self, text: str) -> StoredMessage:
        """Save the person's message and an empty reply below it; return the reply, which `write` fills."""
        self._refuse_while_busy()
        if self.conversation is None:
            self.conversation = self.store.create(self.system, self.model.name, for_terminal_line(text, TITLE_LENGTH))
            self._keep(
                adapter=self.adapter.spec if self.adapter else None,
                library=self.library_name,
            )
        asked = self._add(self.conversation.head, "user", text)
        return self._add_reply(asked.id)

    def retry(self, message_id: int) -> StoredMessage:
        """Begin another reply beside the one given (or below the person's message given); return it for `write`."""
        self._refuse_while_busy()
        message = self.store.message(message_id)
        parent = message.id if message.role == "user" else message.parent
        if parent is None:
            raise FiresideError("this message has nothing before it to answer", "retry a reply instead")
        return self._add_reply(parent)

    def edit(self, message_id: int, text: str) -> StoredMessage | None:
        """Save `text` beside the message given. For the person's own, return a new reply for `write`; an edited reply
        stands as it is written, and None is returned."""
        self._refuse_while_busy()
        message = self.store.message(message_id)
        edited = self._add(message.parent, message.role, text)
        return self._add_reply(edited.id) if message.role == "user" else None

    def sibling(self, message_id: int, step: int) -> bool:
        """Show the message `step` places beside this one, and what follows it; False where there is none."""
        self._refuse_while_busy()
        siblings = [message.id for message in self.store.siblings(message_id)]
        place = siblings.index(message_id) + step
        if not 0 <= place < len(siblings):
            return False
        self.store.select(siblings[place])
        self._read_again()
        return True

    async def write(self, reply: StoredMessage, approve: Approve) -> AsyncGenerator[Event, None]:
        """Run the turn that fills `reply`, passing its events on; everything is saved as it comes.

        Ends early, without an event of its own, when `stop` is called: what came is kept.
        """
        from agents.record import record_turn

        stop = self._stop = self._stop or asyncio.Event()
        self._idle.clear()
        stopped = asyncio.ensure_future(stop.wait())
        events = record_turn(self.store, reply.id, self._turn(reply, approve))
        step: asyncio.Future[Event] | None = None
        try:
            while True:
                step = asyncio.ensure_future(anext(events))
                await asyncio.wait({step, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if not step.done():
                    return
                try:
                    event = step.result()
                except StopAsyncIteration:
                    return
                yield event
        finally:
            stopped.cancel()
            try:
                if step is not None and not step.done():
                    # The engine and the record must have ended before another turn begins.
                    step.cancel()
                    with suppress(asyncio.CancelledError, StopAsyncIteration):
                        await step
                await events.aclose()
            finally:
                # Also where the last words could not be saved: else the chat would wait for this turn for ever.
                self._stop = None
                self._idle.set()
                self._read_again()

    def stop(self) -> None:
        """End the reply being written, keeping what came. Without one, nothing happens."""
        if self._stop is not None:
            self._stop.set()

    async def close(self) -> None:
        """Stop and save the reply being written, let go of the model, close the store."""
        self.stop()
        await self._idle.wait()
        await self.servers.close()
        with suppress(ModelError):
            await self.model.close()
        self.store.close()

    async def _turn(self, reply: StoredMessage, approve: Approve) -> AsyncGenerator[Event, None]:
        """The events of one turn; a model that cannot be started is a turn that failed."""
        from agents.traced import held_with, run_traced
        from agents.traces import Begun

        try:
            await self.start_model()
            turn = turn_of(self, reply)
        except FiresideError as error:
            yield TurnFailed(error.message, error.hint)
            return
        held = held_with(turn, self.folder, self.library_name)
        begun = Begun("chat", turn.messages[-1].content, self.model.name, held, reply.conversation, reply.id)
        async with aclosing(run_traced(turn, self.model, approve, begun, "person", self.note)) as events:
            async for event in events:
                yield event

    def _add(self, parent: int | None, role: str, text: str) -> StoredMessage:
        assert self.conversation is not None
        try:
            return self.store.add(self.conversation.id, parent, role, text)  # type: ignore[arg-type]  # a stored role
        finally:
            self._read_again()

    def _add_reply(self, parent: int) -> StoredMessage:
        assert self.conversation is not None
        reply = self.store.add(self.conversation.id, parent, "assistant", "", status="streaming")
        # From here on another turn is refused, though `write` begins a moment later.
        self._stop = asyncio.Event()
        self._read_again()
        return reply

    def _read_again(self) -> None:
        """The store moves the head; take over what it says. Another window may have deleted the conversation."""
        if self.conversation is not None:
            try:
                self.conversation = self.store.get(self.conversation.id)
            except StorageError:
                self.conversation = None

    def _keep(self, **fields: str | None) -> None:
        """Save fields of the open conversation; one that is not begun has none."""
        if self.conversation is not None:
            self.conversation = self.store.change(self.conversation.id, **fields)  # type: ignore[arg-type]  # names checked by the store

    def _refuse_while_busy(self) -> None:
        if self.busy:
            raise FiresideError("a reply is still being written", "Escape stops it")
