"""What a program in the sandbox may use, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Stopped = Literal["time", "cpu", "memory", "processes", "disk", "cancelled"]
"""The limit that ended a program."""


@dataclass(frozen=True)
class Limits:
    """Bounds of one run, over all its processes together unless it says otherwise.

    wall_s: seconds until it is ended. cpu_s: seconds of computing. memory: bytes (proportional set size), and the most
    data one process can have. processes: at most so many, threads among them. file: bytes of the largest file.
    disk: bytes by which the free space of the disk may shrink. temporary: bytes in /tmp, and again in /dev/shm.
    output: bytes kept of each of stdout and stderr. open_files: descriptors of one process.
    """

    wall_s: float = 30.0
    cpu_s: int = 60
    memory: int = 1 << 30
    processes: int = 128
    file: int = 256 << 20
    disk: int = 1 << 30
    temporary: int = 256 << 20
    output: int = 64 << 10
    open_files: int = 256


ORDINARY = Limits()
"""Where nothing else is asked for."""


@dataclass(frozen=True)
class Outcome:
    """How a program ended.

    status: its exit status (128 + N: signal N ended it), None where `stopped` did. stdout, stderr: what it wrote, as
    text, still unsafe for a terminal. stopped: the limit that it went over. cut: whether some output was left out.
    """

    status: int | None
    stdout: str
    stderr: str
    stopped: Stopped | None = None
    cut: bool = False

    @property
    def timed_out(self) -> bool:
        """Whether it was ended because of its wall time."""
        return self.stopped == "time"
