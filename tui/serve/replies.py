"""Runs the generations of one request side by side, and tells their events as they come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from fireside.errors import FiresideError
from fireside.models.types import Finished, PromptScored, ReplyEvent, Request, Usage
from tui.serve.problems import failure
from tui.serve.service import Service

# Events kept for a slow reader; beyond them the generation itself waits.
_AHEAD = 64


async def side_by_side(service: Service, requests: Sequence[Request]) -> AsyncGenerator[tuple[int, ReplyEvent], None]:
    """The events of all `requests` as they come, each with the place of its request; the last of each is Finished.

    Closing the generator stops the engine for every one of them. Raises ApiError: the model cannot be loaded, refuses
    a request, or its process dies.
    """
    began = time.monotonic()
    await service.started()
    queue: asyncio.Queue[tuple[int, ReplyEvent | Exception]] = asyncio.Queue(_AHEAD)

    async def follow(index: int) -> None:
        first = True
        try:
            async with service.admission.reply(), aclosing(service.model.generate(requests[index])) as events:
                async for event in events:
                    if first and not isinstance(event, (PromptScored, Finished)):
                        first = False
                        service.metrics.began(time.monotonic() - began)
                    if isinstance(event, Finished):
                        service.metrics.finished(event)
                    await queue.put((index, event))
        except Exception as error:  # raised again where the events are read
            await queue.put((index, error))

    tasks = [asyncio.create_task(follow(index)) for index in range(len(requests))]
    under_way = len(tasks)
    try:
        while under_way:
            index, event = await queue.get()
            if isinstance(event, FiresideError):
                raise failure(event) from event
            if isinstance(event, Exception):
                raise event
            if isinstance(event, Finished):
                under_way -= 1
            yield index, event
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def usage_of(ends: Sequence[Finished], choices_of_prompt: int) -> dict[str, Any]:
    """OpenAI's token counts: every reply, and each prompt once however many replies (`choices_of_prompt`) it got."""
    prompts: list[Usage] = [end.usage for end in ends[::choices_of_prompt]]
    prompt = sum(each.prompt_tokens for each in prompts)
    completion = sum(end.usage.completion_tokens for end in ends)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": sum(each.cached_tokens for each in prompts)},
    }
