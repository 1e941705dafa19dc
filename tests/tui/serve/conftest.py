"""The server's application on a scripted model, asked in process, and a whole server on a loopback port."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from fireside.models.scripted import ScriptedModel
from tui.serve.access import Access
from tui.serve.app import App
from tui.serve.limits import Limits
from tui.serve.listen import bound, serve
from tui.serve.service import Service


@dataclass
class Asked:
    """An application with a client that needs no port."""

    app: App
    client: httpx.AsyncClient
    model: ScriptedModel
    service: Service

    async def post(self, route: str, **body: Any) -> httpx.Response:
        """POST a JSON body to a route below /v1."""
        return await self.client.post(f"/v1/{route}", json=body)

    async def chat(self, text: str = "Hello?", **body: Any) -> httpx.Response:
        """One question."""
        return await self.post("chat/completions", messages=[{"role": "user", "content": text}], **body)


@pytest.fixture
def asking() -> Callable[..., Any]:
    """`async with asking(replies) as asked:` answers requests from a scripted model."""

    @asynccontextmanager
    async def running(
        replies: Sequence[Any] = (),
        *,
        token: str | None = None,
        model: ScriptedModel | None = None,
        base_url: str = "http://localhost",
        **limits: Any,
    ) -> AsyncIterator[Asked]:
        scripted = model or ScriptedModel(replies)
        service = Service.of(scripted, await scripted.start(), Limits(**limits))
        app = App(service, Access(token, local=True))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=base_url, timeout=10) as client:
            yield Asked(app, client, scripted, service)

    return running


@pytest.fixture
def serving() -> Callable[..., Any]:
    """`async with serving(model) as url:` is a whole server on a free port, ended by SIGTERM."""

    @asynccontextmanager
    async def running(model: ScriptedModel, token: str | None = None, **limits: Any) -> AsyncIterator[str]:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(
            serve(model, bound("127.0.0.1", 0), token, Limits(**limits), lambda url: ready.set_result(url))
        )
        await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            task.result()
        try:
            yield ready.result()
        finally:
            signal.raise_signal(signal.SIGTERM)
            assert await asyncio.wait_for(task, 20) == 0

    return running


def events_of(response: httpx.Response) -> list[str]:
    """The data of server-sent events."""
    assert response.headers["content-type"] == "text/event-stream"
    assert response.text.endswith("\n\n")
    events = response.text.removesuffix("\n\n").split("\n\n")
    assert all(event.startswith("data: ") for event in events)
    return [event.removeprefix("data: ") for event in events]


@pytest.fixture(name="events_of")
def events_of_fixture() -> Callable[[httpx.Response], list[str]]:
    """See `events_of`."""
    return events_of
