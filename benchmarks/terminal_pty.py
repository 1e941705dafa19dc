"""A program under a pseudo-terminal: typed into, and read until it has drawn something."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Terminal:
    """The near side of the pseudo-terminal; `began` is when the program was started (`time.perf_counter`)."""

    def __init__(self, descriptor: int, began: float) -> None:
        self._descriptor = descriptor
        self.began = began

    def type(self, text: str) -> None:
        """Send keys."""
        os.write(self._descriptor, text.encode())

    def until(self, wanted: str, limit: float = 60.0) -> float:
        """Read until `wanted` is drawn; seconds since the program began. What was read before is forgotten."""
        seen, ends = b"", time.perf_counter() + limit
        while time.perf_counter() < ends:
            seen += self._read(0.1)
            if wanted.encode() in seen:
                return time.perf_counter() - self.began
        raise SystemExit(f"the program did not show {wanted!r}; its last output: {seen[-500:]!r}")

    def quiet(self, seconds: float) -> None:
        """Read and forget for that long."""
        ends = time.perf_counter() + seconds
        while time.perf_counter() < ends:
            self._read(0.01)

    def _read(self, wait: float) -> bytes:
        if not select.select([self._descriptor], [], [], wait)[0]:
            return b""
        try:
            return os.read(self._descriptor, 65536)
        except OSError:
            return b""


@contextmanager
def terminal(command: list[str], columns: int = 120, rows: int = 40) -> Iterator[Terminal]:
    """Run a command in a terminal of that size and a FIRESIDE_HOME of its own; it is ended at the end."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "FIRESIDE_HOME": home, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        # Compiled once and kept, as an installed program's modules are, wherever this runs.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / "fireside-benchmark-compiled")
        began = time.perf_counter()
        process, descriptor = pty.fork()
        if process == 0:
            os.execve(command[0], command, environment)
        fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        try:
            yield Terminal(descriptor, began)
        finally:
            os.kill(process, signal.SIGTERM)
            while _more(descriptor):
                pass
            os.waitpid(process, 0)
            os.close(descriptor)


def _more(descriptor: int) -> bytes:
    """Read on, so that the program is not held up by a full pipe; empty once it has closed its side."""
    try:
        return os.read(descriptor, 65536)
    except OSError:
        return b""
