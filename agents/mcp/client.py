"""The tools of MCP servers for a turn: connected, listed, and held to what was approved.

async with connected(["github"]) as offered:
    turn = Turn(messages, tools=offered.tools)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from agents.mcp import pins
from agents.mcp.connection import Connection
from agents.mcp.definitions import Definition
from agents.mcp.listing import listed
from agents.mcp.offers import Offered as Offered
from agents.mcp.offers import offered_tools
from agents.mcp.servers import read_server


@dataclass(frozen=True)
class Inspected:
    """What one server defines at this moment, and what of it is not as it was approved. first: it was never used."""

    definitions: tuple[Definition, ...]
    changes: tuple[pins.Change, ...]
    first: bool
    offered: Offered


@asynccontextmanager
async def connected(names: Sequence[str]) -> AsyncIterator[Offered]:
    """Start or reach the servers called `names`; yield their tools; end them.

    What a server defines is pinned at its first use; what is not as it was then is left out until it is approved.
    Raises ToolError where there is no such server, or one does not start.
    """
    connections = [Connection(name, read_server(name)) for name in dict.fromkeys(names)]
    try:
        # All are waited for, or a failure would leave the others to start behind the back of `close`.
        found = await asyncio.gather(*map(_started, connections), return_exceptions=True)
        for each in found:
            if isinstance(each, BaseException):
                raise each
        offers = [each for each in found if isinstance(each, Offered)]
        yield Offered(
            tuple(tool for offer in offers for tool in offer.tools),
            tuple(note for offer in offers for note in offer.notes),
        )
    finally:
        await asyncio.gather(*(connection.end() for connection in connections))


async def inspect(name: str) -> Inspected:
    """What the server called `name` defines and would offer. Nothing is pinned. Raises ToolError."""
    connection = Connection(name, read_server(name))
    try:
        await connection.open()
        definitions = await listed(connection)
    finally:
        await connection.close()
    approved = pins.read_pins(name)
    changed = pins.changes(approved, definitions) if approved is not None else ()
    offered = await asyncio.to_thread(offered_tools, connection, definitions, changed)
    return Inspected(definitions, changed, approved is None, offered)


async def _started(connection: Connection) -> Offered:
    await connection.open()
    definitions = await listed(connection)
    approved = pins.read_pins(connection.name)
    if approved is None:
        pins.approve(connection.name, definitions)
    changed = pins.changes(approved, definitions) if approved is not None else ()
    return await asyncio.to_thread(offered_tools, connection, definitions, changed)
