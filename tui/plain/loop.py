"""The plain chat: reads a line, runs a command or a turn, tells what comes; over the same session as the screen."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import aclosing, suppress
from typing import Any

from fireside.conversations.types import StoredMessage
from fireside.errors import FiresideError
from fireside.text import for_terminal_line
from tui.plain.commands import run
from tui.plain.terminal import asked, chosen, put, tell
from tui.plain.turn import Telling, approver
from tui.session import ChatSession
from tui.slash import is_command, parse

_SHOWN = 6
"""Messages read out when a conversation is opened."""


async def plain_chat(session: ChatSession, library: str | None, adapter: str | None) -> int:
    """Chat until the person leaves; the exit status. `library` and `adapter` are taken up at the start."""
    chat = PlainChat(session)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, chat.interrupt)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(ending, chat.leave)
    try:
        await chat.begin(library, adapter)
        await chat.hold()
    finally:
        await session.close()
        for taken in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(taken)
    return 0


class PlainChat:
    """One chat in lines. Everything that waits, waits together with the person's wish to leave."""

    def __init__(self, session: ChatSession) -> None:
        self.session = session
        session.note = tell
        session.ask_person = self._ask_person
        self._left = asyncio.Event()
        self._interrupted = False

    async def begin(self, library: str | None, adapter: str | None) -> None:
        """Say what this is, load the model, take up the library and the adapter asked for."""
        self.session.store.recover()
        tell("Fireside, a private assistant. /help lists the commands, /quit leaves.")
        try:
            tell(f"Loading {for_terminal_line(self.session.model.name)}.")
            await self._unless_left(self.session.start_model())
            for use, name in ((self.session.use_library, library), (self.session.use_adapter, adapter)):
                if name is not None:
                    await self._unless_left(use(name))
            tell("Ready.")
        except FiresideError as error:
            self.tell_error(error)

    async def hold(self) -> None:
        """Take lines until the person leaves or the input ends."""
        while not self._left.is_set():
            line = await self._unless_left(self._message())
            if line is None:
                return
            if line:
                self._interrupted = False
                await self._unless_left(self._carry_out(line))

    async def write(self, reply: StoredMessage) -> None:
        """Run one turn and tell it."""
        telling = Telling()
        async with aclosing(self.session.write(reply, approver(self.session))) as events:
            async for event in events:
                telling.take(event)
        telling.stop()

    def tell_messages(self) -> None:
        """Read out the end of the open conversation."""
        for message in self.session.messages()[-_SHOWN:]:
            tell(f"{'You' if message.role == 'user' else 'Assistant'}: {message.text}")

    def tell_error(self, error: FiresideError) -> None:
        """Say what failed and what to do."""
        tell(f"Error: {for_terminal_line(error.message, 2000)}")
        if error.hint:
            tell(f"Hint: {for_terminal_line(error.hint, 2000)}")

    def interrupt(self) -> None:
        """Ctrl+C: stop the reply; without one, leave when it comes twice."""
        put("\n")
        if self.session.busy:
            self.session.stop()
        elif self._interrupted:
            self.leave()
        else:
            self._interrupted = True
            tell("Press Ctrl+C again, or write /quit, to leave. Everything is saved.")
            put("You: ")

    def leave(self) -> None:
        """Stop and save the reply being written, and go."""
        self.session.stop()
        self._left.set()

    async def _message(self) -> str | None:
        """What the person writes; a line that ends in a backslash goes on in the next one."""
        lines: list[str] = []
        while (line := await asked("More:" if lines else "You:")) is not None:
            lines.append(line.removesuffix("\\"))
            if not line.endswith("\\"):
                return "\n".join(lines).strip()
        return None

    async def _carry_out(self, line: str) -> None:
        try:
            if is_command(line):
                command, argument = parse(line)
                await run(self, command.name, argument)
            else:
                await self.write(self.session.send(line, await self.session.attach(line)))
        except FiresideError as error:
            self.tell_error(error)
        except OSError as error:
            tell(f"Error: {error}")

    async def _ask_person(self, question: str, options: tuple[str, ...]) -> str:
        """What the assistant wants to know."""
        if not options:
            return await asked(f"The assistant asks: {question}") or ""
        place = await chosen(f"The assistant asks: {question}", list(options))
        return "" if place is None else options[place]

    async def _unless_left(self, work: Coroutine[Any, Any, str | None] | Coroutine[Any, Any, object]) -> Any:
        """The result of `work`; None where the person leaves first, and `work` is cancelled once a reply is saved."""
        task, left = asyncio.ensure_future(work), asyncio.ensure_future(self._left.wait())
        await asyncio.wait({task, left}, return_when=asyncio.FIRST_COMPLETED)
        left.cancel()
        if not task.done():
            if self.session.busy:
                # The turn ends by itself: it has been told to stop.
                await asyncio.wait({task})
            else:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
                return None
        return task.result()
