"""Who writes a streaming message: a name for this process, and whether the process of such a name still lives.

A process id alone is given to another program sooner or later, so the name holds the process's start time as well,
where the system tells it (Linux). Elsewhere an id whose last sign of life is older than ten minutes counts as dead.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

_SILENCE_SECONDS = 600.0


def this_process() -> str:
    """The name of the running process: "PID" or "PID:START"."""
    return _named(os.getpid())


def is_alive(writer: str, silent_seconds: float) -> bool:
    """Whether the process called `writer`, last heard of `silent_seconds` ago, still runs."""
    pid_text, _, started = writer.partition(":")
    if not pid_text.isdecimal():
        return False
    pid = int(pid_text)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # It runs, under another user.
    except OverflowError:
        return False
    if started:
        return _start_time(pid) == started
    return silent_seconds < _SILENCE_SECONDS


@functools.lru_cache(maxsize=1)
def _named(pid: int) -> str:
    """Cached by process id, so that a forked child gets a name of its own."""
    started = _start_time(pid)
    return f"{pid}:{started}" if started else str(pid)


def _start_time(pid: int) -> str:
    """Start time in clock ticks since boot, field 22 of /proc/PID/stat (man 5 proc); "" where there is none or it is a
    zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if len(fields) < 20 or fields[0] in "ZX" else fields[19]
