"""Runs the server: binds the address, loads the model, listens until a signal, and ends in order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any, Literal

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from fireside.errors import FiresideError
from fireside.models.types import ChatModel
from tui.serve.access import access_for
from tui.serve.app import App
from tui.serve.limits import CONNECTIONS, HEADER_S, WEBSOCKET_BYTES, Limits
from tui.serve.service import Service

_SECONDS_TO_END = 5


def bound(host: str, port: int) -> socket.socket:
    """A socket bound to `host` and `port` (0: any free one). Raises FiresideError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except (OSError, UnicodeError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else "not a host name"
        raise FiresideError(
            f"cannot listen on {host} port {port}: {reason}", "choose another --port (0 takes any free one) or --host"
        ) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """The address that clients use, without `/v1`."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(
    model: ChatModel, listener: socket.socket, token: str | None, limits: Limits, ready: Callable[[str], None]
) -> int:
    """Serve `model` until SIGINT or SIGTERM; `ready` is told the URL once. Returns 130 after SIGINT, else 0.

    Raises FiresideError: a token is missing, or the model cannot be loaded.
    """
    with contextlib.closing(listener):
        access = access_for(listener.getsockname()[0], token)
        try:
            service = Service.of(model, await model.start(), limits)
            return await run_app(App(service, access), listener, ready)
        finally:
            await model.close()


async def run_app(
    app: Any,
    listener: socket.socket,
    ready: Callable[[str], None],
    lifespan: Literal["on", "off"] = "off",
    ws: Literal["websockets-sansio", "none"] = "none",
) -> int:
    """Serve the ASGI `app` on `listener` until SIGINT or SIGTERM; `ready` is told the URL once. Returns 130 after
    SIGINT, else 0. lifespan: whether the app is told of its start and its end. ws: what speaks WebSocket, if any."""
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws=ws,
        ws_max_size=WEBSOCKET_BYTES,
        ws_per_message_deflate=False,  # nothing is gained between two programs of one machine
        lifespan=lifespan,
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=_SECONDS_TO_END,
    )
    return await _until_signal(_Server(config, lambda: ready(url_of(listener))), listener)


async def _until_signal(server: uvicorn.Server, listener: socket.socket) -> int:
    came: list[int] = []

    def end(number: int) -> None:
        # The second signal does not wait for replies under way.
        server.force_exit = bool(came)
        server.should_exit = True
        came.append(number)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    try:
        await server.serve(sockets=[listener])
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    return 130 if came and came[0] == signal.SIGINT else 0


class _Server(uvicorn.Server):
    """uvicorn's server without its own signal handlers, which would end the process before the model is closed."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


class _Protocol(H11Protocol):
    """A connection that must send a whole request header within `HEADER_S` of its opening, and of each answer."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._answering():
            self._stop_waiting()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # A request that was sent ahead may be under way by now.
        if not self._answering():
            self._expect_request()

    def handle_websocket_upgrade(self, event: Any) -> None:
        # The connection is another protocol's from here on, and may be silent for as long as it likes.
        self._stop_waiting()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_waiting()

    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_request(self) -> None:
        self._stop_waiting()
        self._deadline = self.loop.call_later(HEADER_S, self.timeout_keep_alive_handler)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
