"""Turns at once whose replies are computed in batches: the scripted batches, and the bundled model in transformers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from engine_replies import asked, text_of

from fireside.errors import FiresideError, ModelError, PromptTooLong, WorkerDied
from fireside.models.bundled import CHAT_MODEL, located
from fireside.models.client import WorkerModel
from fireside.models.gguf.loading import GgufLoading
from fireside.models.hf.loading import HfLoading
from fireside.models.together import Together
from fireside.models.types import Delta, Finished, ReplyEvent, Request, Timings, Usage


class Batches(WorkerModel):
    """A model whose batches the test lets go, one by one."""

    def __init__(self) -> None:
        super().__init__("batches", HfLoading(located(CHAT_MODEL)))
        self.asked: list[list[str]] = []
        self.going = asyncio.Semaphore(0)

    async def generate_many(self, requests: Sequence[Request]) -> list[list[ReplyEvent] | FiresideError]:
        prompts = [str(request.prompt) for request in requests]
        self.asked.append(prompts)
        await self.going.acquire()
        if "death" in prompts:
            raise WorkerDied("it died", None)
        end = Finished("stop", Usage(), Timings())
        return [PromptTooLong("too long") if prompt == "long" else [Delta(prompt.upper()), end] for prompt in prompts]


async def said(model: Together, prompt: str) -> str:
    return text_of([event async for event in model.generate(Request(prompt))])


async def test_what_is_asked_while_a_batch_is_computed_makes_the_next() -> None:
    batches = Batches()
    model = Together(batches)
    first = asyncio.create_task(said(model, "a"))
    while not batches.asked:
        await asyncio.sleep(0)
    others = [asyncio.create_task(said(model, prompt)) for prompt in ("b", "long", "c")]
    await asyncio.sleep(0)
    batches.going.release()
    assert await first == "A"
    batches.going.release()
    outcomes = await asyncio.gather(*others, return_exceptions=True)
    assert batches.asked == [["a"], ["b", "long", "c"]]
    assert (outcomes[0], outcomes[2]) == ("B", "C")
    assert isinstance(outcomes[1], PromptTooLong)


async def test_a_batch_that_fails_fails_all_of_it_and_the_next_works() -> None:
    batches = Batches()
    model = Together(batches)
    batches.going.release()
    with pytest.raises(WorkerDied):
        await said(model, "death")
    gone = asyncio.create_task(said(model, "gone"))
    while len(batches.asked) < 2:
        await asyncio.sleep(0)
    gone.cancel()
    after = asyncio.create_task(said(model, "after"))
    await asyncio.sleep(0)
    batches.going.release()
    batches.going.release()
    assert await after == "AFTER"
    await model.close()


@pytest.mark.engine
async def test_the_worker_computes_a_batch() -> None:
    worker = WorkerModel("bundled", HfLoading(located(CHAT_MODEL), context_length=256, threads=1))
    model = Together(worker)
    try:
        assert (await model.start()).name == model.name == "bundled"
        requests = [asked("Name three colours."), asked("Say hi.", 4), asked("word " * 400), asked("Say hi.", 4)]

        async def outcome(request: Request) -> list[ReplyEvent]:
            return [event async for event in model.generate(request)]

        one, two, failed, three = await asyncio.gather(*map(outcome, requests), return_exceptions=True)
        assert isinstance(failed, PromptTooLong)
        assert isinstance(one, list)
        assert isinstance(two, list)
        assert text_of(one)
        assert text_of(two)
        assert two == three
        end = two[-1]
        assert isinstance(end, Finished)
        assert (end.reason, end.usage.completion_tokens) == ("length", 4)
        assert end.usage.prompt_tokens == await model.count_tokens(requests[1].prompt)
    finally:
        await model.close()


@pytest.mark.engine
async def test_llama_cpp_is_not_asked_for_batches() -> None:
    model = WorkerModel("bundled", GgufLoading(located(CHAT_MODEL), context_length=256, threads=1))
    assert not model.batches
    try:
        with pytest.raises(ModelError, match="whole batches"):
            await model.generate_many([asked("Hi")])
    finally:
        await model.close()
