"""A model in a worker process, seen as a `ChatModel`: starts the process, passes requests, notices its death."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

from fireside import errors
from fireside.models import wire
from fireside.models.gguf.loading import GgufLoading
from fireside.models.gguf_header import read_header
from fireside.models.hf.loading import HfLoading
from fireside.models.types import Finished, Foreseen, ModelInfo, Prompt, ReplyEvent, Request
from fireside.text import for_terminal_line

_LONGEST_LINE = 64 * 1024 * 1024
_SECONDS_TO_END = 4.0

_Answer = dict[str, Any] | errors.FiresideError


class WorkerModel:
    """A model run in a process of its own, which starts at the first use, or with `start`.

    If the process dies, the requests under way raise WorkerDied, and the next one starts a new process. The time a
    start took is told once, in the timings of the first reply after it.
    """

    def __init__(self, name: str, loading: GgufLoading | HfLoading) -> None:
        self._name, self._loading = name, loading
        self._process: _Process | None = None
        self._info: ModelInfo | None = None
        self._load_s = 0.0
        self._closings = 0
        self._starting = asyncio.Lock()

    @property
    def name(self) -> str:
        """The name the person knows the model by."""
        return self._name

    @property
    def pid(self) -> int | None:
        """The worker's process id, while it runs."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether the worker runs, as far as is known; its death is noticed when the event loop comes to it."""
        return self._process is not None and self._process.alive

    async def start(self) -> ModelInfo:
        """Load the model if it is not loaded; where it is, tell at once, also while it writes. Raises ModelError."""
        return (await self._started())[1]

    async def parameters(self) -> int:
        """See `ChatModel.parameters`."""
        if self._info is None and isinstance(self._loading, GgufLoading):
            return (await asyncio.to_thread(read_header, self._loading.path, long_arrays=False)).parameters
        return (await self.start()).parameters

    async def generate(self, request: Request) -> AsyncGenerator[ReplyEvent, None]:
        """See `ChatModel.generate`."""
        process, _ = await self._started()
        load_s, self._load_s = self._load_s, 0.0
        with process.asking("generate", request=wire.pack_request(request)) as answers:
            await answers.sent()
            while True:
                event = wire.unpack_event(await answers.next())
                if isinstance(event, Finished):
                    answers.complete()
                    yield replace(event, timings=replace(event.timings, load_s=load_s))
                    return
                yield event

    @property
    def batches(self) -> bool:
        """Whether `generate_many` computes faster than `generate` for each."""
        return isinstance(self._loading, HfLoading)

    async def generate_many(self, requests: Sequence[Request]) -> list[list[ReplyEvent] | errors.FiresideError]:
        """The events of the replies to all of `requests`, or why there are none, in their order, computed as one batch.

        Only where `batches` is true and no reply is under way, else ModelError; WorkerDied.
        """
        process, _ = await self._started()
        packed = [wire.pack_request(request) for request in requests]
        with process.asking("many", requests=packed) as answers:
            await answers.sent()
            replies = (await answers.next())["replies"]
            answers.complete()
        return [
            wire.unpack_error(reply["error"]) if "error" in reply else [*map(wire.unpack_event, reply["events"])]
            for reply in replies
        ]

    async def count_tokens(self, prompt: Prompt) -> int:
        """See `ChatModel.count_tokens`."""
        process, _ = await self._started()
        with process.asking("count", prompt=wire.pack_prompt(prompt)) as answers:
            await answers.sent()
            answer = await answers.next()
            answers.complete()
            return int(answer["tokens"])

    async def foresee(self, request: Request) -> Foreseen:
        """See `ChatModel.foresee`."""
        process, _ = await self._started()
        with process.asking("foresee", request=wire.pack_request(request)) as answers:
            await answers.sent()
            answer = await answers.next()
            answers.complete()
            return Foreseen(int(answer["tokens"]), int(answer["cached"]))

    async def close(self) -> None:
        """End the worker process; a computation under way is not waited for, saving a conversation's state is."""
        self._closings += 1
        await self._end()

    async def _end(self) -> None:
        process, self._process, self._info = self._process, None, None
        if process is not None:
            await process.end()

    async def _started(self) -> tuple[_Process, ModelInfo]:
        """The process, with the model loaded."""
        if self._process is not None and self._info is not None and self._process.alive:
            return self._process, self._info
        closings = self._closings
        async with self._starting:
            if self._closings != closings:
                raise _closed()
            if self._process is not None and self._info is not None and self._process.alive:
                return self._process, self._info
            await self._end()
            began = time.monotonic()
            process = await _Process.begun()
            if self._closings != closings:
                await process.end()
                raise _closed()
            self._process = process
            try:
                loading = wire.pack_loading(self._loading)
                with process.asking("load", name=self._name, loading=loading) as answers:
                    await answers.sent()
                    info = wire.unpack_info((await answers.next())["loaded"])
                    answers.complete()
            except BaseException:
                await self._end()
                raise
            if self._closings != closings:
                raise _closed()
            self._info = info
            self._load_s = time.monotonic() - began
            return process, info


class _Process:
    """A running worker process: requests go in, and each one's answers come out of a queue of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        self._process, self._stdin = process, process.stdin
        self._numbers = itertools.count(1)
        self._queues: dict[int, asyncio.Queue[_Answer]] = {}
        self._complaints: deque[str] = deque(maxlen=8)
        self._dead: errors.FiresideError | None = None
        self._tasks = (asyncio.create_task(self._listen()), asyncio.create_task(self._read()))

    @classmethod
    async def begun(cls) -> _Process:
        """Start a worker. A session of its own keeps the terminal's Ctrl-C and hang-up from reaching it."""
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "fireside.models.worker",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                limit=_LONGEST_LINE, start_new_session=True, env=_worker_environment(),
            )
        )  # fmt: skip

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still answers."""
        return self._dead is None and self._process.returncode is None

    def asking(self, operation: str, **content: Any) -> _Asking:
        """A request to be sent, and its answers."""
        return _Asking(self, next(self._numbers), {"op": operation, **content})

    def answers(self, number: int) -> asyncio.Queue[_Answer]:
        """The queue of the answers to request `number`, until `forget`."""
        queue = self._queues[number] = asyncio.Queue()
        if self._dead is not None:
            queue.put_nowait(self._dead)
        return queue

    def forget(self, number: int) -> None:
        """Answers to request `number` are of no interest any more."""
        self._queues.pop(number, None)

    def write(self, document: dict[str, Any]) -> None:
        """Put a document into the pipe's buffer; a dead process is noticed by the reader."""
        with contextlib.suppress(OSError, RuntimeError):
            self._stdin.write(wire.encode(document))

    async def drained(self) -> None:
        """Wait until the pipe takes more."""
        with contextlib.suppress(OSError):
            await self._stdin.drain()

    async def end(self) -> None:
        """Close its stdin, and kill it if it does not end."""
        self._fail(_closed())
        self._stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _SECONDS_TO_END)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        with contextlib.suppress(OSError):
            await self._stdin.wait_closed()
        await asyncio.gather(*self._tasks)

    async def _read(self) -> None:
        """Sort answers into the queues of their requests until the process ends."""
        assert self._process.stdout is not None
        stdout = self._process.stdout
        try:
            while line := await stdout.readline():
                answer = wire.decode(line)
                queue = self._queues.get(answer["id"])
                if queue is not None:
                    queue.put_nowait(wire.unpack_error(answer["error"]) if "error" in answer else answer)
        except ValueError:
            # Longer than a line may be, or no JSON: the pipe is of no use any more.
            self._fail(
                errors.WorkerDied("the model's process sent an answer that cannot be read", "ask for less at once")
            )
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            return
        self._fail(await self._death())

    def _fail(self, error: errors.FiresideError) -> None:
        """Every request under way, and any to come, ends with `error`."""
        if self._dead is None:
            self._dead = error
            for queue in self._queues.values():
                queue.put_nowait(error)

    async def _death(self) -> errors.WorkerDied:
        """Tell how the process ended."""
        status = await self._process.wait()
        await asyncio.wait([self._tasks[0]])
        if status == -signal.SIGKILL:
            cause = "it was killed, most likely because memory ran out"
        elif status < 0:
            cause = f"it was ended by {signal.Signals(-status).name}"
        else:
            cause = f"it ended with status {status}"
        if self._complaints:
            cause += f" ({for_terminal_line(self._complaints[-1])})"
        return errors.WorkerDied(
            f"the model's process stopped: {cause}", "the conversation is kept; send again to start the model anew"
        )

    async def _listen(self) -> None:
        """Keep the last lines the worker wrote to stderr, for the message about its death."""
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            if text := line.decode("utf-8", "replace").strip():
                self._complaints.append(text)


class _Asking:
    """One request under way. Leaving its block before `complete` cancels it."""

    def __init__(self, process: _Process, number: int, document: dict[str, Any]) -> None:
        self._process, self._number = process, number
        self._document = {**document, "id": number}
        self._complete = False

    def __enter__(self) -> _Asking:
        self._queue = self._process.answers(self._number)
        return self

    async def sent(self) -> None:
        """Send the request."""
        self._process.write(self._document)
        await self._process.drained()

    async def next(self) -> dict[str, Any]:
        """Its next answer. Raises the error that the worker answered with, or WorkerDied."""
        answer = await self._queue.get()
        if isinstance(answer, errors.FiresideError):
            self._complete = True
            raise answer
        return answer

    def complete(self) -> None:
        """The last answer is there."""
        self._complete = True

    def __exit__(self, *_: object) -> None:
        self._process.forget(self._number)
        if not self._complete:
            self._process.write({"op": "cancel", "id": self._number})


def _closed() -> errors.WorkerDied:
    return errors.WorkerDied("the model was closed while it worked", "send again to start it anew")


def _worker_environment() -> dict[str, str]:
    """This process's environment, with unbuffered output so that a dying worker's last words arrive.

    llama.cpp's threads wait for each other by spinning. Where another program takes a core, OpenMP's default wait burns
    whole time slices; a bounded one costs nothing alone (122 and 121 tokens/s) and less there (13 and 8 beside two busy
    processes). A shorter one still would be better there (28 with 1,000) and slower alone (106).
    Nothing is to be fetched or told over the network.
    """
    quiet = {"GOMP_SPINCOUNT": "100000", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TQDM_DISABLE": "1"}
    return {**quiet, **os.environ, "PYTHONUNBUFFERED": "1"}
