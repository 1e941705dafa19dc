"""`fireside serve --web`: the app in a browser of this machine. Checks who asks, gives the page, connects it to an app.

Of textual-serve this takes the browser's half, its script and font, and the protocol. Its own server asks nobody for a
token, looks at neither Host nor Origin, has fonts fetched from elsewhere, and waits for its apps without an end.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Callable, Sequence
from urllib.parse import parse_qs

from textual.theme import Theme

from fireside.errors import FiresideError
from fireside.text import for_terminal
from tui.console import note
from tui.serve.access import Access, is_loopback, same_secret
from tui.serve.exchange import Exchange, Receive, Scope, Send
from tui.serve.limits import MOST_APPS
from tui.serve.listen import run_app
from tui.serve.problems import ApiError
from tui.serve.web_messages import cells, for_page, from_page
from tui.serve.web_page import page, page_files, security_headers
from tui.serve.web_process import AppProcess

_COOKIE = "fireside"


async def serve_web(
    theme: Theme, arguments: Sequence[str], listener: socket.socket, ready: Callable[[str], None]
) -> int:
    """Serve the app until SIGINT or SIGTERM; `ready` is told the URL that lets a browser in, once. Returns 130 after
    SIGINT, else 0. arguments: see `AppProcess.start`. Raises FiresideError: others could connect to `listener`."""
    with contextlib.closing(listener):
        if not is_loopback(listener.getsockname()[0]):
            raise FiresideError("the app in a browser is for this machine alone", "leave --host out")
        web = Web(theme, arguments)
        return await run_app(web, listener, lambda url: ready(web.address(url)), ws="websockets-sansio")


class Web:
    """The ASGI application. A token lets a browser in once, which then holds a cookie."""

    def __init__(self, theme: Theme, arguments: Sequence[str], most: int = MOST_APPS) -> None:
        """most: apps at once. The secrets are drawn here.

        A cookie goes to every port of a host, but only to the path that it names: the page's has a name of its own, so
        that no other server of this machine is sent it.
        """
        self._access = Access(None, local=True)
        self._token, self._session = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self._base = f"/{secrets.token_hex(8)}/"
        self._files = page_files(theme)
        self._arguments = arguments
        self._most = most
        self._apps = 0

    def address(self, url: str) -> str:
        """What to open in the browser, for a server at `url`."""
        return f"{url}/?token={self._token}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or one WebSocket, as ASGI hands it over."""
        exchange = Exchange(scope, receive, send)
        connecting = scope["type"] == "websocket"
        try:
            self._check(exchange, scope, connecting=connecting)
            if connecting:
                await self._connect(scope, receive, send)
            else:
                await self._answer(exchange)
        except ApiError as error:
            prefix = "websocket." if connecting else ""
            await _refuse(error, send, prefix)

    def _check(self, exchange: Exchange, scope: Scope, *, connecting: bool) -> None:
        """Raises ApiError for a request of anybody else than the browser that was let in, or is now."""
        host, origin = exchange.header("host"), exchange.header("origin")
        self._access.check_host(host)
        if connecting or origin is not None:
            self._access.check_origin(origin, host)
        if exchange.path == "/" and not connecting:
            given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
            if same_secret(given, self._token):
                return
        elif same_secret(_cookie(exchange.header("cookie") or ""), self._session):
            return
        raise ApiError(401, "this browser has not been let in: open the address that fireside serve --web printed")

    async def _answer(self, exchange: Exchange) -> None:
        host = exchange.header("host") or ""
        headers = security_headers(host)
        if exchange.method != "GET":
            raise ApiError(405, "this takes GET alone", headers={"Allow": "GET"})
        name = exchange.path.removeprefix(self._base) if exchange.path.startswith(self._base) else None
        if exchange.path == "/":
            cookie = f"{_COOKIE}={self._session}; Path={self._base}; HttpOnly; SameSite=Strict"
            entry = {"Location": self._base, "Set-Cookie": cookie}
            await exchange.answer_bytes(b"", "text/plain", 303, {**headers, **entry})
        elif name == "":
            await exchange.answer_bytes(page(host, self._base), "text/html; charset=utf-8", 200, headers)
        elif name in self._files:
            file = self._files[name]
            await exchange.answer_bytes(file.data, file.media_type, 200, headers)
        else:
            raise ApiError(404, "there is nothing here")

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An app for this WebSocket, until one of the two ends."""
        if scope["path"] != f"{self._base}ws":
            raise ApiError(404, "there is nothing here")
        size = parse_qs(scope["query_string"].decode("latin-1"))
        width, height = (cells(size.get(name, [""])[0]) for name in ("width", "height"))
        await receive()
        await send({"type": "websocket.accept"})
        if self._apps >= self._most:
            await _last_words(send, f"error: {self._most} pages have the app open, and that is the most; close one")
            return
        self._apps += 1
        try:
            await _run(await AppProcess.start(self._arguments, width, height), receive, send)
        finally:
            self._apps -= 1


async def _run(app: AppProcess, receive: Receive, send: Send) -> None:
    ways = asyncio.create_task(_to_browser(app, send)), asyncio.create_task(_to_app(app, receive))
    said = ""
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        # A browser that left, or an app that ended, is no failure of the other way.
        await asyncio.gather(*ways, return_exceptions=True)
        said = await app.end()
    if said:
        note(said)
    await _last_words(send, said)


async def _to_browser(app: AppProcess, send: Send) -> None:
    async for kind, data in app.packets():
        if kind == "D":
            await send({"type": "websocket.send", "bytes": data})
        elif kind == "M" and (text := for_page(data)) is not None:
            await send({"type": "websocket.send", "text": text})


async def _to_app(app: AppProcess, receive: Receive) -> None:
    while (event := await receive())["type"] == "websocket.receive":
        match from_page(event.get("text")):
            case str(text):
                await app.keys(text)
            case dict(message):
                await app.tell(message)


async def _last_words(send: Send, text: str) -> None:
    """Show a text where the app was, if there is one, and close."""
    with contextlib.suppress(OSError, RuntimeError):  # the browser may have left before
        if text:
            shown = "\x1b[?1049l\x1b[0m\x1b[2J\x1b[H" + for_terminal(text).replace("\n", "\r\n")
            await send({"type": "websocket.send", "bytes": shown.encode()})
        await send({"type": "websocket.close", "code": 1000})


async def _refuse(error: ApiError, send: Send, prefix: str) -> None:
    """Answer a request, or the handshake of a WebSocket (prefix: `websocket.`), with a line of text."""
    fields = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff", "Connection": "close"}
    fields |= security_headers("localhost") | error.headers
    lines = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()]
    await send({"type": f"{prefix}http.response.start", "status": error.status, "headers": lines})
    await send({"type": f"{prefix}http.response.body", "body": f"{error.message}\n".encode()})


def _cookie(header: str) -> str:
    """The value of our cookie in a Cookie header, or nothing."""
    for each in header.split(";"):
        name, _, value = each.strip().partition("=")
        if name == _COOKIE:
            return value
    return ""
