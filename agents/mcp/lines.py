"""MCP messages, a line of JSON each, between a pair of pipes and the streams that the SDK's sessions read and write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from agents.mcp.last_words import LastWords
from fireside.text import for_terminal_line

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

LONGEST_LINE = 4 * 1024 * 1024
"""Bytes of one message; also what an `asyncio.StreamReader` for `message_streams` has to be limited to."""
_MOST_UNASKED = 32 * 1024 * 1024
_MOST_GARBAGE = 100


@asynccontextmanager
async def message_streams(
    reader: asyncio.StreamReader,
    write: Callable[[bytes], Awaitable[None]],
    words: LastWords,
    *,
    notified: bool,
) -> AsyncIterator[TransportStreams]:
    """The two streams of an SDK session: what `reader` brings, and what goes to `write`.

    words: told of the end, and of what the other side did wrong: an endless line, more than 32 MB that nobody asked
    for, over a hundred lines that are no messages. notified: whether its notifications are passed on; a client that
    acts on none lets nobody fill its memory with them.
    """
    import anyio
    from mcp.shared.message import SessionMessage
    from mcp_types import JSONRPCNotification, jsonrpc_message_adapter

    to_session, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, from_session = anyio.create_memory_object_stream[SessionMessage](0)
    unasked = 0

    async def read() -> str:
        nonlocal unasked
        garbage = 0
        while True:
            try:
                line = await reader.readline()
            except ValueError:
                return f"it sent a line of more than {LONGEST_LINE} bytes"
            except OSError:
                return ""
            if not line:
                return ""
            unasked += len(line)
            if unasked > _MOST_UNASKED:
                return f"it sent more than {_MOST_UNASKED} bytes that nobody asked for"
            try:
                message = jsonrpc_message_adapter.validate_json(line, by_name=False)
            except ValueError:
                if shown := for_terminal_line(line.decode("utf-8", "replace"), 100):
                    words.garbage = shown
                    garbage += 1
                if garbage > _MOST_GARBAGE:
                    return f"it wrote over {_MOST_GARBAGE} lines that are not MCP"
                continue
            if notified or not isinstance(message, JSONRPCNotification):
                await to_session.send(SessionMessage(message))

    async def pump_in() -> None:
        async with to_session:
            try:
                words.wrong = await read()
                words.over = True
            except (anyio.ClosedResourceError, anyio.BrokenResourceError):
                return  # the session is over

    async def pump_out() -> None:
        nonlocal unasked
        async with from_session:
            async for each in from_session:
                unasked = 0
                try:
                    await write(each.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
                except OSError:
                    return

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pump_in)
        tasks.start_soon(pump_out)
        try:
            async with incoming, outgoing:
                yield incoming, outgoing
        finally:
            tasks.cancel_scope.cancel()
