"""The MCP servers of an open chat: each is kept running by a task of its own until the chat lets go of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fireside.errors import ToolError

if TYPE_CHECKING:
    from agents.mcp.client import Offered
    from agents.tools import Tool


@dataclass
class _Held:
    """A server that starts, runs or ends. The task that starts it has to end it, too: the SDK's connections want that.

    started: its start is over, and has left either what it offers or a failure, or neither where it was given up.
    enough: it is to end. waiting: how many wait for its start.
    """

    started: asyncio.Event = field(default_factory=asyncio.Event)
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    offered: Offered | None = None
    failure: Exception | None = None
    waiting: int = 0
    task: asyncio.Task[None] | None = None

    async def run(self, name: str) -> None:
        """Run the server until it is enough. Never raises but where it is cancelled."""
        from agents.mcp.client import connected

        try:
            async with connected([name]) as offered:
                self.offered = offered
                self.started.set()
                await self.enough.wait()
        except Exception as error:
            self.failure = error

    def end(self) -> None:
        """Let it end: at once where it still starts."""
        self.enough.set()
        if self.task is not None and not self.started.is_set():
            self.task.cancel()


class Servers:
    """The servers in use, by name."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def names(self) -> list[str]:
        """Which run."""
        return [name for name, held in self._held.items() if held.offered is not None]

    @property
    def tools(self) -> tuple[Tool, ...]:
        """What they all offer."""
        return tuple(tool for held in self._held.values() if held.offered for tool in held.offered.tools)

    async def use(self, name: str) -> tuple[str, ...]:
        """Start the server, unless it runs or starts, and return a line on each thing of it that is left out.

        Raises ToolError: it does not start, it was dropped meanwhile, or the chat is closed.
        """
        if self._closed:
            raise ToolError("the chat is closed: no MCP server is started any more")
        held = self._held.get(name)
        if held is None:
            held = self._start(name)
        held.waiting += 1
        try:
            await held.started.wait()
        finally:
            held.waiting -= 1
            if not (held.started.is_set() or held.waiting):  # given up, and nobody else wants it
                await self._end(name, held)
        if held.offered is None:
            self._forget(name, held)
            raise held.failure or ToolError(f"the MCP server {name} was ended while it started")
        return held.offered.notes

    async def drop(self, name: str) -> bool:
        """End the server, also one that still starts; False where it does neither run nor start."""
        held = self._held.get(name)
        if held is None:
            return False
        await self._end(name, held)
        return True

    async def close(self) -> None:
        """End them all, for good: nothing starts any more."""
        self._closed = True
        for held in self._held.values():
            held.end()
        self._held.clear()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _start(self, name: str) -> _Held:
        # Known before it is awaited: who asks for it next finds it, and so does who ends it.
        held = self._held[name] = _Held()
        held.task = asyncio.create_task(held.run(name))
        self._tasks.add(held.task)
        held.task.add_done_callback(self._tasks.discard)
        held.task.add_done_callback(lambda _: held.started.set())  # also where it was cancelled before it began
        return held

    async def _end(self, name: str, held: _Held) -> None:
        self._forget(name, held)
        held.end()
        if held.task is not None:
            await asyncio.wait([held.task])

    def _forget(self, name: str, held: _Held) -> None:
        if self._held.get(name) is held:
            del self._held[name]
