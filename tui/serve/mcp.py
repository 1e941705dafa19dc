"""Who may talk to `fireside mcp serve --http`: a program on this machine that holds the token, and no web page."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tui.serve.access import Access
from tui.serve.problems import ApiError

App = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass(frozen=True)
class Guarded:
    """An ASGI app behind the rules of `access`. A request that a web page of another origin made is refused, token or
    none, and so is one that reached this machine by another name (DNS rebinding)."""

    app: App
    access: Access

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass on what is allowed; answer 401 or 403 to the rest."""
        if scope["type"] == "http":
            try:
                self._check({name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]})
            except ApiError as error:
                await _refuse(send, error)
                return
        await self.app(scope, receive, send)

    def _check(self, headers: dict[str, str]) -> None:
        self.access.check_host(headers.get("host"))
        if "origin" in headers:
            try:
                self.access.check_host(urlsplit(headers["origin"]).netloc)
            except ValueError:
                self.access.check_host(None)
        self.access.check_token(headers.get("authorization"))


async def _refuse(send: Any, error: ApiError) -> None:
    body = json.dumps(error.document()).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **error.headers}
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
