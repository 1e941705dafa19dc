"""A server in the test process that does what a test tells it, byte by byte; and the model that talks to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from fireside.models.remote import RemoteModel, RemoteServer

STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


Act = Callable[[asyncio.StreamWriter], Awaitable[None]]
Step = bytes | Act


@dataclass
class FakeServer:
    """Answers `/v1/models` by itself, and each other request with the next of `steps`: bytes, or what a function does.

    A connection is closed after its answer. `gone` is set when a client has left before the answer was over.
    """

    models: list[dict[str, Any]] | bytes = field(default_factory=lambda: [{"id": "some-1b", "object": "model"}])
    steps: list[Step] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""
    handling: set[asyncio.Task[None]] = field(default_factory=set)

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A client has connected."""
        self.handling.add(asyncio.create_task(self._handle(reader, writer)))

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            asked = await _read(reader)
            self.asked.append(asked)
            if asked.path == "/v1/models":
                step: Step = self.models if isinstance(self.models, bytes) else answer({"data": self.models})
            else:
                step = self.steps.pop(0)
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            else:
                left = asyncio.create_task(self._left(reader))
                acting = asyncio.ensure_future(step(writer))
                await asyncio.wait((left, acting), return_when=asyncio.FIRST_COMPLETED)
                left.cancel()
                acting.cancel()
                await asyncio.gather(left, acting, return_exceptions=True)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def _left(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        self.gone.set()

    @property
    def bodies(self) -> list[Any]:
        """What was posted."""
        return [each.body for each in self.asked if each.method == "POST"]


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    method, path, _ = first.split(" ")
    return Asked(method, path, headers, json.loads(body) if body else None)


def answer(document: object, status: str = "200 OK", **headers: str) -> bytes:
    """A whole JSON answer."""
    return raw(json.dumps(document).encode(), status, "application/json", **headers)


def raw(body: bytes, status: str = "200 OK", kind: str = "text/plain", **headers: str) -> bytes:
    """A whole answer."""
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    return (head + "".join(lines) + "\r\n").encode() + body


def event(document: object) -> bytes:
    """One server-sent event."""
    return b"data: " + (document if isinstance(document, bytes) else json.dumps(document).encode()) + b"\n\n"


def piece(delta: Mapping[str, Any] | str, finish: str | None = None, **more: Any) -> bytes:
    """An event with a piece of a chat reply."""
    delta = {"content": delta} if isinstance(delta, str) else delta
    choice = {"index": 0, "delta": delta, "finish_reason": finish, **more}
    return event({"object": "chat.completion.chunk", "choices": [choice]})


def streamed(*pieces: bytes, finish: str = "stop", usage: Mapping[str, Any] | None = None) -> bytes:
    """A whole stream: the pieces, the end, the token counts where given, `[DONE]`."""
    counts = event({"object": "chat.completion.chunk", "choices": [], "usage": usage}) if usage else b""
    return STREAM + b"".join(pieces) + piece({}, finish) + counts + event(b"[DONE]")


@asynccontextmanager
async def talking(
    steps: Sequence[Step] = (), *, models: Any = None, **settings: Any
) -> AsyncIterator[tuple[RemoteModel, FakeServer]]:
    """A model and its server; waits and time limits are short unless set."""
    fake = FakeServer(steps=list(steps))
    if models is not None:
        fake.models = models
    listener = await asyncio.start_server(fake.connected, "127.0.0.1", 0)
    async with listener:
        fake.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
        short = {"backoff_s": 0.001, "connect_s": 5.0, "first_s": 5.0, "between_s": 5.0, "total_s": 20.0}
        model = RemoteModel("far", RemoteServer(**{"url": fake.url, **short, **settings}))
        try:
            yield model, fake
        finally:
            await model.close()
            await asyncio.wait_for(asyncio.gather(*fake.handling), 10)


async def hang(_: asyncio.StreamWriter) -> None:
    """Say nothing, until the client has left."""
    await asyncio.Event().wait()


def then(data: bytes, act: Act = hang) -> Act:
    """Send `data`, and go on with `act`."""

    async def both(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await act(writer)

    return both


def endless(part: bytes, head: bytes = STREAM) -> Act:
    """Send `part` again and again."""

    async def sending(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)

    return sending


@pytest.fixture
def wire() -> SimpleNamespace:
    """The functions above, which tests cannot import from here."""
    names = (answer, raw, event, piece, streamed, talking, hang, then, endless)
    return SimpleNamespace(STREAM=STREAM, **{each.__name__: each for each in names})


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
