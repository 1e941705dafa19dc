"""One HTTP request and its response, over ASGI: reads the body, answers once, notices a client that left."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, MutableMapping
from contextlib import aclosing
from typing import Any, TypeAlias

from tui.serve.limits import Limits
from tui.serve.problems import ApiError

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_LAST_EVENT_S = 5.0
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class ClientGone(Exception):
    """The client has closed its connection; nobody waits for an answer."""


def encoded(document: object) -> bytes:
    """`document` as JSON. What UTF-8 cannot hold (half of a surrogate pair in a call's arguments) becomes `?`."""
    return _JSON.encode(document).encode("utf-8", "replace")


class Exchange:
    """A request with its answer. `status` is 0 until the answer has begun."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope.get("method", "GET")  # a WebSocket's handshake names none
        self.path: str = scope["path"]
        self._headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        self._receive, self._send = receive, send
        self._body_read = False
        self._streaming = False
        self.status = 0

    def header(self, name: str) -> str | None:
        """The value of a header, by its name in lower case."""
        return self._headers.get(name)

    async def body(self, limits: Limits) -> bytes:
        """The whole body. Raises ApiError: not JSON by its type (415), too long (413), too slow (408); ClientGone."""
        # A web page of another origin cannot send this type without asking first, and is never allowed to.
        if (self.header("content-type") or "").partition(";")[0].strip().lower() != "application/json":
            raise ApiError(415, "the body must be JSON, with Content-Type: application/json", code="not_json")
        too_long = ApiError(413, f"the body is longer than {limits.body} bytes", code="body_too_large")
        announced = self.header("content-length") or "0"
        if not announced.isdecimal() or len(announced) > 18 or int(announced) > limits.body:
            raise too_long
        parts, size = [], 0
        try:
            async with asyncio.timeout(limits.body_s):
                while True:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        raise ClientGone
                    part = message.get("body", b"")
                    size += len(part)
                    if size > limits.body:
                        raise too_long
                    parts.append(part)
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            raise ApiError(408, f"the body did not come within {limits.body_s:g} s", code="body_too_slow") from None
        self._body_read = True
        return b"".join(parts)

    async def while_connected(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work`, and cancel it where the client leaves. The body has been read. Raises ClientGone."""
        task, gone = asyncio.create_task(work), asyncio.create_task(self._gone())
        try:
            await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise ClientGone
            await task
        finally:
            task.cancel()
            gone.cancel()
            await asyncio.gather(task, gone, return_exceptions=True)

    async def answer(self, document: object, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send one JSON document as the whole answer."""
        await self.answer_bytes(encoded(document), "application/json", status, headers)

    async def answer_bytes(
        self, data: bytes, content_type: str, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send `data` as the whole answer."""
        await self._start(status, {"Content-Type": content_type, "Content-Length": str(len(data)), **(headers or {})})
        await self._send({"type": "http.response.body", "body": data})

    async def stream(self, documents: AsyncGenerator[object, None]) -> None:
        """Send documents as server-sent events as they come, and `[DONE]` at the end.

        The answer begins with the first one, so that what fails before it still has a status of its own.
        """
        async with aclosing(documents):
            async for document in documents:
                if not self.status:
                    self._streaming = True
                    await self._start(200, {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
                await self._event(encoded(document))
        await self._event(b"[DONE]", last=True)

    async def fail(self, error: ApiError) -> None:
        """Send an error: as the answer, or, where a stream has begun, as its last event."""
        if not self.status:
            # What is left of a body that was not read is not worth reading.
            headers = error.headers if self._body_read else {**error.headers, "Connection": "close"}
            await self.answer(error.document(), error.status, headers)
        elif self._streaming:
            # A client that reads nothing any more is not waited for.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_EVENT_S):
                    await self._event(encoded(error.document()), last=True)

    async def _start(self, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        fields = {"X-Content-Type-Options": "nosniff", **headers}
        lines = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": lines})

    async def _event(self, data: bytes, *, last: bool = False) -> None:
        await self._send({"type": "http.response.body", "body": b"data: " + data + b"\n\n", "more_body": not last})

    async def _gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
