"""The open chat: the one owner of its conversation, of what it is held with (`held.Held`), and of its turns.

Nothing here knows of a terminal: the screens, and the tests, call these methods and read the events of `write`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from agents.events import Event, TurnFailed
from fireside.context_parts import Upcoming
from fireside.conversations.store import ConversationStore
from fireside.conversations.types import Conversation, StoredMessage
from fireside.errors import FiresideError, StorageError
from fireside.models.types import ChatModel, Role
from fireside.settings import Settings
from fireside.text import for_terminal_line
from tui.attach.attachment import Attachment, as_details, attachments_of, gather, with_data
from tui.held import Held
from tui.prompting import as_prompt, turn_of
from tui.undos import Undos

if TYPE_CHECKING:
    from agents.loop import Approve
    from rag.types import Passage

TITLE_LENGTH = 60

Organise = Literal["pin", "unpin", "archive", "unarchive", "tag", "untag"]
_OPPOSITE: dict[Organise, Organise] = {
    "pin": "unpin",
    "unpin": "pin",
    "archive": "unarchive",
    "unarchive": "archive",
    "tag": "untag",
    "untag": "tag",
}


class ChatSession(Held):
    """One open conversation and what it is held with. `conversation` is None until the first message is sent."""

    def __init__(
        self, store: ConversationStore, settings: Settings, open_model: Callable[[str | None], ChatModel]
    ) -> None:
        """`open_model` gives the model of a name, or the settings' own for None; nothing is loaded by it."""
        super().__init__(settings, open_model)
        self.store = store
        self.conversation: Conversation | None = None
        self.undos = Undos()
        self._stop: asyncio.Event | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def busy(self) -> bool:
        """Whether a reply is begun and not ended."""
        return self._stop is not None

    @property
    def _open_conversation(self) -> Conversation | None:
        return self.conversation

    @property
    def title(self) -> str:
        """The conversation's title, empty for one that is not begun."""
        return self.conversation.title if self.conversation else ""

    def messages(self) -> list[StoredMessage]:
        """What is shown: the messages from the root to the conversation's head."""
        if self.conversation is None or self.conversation.head is None:
            return []
        return self.store.path(self.conversation.head)

    async def upcoming(
        self, draft: str, *, search: bool = False, pasted: Mapping[str, str] = MappingProxyType({})
    ) -> Upcoming | None:
        """What the next prompt is made of, were `draft` sent now; None where the model is not loaded or is busy.

        search: find the passages that the library would give, too. pasted: folded texts in the draft, by their marks.
        Raises FiresideError.
        """
        from agents.upcoming import upcoming

        attached = await self.attach(draft, pasted)
        if self.info is None or self.busy:
            return None
        path = self.messages()
        turn = turn_of(self, path, with_data(draft, attached))
        data = [each.data for stored in path for each in attachments_of(stored)] + [each.data for each in attached]
        passages: Sequence[Passage] = ()
        if search and self.library is not None and draft:
            passages = await asyncio.to_thread(self.library.search, draft, turn.passages)
        return await upcoming(turn, self.model, persona=self.persona or "", passages=passages, attached=data)

    def recover(self) -> None:
        """Mark what a killed process was writing, erase what was deleted last time. Raises StorageError."""
        self.store.recover()
        self._erase()

    def _erase(self) -> None:
        from agents.traces import forget_conversation

        for conversation_id in self.store.purge():
            forget_conversation(conversation_id)

    # Conversations

    def new(self) -> None:
        """Leave the conversation; the next message begins another. The adapter and the library stay."""
        self._refuse_while_busy()
        self.conversation = None
        self._begin_with(None)

    def open(self, conversation_id: int) -> Conversation:
        """Go to a saved conversation; `restore` then brings back its adapter and library."""
        self._refuse_while_busy()
        self.conversation = self.store.get(conversation_id)
        self._begin_with(self.conversation)
        return self.conversation

    def rename(self, title: str, conversation_id: int | None = None) -> None:
        """Give the open conversation, or another, a title."""
        chosen = conversation_id or (self.conversation.id if self.conversation else None)
        if chosen is None:
            raise FiresideError("there is nothing to rename yet", "send a message first")
        before = self.store.get(chosen)
        changed = self.store.change(chosen, title=for_terminal_line(title, 200), titled_by="person")
        old, by = before.title, before.titled_by
        self.undos.add("the new title", lambda: self.store.change(chosen, title=old, titled_by=by))
        if self.conversation and self.conversation.id == chosen:
            self.conversation = changed

    def delete(self, conversation_id: int) -> None:
        """Delete a conversation; where it is the open one, begin another. It can be undone until Fireside ends, which
        erases it with its messages and the runs behind them."""
        if self.conversation and self.conversation.id == conversation_id:
            self.new()
        title = for_terminal_line(self.store.get(conversation_id).title, 40) or "untitled"
        self.store.delete(conversation_id)
        self.undos.add(f"the deletion of “{title}”", lambda: self.store.undelete(conversation_id))

    def organise(self, conversation_id: int, act: Organise, tag: str = "") -> None:
        """Pin or archive a conversation, or what was; give it a tag, or take it away. It can be undone."""
        store, back = self.store, _OPPOSITE[act]
        acts: dict[Organise, Callable[[], object]] = {
            "pin": lambda: store.pin(conversation_id),
            "unpin": lambda: store.pin(conversation_id, False),
            "archive": lambda: store.archive(conversation_id),
            "unarchive": lambda: store.archive(conversation_id, False),
            "tag": lambda: store.tag(conversation_id, tag),
            "untag": lambda: store.untag(conversation_id, tag),
        }
        acts[act]()
        self.undos.add(f"to {act}", acts[back])
        if self.conversation and self.conversation.id == conversation_id:
            self._read_again()

    def undo(self) -> str:
        """Take back the last act that can be undone; what it was, "" where there is none. Raises StorageError."""
        self._refuse_while_busy()
        undone = self.undos.undo()
        self._read_again()
        return undone

    async def title_by_model(self) -> bool:
        """Let the model give the open conversation a title, where nobody has; whether it did."""
        from fireside.conversations.titles import title

        asked = self.conversation
        if asked is None or asked.titled_by != "first words" or self.busy:
            return False
        written = await title(self.model, as_prompt(self.messages()))
        if not written or self.conversation is None or self.conversation.id != asked.id:
            return False
        self._keep(title=written, titled_by="model")
        return True

    # Turns

    async def attach(
        self, text: str, pasted: Mapping[str, str] = MappingProxyType({}), message_id: int | None = None
    ) -> tuple[Attachment, ...]:
        """What goes with `text`: files that it names by `@path`, folded texts by their marks (`pasted`), and what goes
        with the message that it is edited from. Raises DocumentError."""
        if "@" not in text and "[" not in text:
            return ()
        if message_id is not None:
            known = attachments_of(self.store.message(message_id))
        else:
            # A mark that was brought back by Up; a file is read anew.
            known = tuple(each for stored in self.messages() for each in attachments_of(stored))
            known = tuple(each for each in known if not each.mention.startswith("@"))
        return await asyncio.to_thread(gather, text, pasted, known)

    def send(self, text: str, attached: Sequence[Attachment] = ()) -> StoredMessage:
        """Save the person's message and an empty reply below it; return the reply, which `write` fills."""
        self._refuse_while_busy()
        return self._add_reply(self._ask(text, attached).id)

    def keep_replies(
        self,
        question: str | None,
        attached: Sequence[Attachment],
        replies: Sequence[tuple[str, Mapping[str, Any]]],
        chosen: int,
    ) -> None:
        """Save replies that were written side by side, with their details, below `question` and what goes with it, or
        below the last one asked; show the `chosen` one."""
        self._refuse_while_busy()
        asked = next((each for each in reversed(self.messages()) if each.role == "user"), None)
        if question is not None or asked is None:
            asked = self._ask(question or "", attached)
        for text, details in [*replies[:chosen], *replies[chosen + 1 :], replies[chosen]]:
            self._add(asked.id, "assistant", text, details)

    def _ask(self, text: str, attached: Sequence[Attachment]) -> StoredMessage:
        """Save the person's message, in a new conversation where none is open."""
        if self.conversation is None:
            self.conversation = self.store.create(self.system, self.model.name, for_terminal_line(text, TITLE_LENGTH))
            self._keep(
                adapter=self.adapter_spec,
                library=self.library_name,
                persona=self.persona,
                parameters=dict(self.parameters) or None,
                tools=self.kept_tools,
            )
        return self._add(self.conversation.head, "user", text, as_details(attached))

    def retry(self, message_id: int) -> StoredMessage:
        """Begin another reply beside the one given (or below the person's message given); return it for `write`."""
        self._refuse_while_busy()
        message = self.store.message(message_id)
        parent = message.id if message.role == "user" else message.parent
        if parent is None:
            raise FiresideError("this message has nothing before it to answer", "retry a reply instead")
        return self._add_reply(parent)

    def edit(self, message_id: int, text: str, attached: Sequence[Attachment] = ()) -> StoredMessage | None:
        """Save `text` beside the message given. For the person's own, return a new reply for `write`; an edited reply
        stands as it is written, and None is returned."""
        self._refuse_while_busy()
        message = self.store.message(message_id)
        edited = self._add(message.parent, message.role, text, as_details(attached))
        return self._add_reply(edited.id) if message.role == "user" else None

    def go_on(self, message_id: int, text: str | None = None) -> StoredMessage:
        """Begin to write on behind a reply, and return the message for `write`: the reply itself where nothing follows
        it, or else another beside it. text: what is gone on with in place of the reply's own, always in another."""
        self._refuse_while_busy()
        message = self.store.message(message_id)
        if message.role != "assistant" or message.parent is None:
            raise FiresideError("only a reply can be gone on with", "choose one of the assistant's messages")
        begun = message.text if text is None else text
        if text is None and not self.store.children(message_id):
            self.store.write(message_id, begun, "streaming", message.details)
            self._stop = asyncio.Event()
            return self.store.message(message_id)
        reply = self._add_reply(message.parent)
        self.store.write(reply.id, begun, "streaming", {})
        return self.store.message(reply.id)

    def rewrite(self, message_id: int, text: str) -> None:
        """Change a message in place, whoever wrote it; nothing is answered anew, and it can be undone."""
        self._refuse_while_busy()
        self.store.rewrite(message_id, text)
        self.undos.add("the edit", lambda: self.store.revert(message_id))

    def remove(self, message_id: int) -> None:
        """Take a message out with all that follows it; it can be undone."""
        self._refuse_while_busy()
        self.store.remove_branch(message_id)
        self._read_again()
        self.undos.add("the removal", lambda: self.store.restore_branch(message_id))

    async def alternatives(self, message_id: int, end: int, count: int = 10) -> list[tuple[str, float]]:
        """The most likely tokens behind the first `end` characters of a reply, with their probabilities, best first.
        Raises ModelError."""
        from agents.alternatives import alternatives

        self._refuse_while_busy()
        await self.start_model()
        message = self.store.message(message_id)
        assert message.parent is not None
        turn = turn_of(self, self.store.path(message.parent), begun=message.text[:end])
        return await alternatives(turn, self.model, count)

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
        events = record_turn(self.store, reply.id, self._turn(reply, approve), begun=reply.text)
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
        await self._let_go()
        with suppress(StorageError):
            self._erase()
        self.store.close()

    async def _turn(self, reply: StoredMessage, approve: Approve) -> AsyncGenerator[Event, None]:
        """The events of one turn; a model that cannot be started is a turn that failed."""
        from agents.traced import held_with, run_traced
        from agents.traces import Begun

        try:
            await self.start_model()
            assert reply.parent is not None
            turn = turn_of(self, self.store.path(reply.parent), begun=reply.text)
        except FiresideError as error:
            yield TurnFailed(error.message, error.hint)
            return
        held = held_with(turn, self.folder, self.library_name)
        begun = Begun("chat", turn.messages[-1].content, self.model.name, held, reply.conversation, reply.id)
        async with aclosing(run_traced(turn, self.model, approve, begun, "person", self.note)) as events:
            async for event in events:
                yield event

    def _add(self, parent: int | None, role: Role, text: str, details: Mapping[str, Any]) -> StoredMessage:
        assert self.conversation is not None
        try:
            return self.store.add(self.conversation.id, parent, role, text, details=dict(details))
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

    def _keep(self, **fields: Any) -> None:
        """Save fields of the open conversation; one that is not begun has none."""
        if self.conversation is not None:
            self.conversation = self.store.change(self.conversation.id, **fields)
