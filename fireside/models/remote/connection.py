"""Calls to a server over HTTP: retries before an answer, deadlines, streams, and every failure as one error."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from fireside import __version__
from fireside.errors import ModelError
from fireside.models.remote.problems import is_retried, nonsense, refused, wait_before
from fireside.models.remote.server import RemoteServer
from fireside.models.remote.sse import EventDecoder
from fireside.text import for_terminal_line

if TYPE_CHECKING:
    import httpx

_LARGEST_DOCUMENT = 16 * 1024 * 1024
_LARGEST_ERROR = 64 * 1024
_QUICK_S = 30.0  # for questions that take a server no time, such as which models it has
_TAIL_S = 5.0  # for what follows the end of a reply: its token counts
_NO_SUCH_ROUTE = (404, 405, 501)


class NoRoute(ModelError):
    """The server has no such route."""


class Progress(Protocol):
    """How far a reply has come; `Connection.documents` is as patient as that allows."""

    @property
    def pieces(self) -> int:
        """How many pieces of it have come that say something."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the server has said that the reply is at its end."""
        ...


@dataclass(frozen=True)
class Answer:
    """A success, as far as its first bytes. rest: what follows them."""

    response: httpx.Response
    first: bytes
    rest: AsyncIterator[bytes]

    @property
    def kind(self) -> str:
        """Its media type, "" where it has none."""
        return str(self.response.headers.get("content-type", "")).partition(";")[0].strip().lower()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """All of it."""
        yield self.first
        async for chunk in self.rest:
            yield chunk

    async def aclose(self) -> None:
        """Close the connection, unless all was read."""
        await self.response.aclose()


class Connection:
    """A server and the connections to it. Many calls may be under way at once."""

    def __init__(self, server: RemoteServer) -> None:
        self._server = server
        self._quick_s = min(_QUICK_S, server.first_s)
        self._http: httpx.AsyncClient | None = None

    async def get(self, url: str) -> dict[str, Any]:
        """The JSON object at `url`. Raises ModelError, NoRoute."""
        return await self._whole(await self._send("GET", url, None, self._quick_s), self._quick_s)

    async def ask(self, url: str, body: dict[str, Any]) -> dict[str, Any]:
        """The JSON object that answers `body` at once. Raises ModelError, NoRoute."""
        return await self._whole(await self._send("POST", url, body, self._quick_s), self._quick_s)

    async def open(self, url: str, body: dict[str, Any]) -> Answer:
        """The answer to `body`, to be read by `documents` and closed by the caller. Raises ModelError, NoRoute."""
        return await self._send("POST", url, body, self._server.first_s)

    async def close(self) -> None:
        """Close the connections; the next call opens new ones."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def documents(self, answer: Answer, reply: Progress) -> AsyncGenerator[object, None]:
        """The documents of an answer: of a stream one by one, or one that is the whole. Raises ModelError."""
        import httpx

        server, loop = self._server, asyncio.get_running_loop()
        if answer.kind == "application/json":
            yield await self._whole(answer, server.total_s)
            if not reply.ended:
                raise nonsense(server.host, "an answer without an end")
            return
        if answer.kind not in ("text/event-stream", ""):
            what = "a web page" if "html" in answer.kind else "an answer that is no stream of events"
            raise nonsense(server.host, what)
        decoder, chunks = EventDecoder(), answer.chunks()
        end = loop.time() + server.total_s
        patience = server.first_s
        until = loop.time() + patience
        pieces = 0
        while True:
            try:
                async with asyncio.timeout_at(min(until, end)):
                    data = await anext(chunks, b"")
            except TimeoutError as error:
                if reply.ended:
                    return
                raise self._silent(server.total_s if end <= until else patience, whole=end <= until) from error
            except (httpx.HTTPError, httpx.StreamError) as error:
                data = b""
                failure: Exception | None = error
            else:
                failure = None
            if not data:
                if reply.ended:
                    return
                raise ModelError(
                    f"the server {server.host} closed the connection in the middle of its reply",
                    "ask again; the server's log may say why",
                ) from failure
            try:
                events = decoder.push(data)
            except ValueError as error:
                raise nonsense(server.host, "events that cannot be read") from error
            for event in events:
                if event.strip() == "[DONE]":
                    if not reply.ended:
                        raise ModelError(
                            f"the server {server.host} broke its reply off, and does not say why",
                            "another request may have taken its place (llama-cpp-python's server does so); ask again",
                        )
                    return
                yield _document(event, server.host)
                # A server's signs of life, comments and empty pieces, do not count: the model must go on.
                if reply.ended:
                    end = min(end, loop.time() + _TAIL_S)
                elif reply.pieces > pieces:
                    pieces, patience = reply.pieces, server.between_s
                    until = loop.time() + patience

    async def _send(self, method: str, url: str, body: dict[str, Any] | None, seconds: float) -> Answer:
        """Send a request until its answer is a success and has begun. seconds: until then. Raises ModelError."""
        import httpx

        server, http = self._server, self._client()
        key = server.key()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            # Half of a surrogate pair has no place in UTF-8.
            content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        for attempt in itertools.count():
            retry_after: str | None = None
            try:
                request = http.build_request(method, url, headers=headers, content=content)
                async with asyncio.timeout(seconds):
                    response = await http.send(request, stream=True)
                    if response.is_success:
                        return await _begun(response)
            except TimeoutError as error:
                raise self._silent(seconds) from error
            except (httpx.TransportError, httpx.InvalidURL, UnicodeError) as error:
                failure = self._unreachable(error)
            else:
                said = await self._error_body(response)
                failure = refused(server, response.status_code, response.headers, said, key)
                if response.status_code in _NO_SUCH_ROUTE:
                    failure = NoRoute(failure.message, failure.hint)
                if not is_retried(response.status_code, said):
                    raise failure
                retry_after = response.headers.get("retry-after")
            wait = wait_before(attempt, server.backoff_s, retry_after)
            if attempt >= server.retries or wait > server.longest_wait_s:
                raise failure
            await asyncio.sleep(wait)
        raise AssertionError("not reached")

    async def _whole(self, answer: Answer, seconds: float) -> dict[str, Any]:
        """An answer that is one JSON object. Raises ModelError."""
        import httpx

        host, data = self._server.host, bytearray()
        try:
            async with aclosing(answer), asyncio.timeout(seconds):
                async for chunk in answer.chunks():
                    data += chunk
                    if len(data) > _LARGEST_DOCUMENT:
                        raise nonsense(host, "an answer without end")
        except TimeoutError as error:
            raise self._silent(seconds) from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise ModelError(f"the server {host} closed the connection in its answer", "try again") from error
        try:
            text = data.decode("utf-8")
        except ValueError as error:
            raise nonsense(host, "an answer that is not UTF-8") from error
        document = _document(text, host)
        if not isinstance(document, dict):
            raise nonsense(host, "an answer that is no JSON object")
        return document

    async def _error_body(self, response: httpx.Response) -> str:
        """The beginning of an error's body; what cannot be read of it is left out."""
        import httpx

        data = bytearray()
        try:
            async with aclosing(response), asyncio.timeout(self._quick_s):
                async for chunk in response.aiter_bytes():
                    data += chunk
                    if len(data) > _LARGEST_ERROR:
                        break
        except (TimeoutError, httpx.HTTPError, httpx.StreamError):
            pass
        return data.decode("utf-8", "replace")

    def _client(self) -> httpx.AsyncClient:
        import httpx

        if self._http is None:
            try:
                self._http = httpx.AsyncClient(
                    # How long an answer may take is ours to watch: httpx starts anew with every byte.
                    timeout=httpx.Timeout(None, connect=self._server.connect_s),
                    follow_redirects=False,
                    trust_env=not self._server.is_loopback,
                    headers={"User-Agent": f"fireside/{__version__}", "Accept-Encoding": "identity"},
                )
            except (ImportError, ValueError, OSError) as error:
                raise ModelError(
                    f"connections to {self._server.host} cannot be made: {error}",
                    "look at the environment's proxy and certificate settings (HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE)",
                ) from error
        return self._http

    def _unreachable(self, error: Exception) -> ModelError:
        import httpx

        host = self._server.host
        if isinstance(error, httpx.ConnectTimeout):
            what = f"no connection to the server {host} within {self._server.connect_s:g} s"
        elif isinstance(error, httpx.ConnectError | httpx.InvalidURL | UnicodeError):
            what = f"no connection to the server {host}: {for_terminal_line(str(error)) or 'it failed'}"
        else:
            what = f"the server {host} closed the connection without an answer, or sent what is not HTTP"
        return ModelError(what, "check that it runs, and its url")

    def _silent(self, seconds: float, *, whole: bool = False) -> ModelError:
        if whole:
            return ModelError(
                f"the reply of the server {self._server.host} was not finished after {seconds:g} s",
                "ask for a shorter one, or raise total_s for this server",
            )
        return ModelError(
            f"nothing came from the server {self._server.host} for {seconds:g} s",
            "it may be busy or stuck; ask again, or raise first_s or between_s for this server",
        )


async def _begun(response: httpx.Response) -> Answer:
    """The answer, once its first bytes are there. Raises httpx.ReadError where it has none."""
    import httpx

    try:
        chunks = response.aiter_bytes()
        if first := await anext(chunks, b""):
            return Answer(response, first, chunks)
        raise httpx.ReadError("nothing was sent")
    except BaseException:
        await response.aclose()
        raise


def _document(text: str, host: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise nonsense(host, "what is not JSON") from error
