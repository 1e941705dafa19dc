"""Items worked on together: in order, so many at once, and the first failure ends all."""

from __future__ import annotations

import asyncio

import pytest

from fireside.errors import FiresideError
from tui.at_once import each_of
from tui.console import Progress


@pytest.mark.parametrize("at_once", [1, 3, 9])
async def test_results_are_in_the_order_of_the_items_and_so_many_are_under_way(at_once: int) -> None:
    under_way, most = 0, 0

    async def work(item: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(7 - item):
            await asyncio.sleep(0)
        under_way -= 1
        return item * item

    assert await each_of(range(6), work, at_once, Progress("counting", "items")) == [0, 1, 4, 9, 16, 25]
    assert most == min(at_once, 6)


async def test_the_first_failure_is_raised_and_the_others_are_cancelled() -> None:
    cancelled = []

    async def work(item: int) -> None:
        if item == 1:
            raise FiresideError("broken")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(item)
            raise

    with pytest.raises(FiresideError, match="broken"):
        await each_of(range(5), work, 3, Progress("counting", "items"))
    assert sorted(cancelled) == [0, 2]
