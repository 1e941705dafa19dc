"""Work on many items, some of them under way together, with progress."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from fireside.errors import FiresideError
from tui.console import Progress

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


async def each_of(
    items: Sequence[ItemT], work: Callable[[ItemT], Awaitable[ResultT]], at_once: int, progress: Progress
) -> list[ResultT]:
    """What `work` makes of each item, in their order; at most `at_once` are under way. Raises the first FiresideError,
    and then the others are cancelled."""
    results: dict[int, ResultT] = {}
    waiting, done = iter(enumerate(items)), itertools.count(1)

    async def work_on_some() -> None:
        for place, item in waiting:
            results[place] = await work(item)
            progress.update(next(done), len(items))

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(work_on_some())
    except* FiresideError as errors:
        raise errors.exceptions[0] from None
    finally:
        progress.finish()
    return [results[place] for place in range(len(items))]
