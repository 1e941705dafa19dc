"""The ASGI application: checks who asks, finds the route, answers, and turns every failure into an error document."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from tui.console import note
from tui.serve import chat, completions
from tui.serve.access import Access
from tui.serve.embeddings import embeddings
from tui.serve.exchange import ClientGone, Exchange, Receive, Scope, Send
from tui.serve.metrics import CONTENT_TYPE
from tui.serve.problems import ApiError
from tui.serve.service import Service, unknown_model
from tui.serve.shapes import ChatBody, CompletionBody, EmbeddingBody, TokenizeBody, parsed
from tui.serve.tokenize import tokenize

Handler: TypeAlias = Callable[[Exchange, bytes], Coroutine[Any, Any, None]]
_CLIENT_GONE = 499  # nginx's status for a client that closed its connection; only the metrics see it


class App:
    """The server's routes. See `Service` for what they work with and `Access` for who may use them."""

    def __init__(self, service: Service, access: Access) -> None:
        self._service, self._access = service, access
        self._routes: dict[str, tuple[str, Handler]] = {
            "/health": ("GET", self._health),
            "/metrics": ("GET", self._metrics),
            "/v1/models": ("GET", self._models),
            "/v1/chat/completions": ("POST", self._chat),
            "/v1/completions": ("POST", self._completions),
            "/v1/embeddings": ("POST", self._embeddings),
            "/tokenize": ("POST", self._tokenize),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, as ASGI hands it over."""
        exchange = Exchange(scope, receive, send)
        route = exchange.path if exchange.path in self._routes else "other"
        status = 0
        try:
            await self._answer(exchange)
        except ApiError as error:
            status = error.status
            await exchange.fail(error)
        except ClientGone:
            status = _CLIENT_GONE
        except Exception:  # a mistake of ours must not end the server, nor show its inside to a client
            status = 500
            note(f"error: a request to {route} failed\n{traceback.format_exc().rstrip()}")
            await exchange.fail(ApiError(500, "the server failed on this request", code="internal_error"))
        finally:
            self._service.metrics.answered(route, status or exchange.status)

    async def _answer(self, exchange: Exchange) -> None:
        self._access.check_host(exchange.header("host"))
        if exchange.path != "/health":
            self._access.check_token(exchange.header("authorization"))
        method, handler = self._route(exchange.path)
        if exchange.method != method:
            raise ApiError(405, f"{exchange.path} takes {method} alone", headers={"Allow": method})
        limits = self._service.limits
        if method == "GET":
            await handler(exchange, b"")
            return
        with self._service.admission.request():
            body = await exchange.body(limits)
            try:
                async with asyncio.timeout(limits.request_s) as limit:
                    await exchange.while_connected(handler(exchange, body))
            except TimeoutError:
                if not limit.expired():
                    raise
                raise ApiError(504, f"the request took longer than {limits.request_s:g} s", code="timeout") from None

    def _route(self, path: str) -> tuple[str, Handler]:
        if path in self._routes:
            return self._routes[path]
        if path.startswith("/v1/models/"):
            return "GET", self._model
        raise ApiError(404, f"there is nothing at {path}", code="not_found")

    async def _health(self, exchange: Exchange, _: bytes) -> None:
        await exchange.answer({"status": "ok"})

    async def _metrics(self, exchange: Exchange, _: bytes) -> None:
        admission = self._service.admission
        page = self._service.metrics.text(admission.active, admission.writing)
        await exchange.answer_bytes(page.encode(), CONTENT_TYPE)

    async def _models(self, exchange: Exchange, _: bytes) -> None:
        await exchange.answer({"object": "list", "data": self._service.catalogue()})

    async def _model(self, exchange: Exchange, _: bytes) -> None:
        name = exchange.path.removeprefix("/v1/models/")
        for each in self._service.catalogue():
            if each["id"] == name:
                await exchange.answer(each)
                return
        raise unknown_model(name, self._service.model.name)

    async def _chat(self, exchange: Exchange, data: bytes) -> None:
        body = parsed(data, ChatBody)
        if body.stream:
            await exchange.stream(chat.chunks(self._service, body))
        else:
            await exchange.answer(await chat.whole(self._service, body))

    async def _completions(self, exchange: Exchange, data: bytes) -> None:
        body = parsed(data, CompletionBody)
        if body.stream:
            await exchange.stream(completions.chunks(self._service, body))
        else:
            await exchange.answer(await completions.whole(self._service, body))

    async def _tokenize(self, exchange: Exchange, data: bytes) -> None:
        await exchange.answer(await tokenize(self._service, parsed(data, TokenizeBody)))

    async def _embeddings(self, exchange: Exchange, data: bytes) -> None:
        await exchange.answer(await embeddings(self._service, parsed(data, EmbeddingBody)))
