"""The process around a sandboxed program: starts it, holds it to the limits it shares, and reports how it ended.

It reads an order (one line of JSON) from stdin, and writes an answer (JSON) to stdout. When stdin ends before the
program does, because the one who asked has died or no longer wants it, the program and all it started are ended.
"""

from __future__ import annotations

import fcntl
import json
import os
import selectors
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from agents.sandbox import bubblewrap, processes, staging
from agents.sandbox.failure import in_one_line
from agents.sandbox.identity import identities
from agents.sandbox.libc import prctl
from agents.sandbox.limits import Limits, Stopped
from agents.sandbox.protected import Protected

_PR_SET_CHILD_SUBREAPER, _PR_SET_PDEATHSIG = 36, 1
_OWN_PROCESSES = 3
"""Bubblewrap, its process 1, and the program before it is the program."""
_INTERVAL_S = 0.025
_BOOT = (
    "import sys; sys.tracebacklimit = 0; sys.path.insert(0, sys.argv.pop(1)); "
    "from agents.sandbox.child import main; main()"
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_READABLE = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", *bubblewrap.SETTINGS)
_PROGRAMS = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Order:
    """One run. bwrap: bubblewrap's path, or None for Landlock. python: the interpreter and its library folder."""

    argv: list[str]
    folder: str
    stdin: str
    bwrap: str | None
    python: list[str]
    limits: Limits
    protected: Protected

    @classmethod
    def read(cls, line: str) -> Order:
        """From JSON."""
        values = json.loads(line)
        values["limits"] = Limits(**values["limits"])
        values["protected"] = Protected(**values["protected"])
        return cls(**values)


@dataclass
class _Kept:
    """The beginning of one stream."""

    most: int
    data: bytearray = field(default_factory=bytearray)
    cut: bool = False

    def add(self, piece: bytes) -> None:
        free = self.most - len(self.data)
        self.data += piece[:free]
        self.cut = self.cut or len(piece) > free


def main() -> None:
    """Do one run."""
    signal.signal(signal.SIGTERM, _end)
    answer: dict[str, Any] | None
    try:
        order = Order.read(sys.stdin.readline())
        prctl(_PR_SET_CHILD_SUBREAPER, 1)
        with tempfile.TemporaryDirectory(prefix="fireside-", ignore_cleanup_errors=True) as scratch:
            answer = _run(order, scratch)
    except Exception as error:
        answer = {"error": in_one_line(error)}
    if answer is not None:
        sys.stdout.write(json.dumps(answer))


def _run(order: Order, scratch: str) -> dict[str, Any] | None:
    """The answer: `error`, or the fields of an Outcome; None where nobody waits for it any more."""
    stdout, stderr, ready, trouble = (os.pipe() for _ in range(4))
    given = _sealed("stdin", order.stdin)
    extra = _tasks_held_against_it(order)
    child = os.fork()
    if child == 0:
        _become(order, scratch, extra, (given, stdout[1], stderr[1]), ready[1], trouble[1])
    for _, end in (stdout, stderr, ready, trouble):
        os.close(end)
    streams = {stdout[0]: _Kept(order.limits.output), stderr[0]: _Kept(order.limits.output)}
    try:
        stopped = _watch(order, scratch, child, streams)
    finally:
        status = processes.end(child)
    for descriptor in list(streams):
        _drain(descriptor, streams[descriptor])
    if stopped == "cancelled":
        return None
    failure = os.read(trouble[0], 4096).decode(errors="replace")
    written, complained = (each.data.decode(errors="replace") for each in streams.values())
    if failure or (os.read(ready[0], 1) != b"1" and stopped is None):
        return {"error": failure or complained.strip() or f"it ended with status {status} before it began"}
    cut = any(each.cut for each in streams.values())
    return {
        "status": None if stopped else status,
        "stdout": written,
        "stderr": complained,
        "stopped": stopped,
        "cut": cut,
    }


def _watch(order: Order, scratch: str, child: int, streams: dict[int, _Kept]) -> Stopped | None:
    """Collect what the program writes until it ends, which gives None, or goes over a limit."""
    limits = order.limits
    until = time.monotonic() + limits.wall_s
    disks = [order.folder] if order.bwrap else [order.folder, scratch]
    free = [_free(path) for path in disks]
    pause = _INTERVAL_S
    look = time.monotonic() + pause
    with selectors.DefaultSelector() as selector:
        ended = os.pidfd_open(child)
        os.set_blocking(sys.stdin.fileno(), False)
        for descriptor in (*streams, ended, sys.stdin.fileno()):
            selector.register(descriptor, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select(max(0.0, min(look, until) - time.monotonic())):
                if key.fd == ended:
                    return None
                if key.fd == sys.stdin.fileno():
                    if not os.read(key.fd, 4096):
                        return "cancelled"
                elif piece := os.read(key.fd, 1 << 16):
                    streams[key.fd].add(piece)
                else:
                    selector.unregister(key.fd)
            began = time.monotonic()
            if began >= until:
                return "time"
            if began >= look:
                if (stopped := _over(limits)) is not None:
                    return stopped
                if any(before - _free(path) > limits.disk for before, path in zip(free, disks, strict=True)):
                    return "disk"
                # On a machine with very many processes, looking takes a while: at most a fifth of the time.
                look = time.monotonic() + max(_INTERVAL_S, 4 * (time.monotonic() - began))


def _over(limits: Limits) -> Stopped | None:
    """The limit that the processes below this one are over, together."""
    running = processes.below(os.getpid())
    if sum(process.threads for process in running) > limits.processes + _OWN_PROCESSES:
        return "processes"
    if sum(process.cpu_s for process in running) > limits.cpu_s:
        return "cpu"
    # The program's own limit (RLIMIT_DATA) comes first, and lets it fail by itself.
    most = limits.memory + (64 << 20)
    return "memory" if processes.memory(running, most) > most else None


def _become(
    order: Order, scratch: str, extra: int, streams: tuple[int, int, int], ready: int, trouble: int
) -> NoReturn:
    """In the new process: turn into bubblewrap, or, with Landlock, into the last step itself."""
    try:
        os.setsid()
        os.nice(5)
        # Where memory gets scarce, this goes first.
        Path("/proc/self/oom_score_adj").write_text("1000")
        executable, library = order.python
        folders = [*_PROGRAMS, str(Path(executable).parent)]
        last = {"argv": order.argv, "limits": vars(order.limits), "ready": ready, "landlock": None}
        last["most_tasks"] = order.limits.processes + extra
        last["identities"] = {}
        if order.bwrap is None:
            last["environment"] = bubblewrap.environment(folders, scratch)
            readable = [*_READABLE, executable, library]
            last["landlock"] = {"readable": readable, "writable": [order.folder, scratch], "devices": _DEVICES}
            os.chdir(order.folder)
            command, code = [], str(_ROOT)
        else:
            last["environment"] = bubblewrap.environment(folders, "/tmp")
            code = bubblewrap.CODE
            binds = {f"{code}/agents/{name}": str(_ROOT / "agents" / name) for name in ("__init__.py", "sandbox")}
            binds |= {
                f"{code}/fireside/{name}": str(_ROOT / "fireside" / name) for name in ("__init__.py", "errors.py")
            }
            binds |= {path: path for path in (executable, library) if not Path(path).is_relative_to("/usr")}
            last["identities"] = identities(order.folder, (*order.protected.held, *order.protected.unchanged))
            staged: dict[str, str] = {}
            if os.geteuid() == 0:
                staged = staging.enter(scratch, binds.values(), order.folder)
            command = bubblewrap.arguments(
                order.bwrap,
                order.folder,
                order.limits,
                order.protected,
                binds,
                lambda path: staged.get(path, path),
                _sealed("passwd", f"person:x:{os.getuid()}:{os.getgid()}::/tmp:/bin/sh\n"),
            )
        os.set_inheritable(ready, True)
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        command += [executable, "-I", "-S", "-c", _BOOT, code, str(_sealed("order", json.dumps(last)))]
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
        os.execv(command[0], command)
    except BaseException as error:
        os.write(trouble, in_one_line(error).encode(errors="replace"))
    os._exit(1)


def _sealed(name: str, text: str) -> int:
    """A descriptor to read `text` from, which nobody can write to; the programs that are started inherit it."""
    descriptor = os.memfd_create(name, os.MFD_ALLOW_SEALING)
    os.write(descriptor, text.encode(errors="replace"))
    os.lseek(descriptor, 0, os.SEEK_SET)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
    return descriptor


def _tasks_held_against_it(order: Order) -> int:
    """What else RLIMIT_NPROC counts: since Linux 5.14 a user namespace has its own count; else all of the user's."""
    version = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    if order.bwrap is not None and version >= (5, 14):
        return _OWN_PROCESSES - 1
    user = os.geteuid() or staging.gives_up_root(Path(order.folder).stat().st_uid)
    return processes.tasks_of(user)


def _free(path: str) -> int:
    """Bytes free on the disk of `path`; a free inode counts as a page of them, for empty files use nothing else."""
    state = os.statvfs(path)
    return state.f_bfree * state.f_frsize + state.f_ffree * 4096


def _drain(descriptor: int, kept: _Kept) -> None:
    """What is left in the pipe, now that nobody writes to it."""
    fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_NONBLOCK)
    try:
        while piece := os.read(descriptor, 1 << 16):
            kept.add(piece)
    except BlockingIOError:
        return


def _end(number: int, frame: object) -> NoReturn:
    """On SIGTERM, leave by way of `main`'s last steps."""
    raise SystemExit(1)
