"""The MCP servers of an open chat: each is kept running by a task of its own until the chat lets go of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agents.mcp.client import Offered
    from agents.tools import Tool


@dataclass
class _Held:
    """A server that runs. The task that started it has to end it, too: the SDK's connections want that."""

    offered: Offered
    task: asyncio.Task[None]
    enough: asyncio.Event


class Servers:
    """The servers in use, by name."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}

    @property
    def names(self) -> list[str]:
        """Which run."""
        return list(self._held)

    @property
    def tools(self) -> tuple[Tool, ...]:
        """What they all offer."""
        return tuple(tool for held in self._held.values() for tool in held.offered.tools)

    async def use(self, name: str) -> tuple[str, ...]:
        """Start the server, and return a line on each thing of it that is left out. Raises ToolError."""
        if name in self._held:
            return self._held[name].offered.notes
        ready: asyncio.Future[Offered] = asyncio.get_running_loop().create_future()
        enough = asyncio.Event()
        task = asyncio.create_task(_hold(name, ready, enough))
        try:
            offered = await ready
        except BaseException:
            task.cancel()
            await asyncio.wait([task])
            raise
        self._held[name] = _Held(offered, task, enough)
        return offered.notes

    async def drop(self, name: str) -> bool:
        """End the server; False where it does not run."""
        held = self._held.pop(name, None)
        if held is None:
            return False
        held.enough.set()
        await asyncio.wait([held.task])
        return True

    async def close(self) -> None:
        """End them all."""
        for name in self.names:
            await self.drop(name)


async def _hold(name: str, ready: asyncio.Future[Offered], enough: asyncio.Event) -> None:
    """Run the server until it is enough."""
    from agents.mcp.client import connected

    try:
        async with connected([name]) as offered:
            if not ready.done():
                ready.set_result(offered)
            await enough.wait()
    except Exception as error:
        if not ready.done():
            ready.set_exception(error)
