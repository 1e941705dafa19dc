"""How much the server takes on: sizes, times, and how many requests at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from tui.serve.problems import ApiError


@dataclass(frozen=True)
class Limits:
    """What one server accepts.

    parallel: replies written at once; they share the model's batches. waiting: requests that may wait beside them; one
    more is told to come back. body: bytes of a request's body. body_s: seconds until a body must have come whole.
    request_s: seconds a whole request may take.
    """

    parallel: int = 4
    waiting: int = 32
    body: int = 8_000_000
    body_s: float = 30.0
    request_s: float = 600.0


HEADER_S = 10.0
"""Seconds until a new or idle connection must have sent a whole request header."""

CONNECTIONS = 256
"""Open connections; one more is answered with 503."""

WEBSOCKET_BYTES = 4_000_000
"""The longest message of a WebSocket: what may be pasted at once."""

MOST_APPS = 8
"""Apps in browser pages at once, each with a model of its own."""

MOST_CHOICES = 128
"""Replies of one request: prompts times `n`."""


class Admission:
    """Counts the requests that work, and lets `parallel` replies be written at a time, first come, first served."""

    def __init__(self, limits: Limits) -> None:
        self._most = limits.parallel + limits.waiting
        self._slots = asyncio.Semaphore(limits.parallel)
        self.active = 0
        self.writing = 0

    @contextmanager
    def request(self) -> Iterator[None]:
        """A request is being worked on. Raises ApiError 429 where too many are."""
        if self.active >= self._most:
            raise ApiError(429, "too many requests are waiting", code="too_many_requests", headers={"Retry-After": "1"})
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1

    @asynccontextmanager
    async def reply(self) -> AsyncGenerator[None, None]:
        """Wait for a place to write one reply in."""
        async with self._slots:
            self.writing += 1
            try:
                yield
            finally:
                self.writing -= 1
