"""A GGUF model in a worker process, seen as a `ChatModel`: starts the process, passes requests, notices its death."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
import time
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

from fireside import errors
from fireside.models import wire
from fireside.models.gguf import Loading
from fireside.models.types import Delta, Finished, Message, ModelInfo, Request
from fireside.text import for_terminal_line

_LONGEST_LINE = 64 * 1024 * 1024
_SECONDS_TO_END = 2.0


class GgufModel:
    """A model file run by llama.cpp in a process of its own. The process starts at the first use, or with `start`.

    If the process dies, the request under way raises WorkerDied, and the next one starts a new process. The time a
    start took is told once, in the timings of the first reply after it.
    """

    def __init__(self, name: str, loading: Loading) -> None:
        self._name = name
        self._loading = loading
        self._process: asyncio.subprocess.Process | None = None
        self._info: ModelInfo | None = None
        self._load_s = 0.0
        self._numbers = itertools.count(1)
        self._turn = asyncio.Lock()
        self._complaints: deque[str] = deque(maxlen=8)
        self._listener: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The name the person knows the model by."""
        return self._name

    @property
    def pid(self) -> int | None:
        """The worker's process id, while it runs."""
        return self._process.pid if self._process else None

    async def start(self) -> ModelInfo:
        """Load the model if it is not loaded; where it is, tell at once, also while it writes. Raises ModelError."""
        if self._info is not None and self._process is not None and self._process.returncode is None:
            return self._info
        async with self._turn:
            return await self._started()

    async def generate(self, request: Request) -> AsyncGenerator[Delta | Finished, None]:
        """See `ChatModel.generate`."""
        async with self._turn:
            await self._started()
            load_s, self._load_s = self._load_s, 0.0
            number = next(self._numbers)
            await self._send({"op": "generate", "id": number, "request": wire.pack_request(request)})
            finished = False
            try:
                while not finished:
                    answer = await self._answer(number)
                    if "text" in answer:
                        yield Delta(answer["text"])
                    else:
                        end = wire.unpack_finished(answer["finished"])
                        finished = True
                        yield replace(end, timings=replace(end.timings, load_s=load_s))
            finally:
                if not finished and self._process is not None:
                    # What the worker still sends for this request is skipped by the next one's `_answer`.
                    with contextlib.suppress(errors.WorkerDied):
                        await self._send({"op": "cancel", "id": number})

    async def count_tokens(self, prompt: tuple[Message, ...] | str) -> int:
        """See `ChatModel.count_tokens`."""
        async with self._turn:
            await self._started()
            number = next(self._numbers)
            await self._send({"op": "count", "id": number, "prompt": wire.pack_prompt(prompt)})
            return int((await self._answer(number))["tokens"])

    async def close(self) -> None:
        """End the worker process; a computation under way is not waited for."""
        process, self._process, self._info = self._process, None, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _SECONDS_TO_END)
        except TimeoutError:
            process.kill()
            await process.wait()
        with contextlib.suppress(OSError):
            await process.stdin.wait_closed()
        if self._listener is not None:
            await self._listener

    async def _started(self) -> ModelInfo:
        """Start the process and load the model, unless that is done. The caller holds the turn."""
        if self._process is not None and self._process.returncode is not None:
            await self.close()
        if self._info is not None:
            return self._info
        began = time.monotonic()
        # A session of its own keeps the terminal's Ctrl-C and hang-up from reaching the worker.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "fireside.models.worker",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            limit=_LONGEST_LINE, start_new_session=True, env=_worker_environment(),
        )  # fmt: skip
        self._listener = asyncio.create_task(self._listen(self._process))
        number = next(self._numbers)
        loading = self._loading
        try:
            await self._send(
                {
                    "op": "load",
                    "id": number,
                    "name": self._name,
                    "path": str(loading.path),
                    "context_length": loading.context_length,
                    "threads": loading.threads,
                    "gpu_layers": loading.gpu_layers,
                }
            )
            self._info = wire.unpack_info((await self._answer(number))["loaded"])
        except BaseException:
            await self.close()
            raise
        self._load_s = time.monotonic() - began
        return self._info

    async def _send(self, document: dict[str, Any]) -> None:
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(wire.encode(document))
            await process.stdin.drain()
        except OSError as error:
            raise await self._died(process) from error

    async def _answer(self, number: int) -> dict[str, Any]:
        """The worker's next answer to request `number`; answers to abandoned requests are skipped."""
        process = self._running()
        assert process.stdout is not None
        while True:
            line = await process.stdout.readline()
            if not line:
                raise await self._died(process)
            answer = wire.decode(line)
            if answer["id"] != number:
                continue
            if "error" in answer:
                problem = answer["error"]
                raise getattr(errors, problem["kind"], errors.ModelError)(problem["message"], problem["hint"])
            return answer

    def _running(self) -> asyncio.subprocess.Process:
        """The process, which `close` may have ended while a request was under way."""
        if self._process is None:
            raise errors.WorkerDied("the model was closed while it worked", "send again to start it anew")
        return self._process

    async def _died(self, process: asyncio.subprocess.Process) -> errors.WorkerDied:
        """Tell how the process ended, and forget it."""
        self._running()
        status = await process.wait()
        await self.close()
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

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Keep the last lines the worker wrote to stderr, for the message about its death."""
        assert process.stderr is not None
        self._complaints.clear()
        async for line in process.stderr:
            if text := line.decode("utf-8", "replace").strip():
                self._complaints.append(text)


def _worker_environment() -> dict[str, str]:
    """This process's environment, with unbuffered output so that a dying worker's last words arrive.

    llama.cpp's threads wait for each other by spinning. Where another program takes a core, OpenMP's default wait burns
    whole time slices (191 tokens/s alone, 5 beside two busy processes); a short spin keeps both (184 and 79).
    """
    return {"GOMP_SPINCOUNT": "1000", **os.environ, "PYTHONUNBUFFERED": "1"}
