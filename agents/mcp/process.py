"""An MCP server as a program: started with hardly any environment, heard over pipes, ended with all it started."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import Process, SubprocessStreamProtocol
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from agents.mcp.last_words import LastWords
from agents.mcp.lines import LONGEST_LINE, message_streams
from agents.mcp.servers import Server, server_folder, variable
from fireside import paths
from fireside.errors import ToolError
from fireside.text import for_terminal_line

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

_PASSED = ("PATH", "HOME", "LANG")
_LONGEST_WORDS = 200
_STDERR_PIECE = 8192
_END_S = 2.0
_LOOK_S = 0.01


@dataclass(frozen=True)
class _Errors:
    """Reads a program's stderr to its end and keeps its last line that is not empty."""

    words: LastWords
    rest: bytearray = field(default_factory=bytearray)

    async def read(self, stream: asyncio.StreamReader) -> None:
        while piece := await stream.read(_STDERR_PIECE):
            self.rest.extend(piece)
            lines = bytes(self.rest).rsplit(b"\n", 1)
            self.rest[:] = lines[-1][-_STDERR_PIECE:]
            for line in reversed([*lines[0].split(b"\n"), *lines[1:]]):
                if shown := for_terminal_line(line.decode("utf-8", "replace"), _LONGEST_WORDS):
                    self.words.said = shown
                    break


def environment(server: Server, name: str) -> dict[str, str]:
    """All that the program sees of the environment: PATH, HOME and LANG, and the variables that its entry names.

    Raises ToolError where one of these is not set.
    """
    passed = {each: os.environ[each] for each in _PASSED if each in os.environ}
    return passed | {each: variable(each, name) for each in server.environment}


@asynccontextmanager
async def process_streams(name: str, server: Server, words: LastWords) -> AsyncIterator[TransportStreams]:
    """Start the server's program; yield the streams of a session with it; end it, and all it started, at the end.

    words: is told what became of it. Raises ToolError where it cannot be started.
    """
    folder = paths.expanded(server.folder) if server.folder else Path.home()
    loop = asyncio.get_running_loop()
    try:
        # As `create_subprocess_exec` does it, but that hands out no transport, which alone can close the pipes.
        transport, protocol = await loop.subprocess_exec(
            lambda: SubprocessStreamProtocol(LONGEST_LINE, loop),
            *server.command,
            env=environment(server, name),
            cwd=folder,
            start_new_session=True,  # no Ctrl-C of ours reaches it, and all it starts can be ended with it
        )
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ToolError(
            f"the MCP server {name} cannot be started: {server.command[0]}, in {folder}: {reason}",
            f"correct its command: {server_folder(name) / 'server.toml'}",
        ) from error
    process = Process(transport, protocol, loop)
    stdin, stdout, stderr = process.stdin, process.stdout, process.stderr
    assert stdin is not None
    assert stdout is not None
    assert stderr is not None

    async def write(data: bytes) -> None:
        stdin.write(data)
        await stdin.drain()

    errors = asyncio.create_task(_Errors(words).read(stderr))
    try:
        async with message_streams(stdout, write, words, notified=False) as streams:
            yield streams
    finally:
        stdin.close()
        try:
            await _done(_exited(process), 0 if words.wrong else _END_S)
            words.status = process.returncode
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await _done(asyncio.gather(_exited(process), errors), _END_S)
            transport.close()  # the pipes that a descendant in a session of its own may hold open
            errors.cancel()


async def _done(what: Awaitable[object], seconds: float) -> None:
    """Wait for `what`, that long at most."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await what


async def _exited(process: Process) -> None:
    """Wait for the program alone: `process.wait` waits for all that hold its pipes, too."""
    while process.returncode is None:
        await asyncio.sleep(_LOOK_S)
