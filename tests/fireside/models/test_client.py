from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from fireside.errors import ModelError, WorkerDied
from fireside.models.bundled import CHAT_MODEL, located
from fireside.models.client import WorkerModel
from fireside.models.gguf.loading import GgufLoading
from fireside.models.sampling import GREEDY
from fireside.models.types import Delta, Finished, Foreseen, Message, Request

pytestmark = pytest.mark.engine

LONG = Request((Message("user", "Write a very long story about a fire."),), GREEDY, max_tokens=900)
SHORT = Request((Message("user", "Say hi."),), GREEDY, max_tokens=8)


@pytest.fixture
async def model() -> AsyncIterator[WorkerModel]:
    model = WorkerModel("small", GgufLoading(located(CHAT_MODEL), context_length=1024, threads=1))
    yield model
    await model.close()


async def reply(model: WorkerModel, request: Request) -> tuple[str, Finished]:
    *pieces, end = [piece async for piece in model.generate(request)]
    assert isinstance(end, Finished)
    return "".join(piece.text for piece in pieces if isinstance(piece, Delta)), end


def runs(pid: int) -> bool:
    """Whether the process still works; one that ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


async def test_a_model_starts_streams_counts_and_leaves_no_process(model: WorkerModel) -> None:
    info = await model.start()
    assert (info.name, info.architecture, info.sha256) == ("small", "llama", CHAT_MODEL.sha256)
    assert info.context_length == 1024
    assert 134e6 < info.parameters < 136e6
    assert await model.start() == info
    pid = model.pid
    assert pid is not None
    text, end = await reply(model, SHORT)
    assert text
    assert end.timings.load_s > 0
    again, end = await reply(model, SHORT)
    assert again == text
    assert end.timings.load_s == 0
    assert end.usage.prompt_tokens == await model.count_tokens(SHORT.prompt)
    await model.close()
    await model.close()
    assert model.pid is None
    assert not runs(pid)


async def test_a_loaded_model_tells_what_it_is_while_it_writes(model: WorkerModel) -> None:
    info = await model.start()
    async for piece in model.generate(SHORT):
        assert await asyncio.wait_for(model.start(), 5) == info
        last = piece
    assert isinstance(last, Finished)


async def test_closing_the_reply_stops_the_engine_and_the_next_request_is_served_soon(model: WorkerModel) -> None:
    expected, _ = await reply(model, SHORT)
    deltas = model.generate(LONG)
    assert isinstance(await anext(deltas), Delta)
    await deltas.aclose()
    began = time.monotonic()
    assert (await reply(model, SHORT))[0] == expected
    assert time.monotonic() - began < 5


async def test_a_cancelled_task_stops_the_engine_too(model: WorkerModel) -> None:
    expected, _ = await reply(model, SHORT)
    task = asyncio.create_task(reply(model, LONG))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await reply(model, SHORT))[0] == expected


async def test_requests_run_at_once_and_one_that_is_dropped_leaves_the_others_alone() -> None:
    model = WorkerModel("small", GgufLoading(located(CHAT_MODEL), context_length=1024, sequences=3, threads=1))
    expected, _ = await reply(model, SHORT)
    long = model.generate(LONG)
    await anext(long)
    # The short one ends while the long one is still being written.
    assert (await asyncio.wait_for(reply(model, SHORT), 20))[0] == expected
    other = asyncio.create_task(reply(model, SHORT))
    assert isinstance(await anext(long), Delta)
    await long.aclose()
    assert (await other)[0] == expected
    await model.close()


async def test_a_conversation_goes_on_after_a_restart_without_computing_it_again(tmp_path: Path) -> None:
    loading = GgufLoading(located(CHAT_MODEL), context_length=1024, threads=1, kv_folder=tmp_path / "kv")
    said = (Message("user", "Tell me of ships. " * 40),)
    first = WorkerModel("small", loading)
    text, _ = await reply(first, Request(said, GREEDY, 8, keep=True))
    await first.close()
    second = WorkerModel("small", loading)
    going_on = (*said, Message("assistant", text), Message("user", "And?"))
    asked = Request(going_on, GREEDY, 8, keep=True)
    foreseen = await second.foresee(asked)
    _, end = await reply(second, asked)
    await second.close()
    assert foreseen == Foreseen(end.usage.prompt_tokens, end.usage.cached_tokens)
    assert end.usage.cached_tokens > 150


async def test_a_second_request_waits_for_the_first(model: WorkerModel) -> None:
    results = await asyncio.gather(reply(model, SHORT), reply(model, SHORT), model.count_tokens("one two"))
    assert results[0][0] == results[1][0]
    assert results[2] == 2


async def test_a_killed_worker_ends_the_request_with_one_line_and_the_next_starts_anew(model: WorkerModel) -> None:
    deltas = model.generate(LONG)
    await anext(deltas)
    first = model.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    with pytest.raises(WorkerDied, match="it was killed, most likely because memory ran out") as caught:
        [piece async for piece in deltas]
    assert "\n" not in caught.value.message
    assert (await reply(model, SHORT))[0]
    assert model.pid not in (None, first)


async def test_a_worker_killed_between_two_requests_is_replaced(model: WorkerModel) -> None:
    info = await model.start()
    assert model.pid is not None
    first = model.pid
    os.kill(first, signal.SIGKILL)
    # In a thread, so that the event loop comes to notice it.
    await asyncio.to_thread(until, lambda: not model.running)
    assert await model.start() == info
    assert (await reply(model, SHORT))[0]


async def test_closing_the_model_under_a_reply_is_no_crash(model: WorkerModel) -> None:
    deltas = model.generate(LONG)
    await anext(deltas)
    pid = model.pid
    assert pid is not None
    following = asyncio.ensure_future(_drain(deltas))
    await asyncio.sleep(0)
    await model.close()
    with pytest.raises(WorkerDied, match="closed"):
        await following
    assert not runs(pid)


async def test_closing_the_model_while_its_process_is_being_made_leaves_none(
    model: WorkerModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[asyncio.subprocess.Process] = []
    create, reached, go_on = asyncio.create_subprocess_exec, asyncio.Event(), asyncio.Event()

    async def slowly(*command: str, **options: Any) -> asyncio.subprocess.Process:
        reached.set()
        await go_on.wait()
        made.append(await create(*command, **options))
        return made[-1]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", slowly)
    starting = asyncio.ensure_future(model.start())
    await reached.wait()
    await model.close()
    go_on.set()
    with pytest.raises(WorkerDied, match="closed"):
        await starting
    assert not model.running
    assert made[0].returncode is not None
    assert (await reply(model, SHORT))[0]


async def test_nobody_who_waited_for_a_start_starts_what_was_closed_meanwhile(model: WorkerModel) -> None:
    first, second = asyncio.ensure_future(model.start()), asyncio.ensure_future(model.start())
    while model.pid is None:
        await asyncio.sleep(0)
    await model.close()
    for starting in (first, second):
        with pytest.raises(WorkerDied, match="closed"):
            await starting
    assert not model.running


async def _drain(deltas: object) -> None:
    async for _ in deltas:  # type: ignore[attr-defined]
        pass


async def test_how_large_a_model_is_its_file_says_before_it_is_loaded(model: WorkerModel) -> None:
    before = await model.parameters()
    assert not model.running
    assert before == (await model.start()).parameters == await model.parameters() == 134_515_008


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"", "it is empty"), (b"this is no model", "does not begin with the GGUF mark"), (None, "cannot read")],
)
async def test_a_file_that_is_no_model_is_one_line_and_leaves_no_process(
    tmp_path: Path, data: bytes | None, said: str
) -> None:
    path = tmp_path / "m.gguf"
    if data is not None:
        path.write_bytes(data)
    model = WorkerModel("m", GgufLoading(path))
    with pytest.raises(ModelError, match=said) as caught:
        await model.start()
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert model.pid is None
    assert not children_of(os.getpid())


async def test_a_prompt_that_is_too_long_is_an_error_and_the_model_goes_on(model: WorkerModel) -> None:
    with pytest.raises(ModelError, match="context holds 1024"):
        await reply(model, Request("word " * 2000))
    assert (await reply(model, SHORT))[0]


async def test_odd_characters_reach_the_model(model: WorkerModel) -> None:
    assert await model.count_tokens((Message("user", "\ud800 \u2028 \x00 🔥 \r\n"),)) > 10


def children_of(pid: int) -> list[int]:
    """The worker processes that `pid` started and that still work."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    commands = {int(each): Path(f"/proc/{each}/cmdline") for each in text.split()}
    return [each for each, line in commands.items() if runs(each) and b"fireside.models.worker" in line.read_bytes()]


PARENT = """
import asyncio
from fireside.models.bundled import CHAT_MODEL, located
from fireside.models.client import WorkerModel
from fireside.models.gguf.loading import GgufLoading
from fireside.models.types import Request

async def main():
    model = WorkerModel("small", GgufLoading(located(CHAT_MODEL), context_length=1024, threads=1))
    async for piece in model.generate(Request("Once upon a time", max_tokens=900)):
        print(model.pid, flush=True)

asyncio.run(main())
"""


def test_the_worker_ends_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    assert runs(worker)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not runs(worker))


def test_a_request_cut_off_by_the_death_of_the_interface_ends_the_worker() -> None:
    command = [sys.executable, "-P", "-m", "fireside.models.worker"]
    done = subprocess.run(command, input=b'{"op":"generate","id":1,"requ', capture_output=True, timeout=30)
    assert done.returncode == 0
