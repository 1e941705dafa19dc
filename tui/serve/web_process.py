"""The app of one browser page: a process that speaks Textual's web protocol, and ends when nobody reads it any more."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from tui.serve.web_messages import cells

SECONDS_TO_LEAVE = 4.0
"""How long an app whose page is gone may take to save and end; less than the server's own end takes."""
_GREETING = b"__GANGLION__\n"
"""How Textual's web driver begins, before its first packet."""
_LAST_WORDS = 4000
_WHOLE_PACKET = 64_000_000


class AppProcess:
    """A running app. Packets are a kind, `D` (what the terminal shows or sends) or `M` (JSON), and their bytes."""

    def __init__(self, process: Process) -> None:
        """See `start`."""
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self._complaint = b""
        self._listening = asyncio.create_task(self._listen(process.stderr))

    @classmethod
    async def start(cls, arguments: Sequence[str], width: int, height: int) -> AppProcess:
        """Start the app with these arguments of `tui.serve.web_app`, in a terminal of width x height cells."""
        size = {"COLUMNS": str(cells(width)), "ROWS": str(cells(height))}
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tui.serve.web_app", *arguments,
                stdin=PIPE, stdout=PIPE, stderr=PIPE,
                env={**os.environ, "TEXTUAL_COLOR_SYSTEM": "truecolor", **size},
                start_new_session=True,  # a Ctrl-C is the server's, which ends the apps in order
            )
        )  # fmt: skip

    async def packets(self) -> AsyncGenerator[tuple[str, bytes], None]:
        """What the app sends, until it ends."""
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await self._stdout.readuntil(_GREETING)
            while True:
                kind, size = await self._stdout.readexactly(1), await self._stdout.readexactly(4)
                length = int.from_bytes(size, "big")
                if length > _WHOLE_PACKET:
                    return
                yield kind.decode("latin-1"), await self._stdout.readexactly(length)

    async def keys(self, text: str) -> None:
        """Send what was typed or pasted, or the terminal's answer. Raises OSError where the app has ended."""
        await self._send(b"D", text.encode("utf-8", "replace"))

    async def tell(self, message: dict[str, Any]) -> None:
        """Send a message of Textual's protocol: its `type` is resize, focus or blur. Raises OSError."""
        await self._send(b"M", json.dumps(message).encode())

    async def _send(self, kind: bytes, data: bytes) -> None:
        self._stdin.write(kind + len(data).to_bytes(4, "big") + data)
        await self._stdin.drain()

    async def end(self) -> str:
        """Let the app save and leave, and kill it and what it started if it does not. Returns its last words, if any.

        The end of its input is how it learns that the page is gone; it would learn it so from a killed server too.
        """
        self._stdin.close()
        try:
            async with asyncio.timeout(SECONDS_TO_LEAVE):
                while await self._stdout.read(65536):
                    pass
                await self._process.wait()
        except TimeoutError:
            self._complaint += b"\nerror: the app did not end by itself\n"
        finally:
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                await self._process.wait()
            # A process that the app left behind may hold this open.
            await asyncio.wait((self._listening,), timeout=0.5)
            self._listening.cancel()
        return self._complaint.decode("utf-8", "replace").strip()

    async def _listen(self, stderr: asyncio.StreamReader) -> None:
        while data := await stderr.read(4096):
            self._complaint = (self._complaint + data)[-_LAST_WORDS:]
