"""A model whose replies are computed in batches: what is asked while one batch is computed makes the next one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from fireside.errors import FiresideError
from fireside.models.client import WorkerModel
from fireside.models.types import Foreseen, ModelInfo, Prompt, ReplyEvent, Request

_Outcome = list[ReplyEvent] | FiresideError


class Together:
    """A `ChatModel` for evaluation, where many turns run at once and nobody reads along.

    Each reply comes whole, when its batch is done. A turn that goes away before still has its reply computed.
    """

    def __init__(self, model: WorkerModel) -> None:
        """model: one that `batches`."""
        self._model = model
        self._waiting: list[tuple[Request, asyncio.Future[_Outcome]]] = []
        self._computing: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """See `ChatModel.name`."""
        return self._model.name

    async def start(self) -> ModelInfo:
        """See `ChatModel.start`."""
        return await self._model.start()

    async def parameters(self) -> int:
        """See `ChatModel.parameters`."""
        return await self._model.parameters()

    async def generate(self, request: Request) -> AsyncGenerator[ReplyEvent, None]:
        """See `ChatModel.generate`."""
        future: asyncio.Future[_Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if self._computing is None:
            self._computing = asyncio.create_task(self._compute())
        outcome = await future
        if isinstance(outcome, FiresideError):
            raise outcome
        for event in outcome:
            yield event

    async def count_tokens(self, prompt: Prompt) -> int:
        """See `ChatModel.count_tokens`; the answer waits for the batch that is computed."""
        return await self._model.count_tokens(prompt)

    async def foresee(self, request: Request) -> Foreseen:
        """See `ChatModel.foresee`."""
        return await self._model.foresee(request)

    async def close(self) -> None:
        """See `ChatModel.close`. Replies that are waited for raise WorkerDied."""
        await self._model.close()
        if self._computing is not None:
            await self._computing

    async def _compute(self) -> None:
        """One batch after another, until nothing waits."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                outcomes: list[_Outcome]
                try:
                    outcomes = await self._model.generate_many([request for request, _ in batch])
                except FiresideError as error:
                    outcomes = [error] * len(batch)
                for (_, future), outcome in zip(batch, outcomes, strict=True):
                    if not future.done():
                        future.set_result(outcome)
        finally:
            self._computing = None
