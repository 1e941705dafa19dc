"""The processes below one: which they are, what they use together, and their end. Read from /proc."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Process:
    """One line of /proc/PID/stat: seconds of computing (its ended children's with it), and bytes in memory."""

    pid: int
    parent: int
    threads: int
    cpu_s: float
    resident: int


def below(ancestor: int) -> list[Process]:
    """All descendants of `ancestor`, zombies among them."""
    children: dict[int, list[Process]] = {}
    for process in _all():
        children.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    waiting = [ancestor]
    while waiting:
        new = children.get(waiting.pop(), [])
        found += new
        waiting += [process.pid for process in new]
    return found


def memory(processes: Iterable[Process], limit: int) -> int:
    """Bytes they hold together; pages they share count once, where that has to be known to judge by `limit`."""
    resident = {process.pid: process.resident for process in processes}
    if (total := sum(resident.values())) <= limit:
        return total
    return sum(_proportional(pid, most) for pid, most in resident.items())


def end(leader: int) -> int:
    """Kill the process group of `leader`, a child of this process, and all else below this process; its status.

    The status is the leader's exit code, or 128 + N where signal N ended it, as shells and bubblewrap tell it.

    This process adopts orphans. Only groups and children that have not been waited for are killed, so that no number
    can have gone to a stranger. A group cannot fork its way out: the kernel signals it as a whole.
    """
    _kill(os.killpg, leader)
    _kill(os.kill, leader)
    _, status = os.waitpid(leader, 0)
    while True:
        for process in below(os.getpid()):
            if process.parent == os.getpid():
                _kill(os.kill, process.pid)
        try:
            os.waitpid(-1, 0)
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        except ChildProcessError:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _kill(how: Callable[[int, int], None], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        how(number, signal.SIGKILL)


def tasks_of(user: int) -> int:
    """How many threads `user` has on the whole machine: what the kernel holds against RLIMIT_NPROC."""
    return sum(process.threads for process in _all() if _owner(process.pid) == user)


def _all() -> list[Process]:
    return [process for name in os.listdir("/proc") if name.isdigit() and (process := _process(name))]  # noqa: PTH208


def _process(pid: str) -> Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:  # noqa: PTH123
            # The name, in parentheses, may hold anything.
            fields = stream.read().rpartition(b")")[2].split()
    except OSError:
        return None
    ticks = sum(map(int, fields[11:15]))
    return Process(int(pid), int(fields[1]), int(fields[17]), ticks / _TICKS, int(fields[21]) * _PAGE)


def _owner(pid: int) -> int | None:
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except OSError:
        return None


def _proportional(pid: int, otherwise: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    except (OSError, UnicodeDecodeError):
        return otherwise
    lines = [line.split() for line in text.splitlines()]
    return sum(int(line[1]) * 1024 for line in lines if line[0] in ("Pss:", "SwapPss:"))
