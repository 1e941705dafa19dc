"""An MCP server at an address: streamable HTTP, with its token, its replies bounded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from agents.mcp.last_words import LastWords
from agents.mcp.lines import LONGEST_LINE
from agents.mcp.servers import Server, variable

if TYPE_CHECKING:
    import httpx2
    from mcp.client._transport import TransportStreams


@asynccontextmanager
async def web_streams(name: str, server: Server, words: LastWords) -> AsyncIterator[TransportStreams]:
    """The streams of a session with the server at `server.url`. Redirects are followed on its own origin alone.

    words: is told of replies that say it went wrong. Raises ToolError where its token's variable is not set.
    """
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    async def check(response: httpx2.Response) -> None:
        if response.status_code >= 400:
            words.said = f"HTTP status {response.status_code}"
        _bound(response)

    headers = {"Accept-Encoding": "identity"}
    if server.token_variable is not None:
        headers["Authorization"] = f"Bearer {variable(server.token_variable, name)}"
    client = httpx2.AsyncClient(
        headers=headers,
        timeout=httpx2.Timeout(server.start_s, read=server.start_s + server.timeout_s),
        event_hooks={"response": [check]},
        trust_env=False,  # no proxy of the environment's sees the token
    )
    async with client, streamable_http_client(server.url, http_client=client, max_sse_event_size=LONGEST_LINE) as both:
        yield both


def _bound(response: httpx2.Response) -> None:
    """Let no reply that is read whole fill the memory; of a stream, the SDK bounds each event."""
    import httpx2

    response.headers.pop("content-encoding", None)  # none was asked for, and a small one may unpack to anything
    if response.headers.get("content-type", "").lower().startswith("text/event-stream"):
        return
    inner, total = response.stream, 0

    class Bounded(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal total
            assert isinstance(inner, httpx2.AsyncByteStream)
            async for piece in inner:
                total += len(piece)
                if total > LONGEST_LINE:
                    raise httpx2.StreamError(f"the server's reply is longer than {LONGEST_LINE} bytes")
                yield piece

        async def aclose(self) -> None:
            assert isinstance(inner, httpx2.AsyncByteStream)
            await inner.aclose()

    response.stream = Bounded()
