"""A small internet for tests: names and addresses of its own, all of which lead to one server on this machine.

`World.naive_get` is what a program without a guard does; a case counts only if it gets through there.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import unquote, urljoin

import httpcore

from agents.fetch.addresses import Address
from agents.fetch.connect import Network

PUBLIC, PUBLIC_6 = "93.184.215.14", "2a00:1450:4001:80b::200e"
SECRET = b"the secret of the machine room"
ENOUGH = 400_000  # bytes after which the naive program has shown that it has no limit
Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


def reply(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A whole reply over HTTP."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class World:
    """names: the addresses of a name, one tuple a look-up, the last for all further ones. down: addresses that do not
    answer. redirects: of a path. answers: of a path, anything else; other paths hold the secret."""

    names: dict[str, list[tuple[str, ...]]] = field(default_factory=lambda: {"public.example": [(PUBLIC,)]})
    down: set[str] = field(default_factory=set)
    redirects: dict[str, str] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    dialled: list[tuple[str, int]] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    port: int = 0
    tls: ssl.SSLContext | None = None
    serving: set[asyncio.Task[None]] = field(default_factory=set)

    def forget(self) -> None:
        """Nothing has happened yet."""
        self.dialled.clear()
        self.requests.clear()

    async def look_up(self, host: str, port: int) -> tuple[str, ...]:
        """The next answer for a name; without one, what the C library makes of a number."""
        answers = self.names.get(host.lower().rstrip("."))
        if answers is not None:
            return answers.pop(0) if len(answers) > 1 else answers[0]
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return tuple(str(address[0]) for *_, address in found)

    async def dial(self, address: Address | str, port: int, timeout_s: float) -> httpcore.AsyncNetworkStream:
        """Whatever the address, the one server."""
        self.dialled.append((str(address), port))
        if str(address) in self.down:
            raise httpcore.ConnectError("no route")
        return await httpcore.AnyIOBackend().connect_tcp("127.0.0.1", self.port, timeout=timeout_s)

    def network(self) -> Network:
        """For the guarded client."""
        tls = self.tls
        return Network(self.look_up, self.dial, (lambda: tls) if tls else ssl.create_default_context)

    async def naive_get(self, url: str, hops: int = 8) -> bytes:
        """Read a URL as browsers and C libraries do, resolve, connect, follow, and read on."""
        for _ in range(hops):
            scheme, host, port, path = loosely_read(url)
            stream = await self._first_that_answers(await self.look_up(host, port), port)
            if scheme == "https" and self.tls is not None:
                stream = await stream.start_tls(self.tls, server_hostname=host)
            await stream.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            received = b""
            with contextlib.suppress(httpcore.ReadError):
                while len(received) < ENOUGH and (piece := await stream.read(65536, 5)):
                    received += piece
            await stream.aclose()
            location = re.search(rb"(?i)\nlocation: ([^\r\n]*)", received.partition(b"\r\n\r\n")[0])
            if location is None:
                return received
            url = urljoin(url, location[1].decode().replace("\\", "/"))
        return b"redirected without end"

    async def _first_that_answers(self, addresses: tuple[str, ...], port: int) -> httpcore.AsyncNetworkStream:
        for address in addresses:
            with contextlib.suppress(httpcore.ConnectError):
                return await self.dial(address, port, 5)
        raise AssertionError("nothing answers")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._reply(await reader.readuntil(b"\r\n\r\n"), writer)
        finally:
            self.serving.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    async def _reply(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        self.requests.append(request)
        path = request.split(b" ", 2)[1].decode()
        if path in self.redirects:
            writer.write(reply(b"", f"Location: {self.redirects[path]}", status="302 Found"))
        elif path in self.answers:
            await self.answers[path](path, writer)
        else:
            writer.write(reply(SECRET, "Content-Type: text/plain"))
        await writer.drain()


@contextlib.asynccontextmanager
async def served(world: World, certificate: ssl.SSLContext | None = None) -> AsyncIterator[World]:
    """`world` with its server running."""
    server = await asyncio.start_server(world.serve, "127.0.0.1", 0, ssl=certificate)
    world.port = server.sockets[0].getsockname()[1]
    try:
        yield world
    finally:
        server.close()
        unfinished = tuple(world.serving)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)


def loosely_read(url: str) -> tuple[str, str, int, str]:
    """Scheme, host, port and path, as lenient programs read them (after the WHATWG's URL parser)."""
    url = re.sub(r"[\t\n]", "", url.strip()) if "\r" not in url else url
    match = re.fullmatch(r"(?s)([a-zA-Z]+):[/\\]*([^/\\?#]*)(.*)", url)
    assert match is not None
    host = unquote(match[2].rpartition("@")[2])
    port = 443 if match[1].lower() == "https" else 80
    if numbered := re.fullmatch(r"(.*):(\d+)", host) if not host.endswith("]") else None:
        host, port = numbered[1], int(numbered[2])
    host = unicodedata.normalize("NFKC", host.strip("[]")).replace("。", ".").partition("%")[0]
    if re.fullmatch(r"[\d.]+\.", host):
        host = host[:-1]
    return match[1].lower(), host, port, match[3].replace("\\", "/") or "/"
