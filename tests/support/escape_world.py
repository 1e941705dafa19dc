"""What a program may try to reach: files, sockets, a process, a terminal; and its runs with and without guard."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import shutil
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from agents.sandbox.limits import Limits
from agents.sandbox.run import run

SECRET = "the secret words"
UNGUARDED_S = 20.0
LIMITS = Limits(
    wall_s=8, cpu_s=6, memory=192 << 20, processes=24, file=16 << 20, disk=48 << 20, temporary=16 << 20, output=20_000
)

_VICTIM = """
import ctypes, os, sys, time
ctypes.CDLL(None).prctl(0x59616d61, ctypes.c_ulong(-1), 0, 0, 0)  # PR_SET_PTRACER: anybody
words = ctypes.create_string_buffer(os.environ["VICTIM_SECRET"].encode())
print(ctypes.addressof(words), len(words.value), flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Ran:
    """A program's run: what it wrote, how it ended, and whether the sandbox itself broke."""

    stdout: str
    stderr: str
    status: int | None
    stopped: str | None = None
    broke: str = ""


@dataclass(frozen=True)
class Case:
    """One attempt. code: Python that prints ESCAPED where it got out, with `W`, a dict of the world.

    escaped: looks from outside instead, where that is the proof. limits: in place of LIMITS. needs_root: only root gets
    through without guard. secrets: whether there are some in the folder, and version control; Landlock then has to
    refuse. venv: whether Fireside's Python lies in the folder; the same.
    """

    name: str
    code: str
    escaped: Callable[[World, Ran], bool] = field(default=lambda world, ran: "ESCAPED" in ran.stdout)
    limits: Limits = LIMITS
    needs_root: bool = False
    secrets: bool = False
    venv: bool = False

    @property
    def protected(self) -> bool:
        """Whether the folder holds what a program must not see or change."""
        return self.secrets or self.venv


class World:
    """A fresh one for each run; a context manager, which puts everything away at its end."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.token = uuid.uuid4().hex
        self.base = Path(tempfile.mkdtemp(prefix="escape-", dir="/var/tmp"))
        self.folder, self.outside, self.home = (self.base / name for name in ("folder", "outside", "home"))
        for each in (self.folder, self.outside, self.home / ".ssh", self.base / "fireside"):
            each.mkdir(parents=True)
        for path in (self.outside / "secret.txt", self.home / ".ssh" / "id_ed25519", self.base / "fireside/notes.db"):
            path.write_text(SECRET)
        (self.folder / "link.txt").symlink_to(self.outside / "new.txt")
        (self.folder / "link").symlink_to(self.outside)
        if case.secrets:
            (self.folder / "sub").mkdir()
            for name in (".env", "server.pem", "sub/.env.local"):
                (self.folder / name).write_text(SECRET)
            for name in (".git/hooks", "sub/deep/.git"):
                (self.folder / name).mkdir(parents=True)
            (self.folder / ".ssh").mkdir()
            (self.folder / ".ssh/config").write_text(SECRET)
        self.venv = self.folder / "tools" / "venv"
        if case.venv:
            (self.venv / "bin").mkdir(parents=True)
        os.environ |= {"HOME": str(self.home), "FIRESIDE_HOME": str(self.base / "fireside"), "API_KEY": SECRET}
        self.sockets = self._sockets()
        self.leak = os.open(self.outside / "secret.txt", os.O_RDONLY)
        os.set_inheritable(self.leak, True)
        self.victim = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _VICTIM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"VICTIM_SECRET": SECRET},
            text=True,
        )
        assert self.victim.stdout is not None
        address, length = self.victim.stdout.readline().split()
        self.facts: dict[str, Any] = {
            "token": self.token,
            "folder": str(self.folder),
            "outside": str(self.outside),
            "home": str(self.home),
            "fireside": str(self.base / "fireside"),
            "secret": SECRET,
            "tcp": self.sockets[0].getsockname()[1],
            "udp": self.sockets[1].getsockname()[1],
            "datagram": str(self.folder / "datagrams"),
            "local": str(self.outside / "socket"),
            "below": str(self.folder / "socket"),
            "abstract": self.token,
            "leak": self.leak,
            "victim": self.victim.pid,
            "address": int(address),
            "length": int(length),
        }

    def __enter__(self) -> World:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for pid in self.left_over():
            os.kill(pid, 9)
        assert self.victim.stdin is not None
        assert self.victim.stdout is not None
        self.victim.kill()
        self.victim.wait()
        self.victim.stdin.close()
        self.victim.stdout.close()
        for each in self.sockets:
            each.close()
        os.close(self.leak)
        if os.path.ismount(self.folder / "mounted"):
            subprocess.run(["umount", self.folder / "mounted"], check=False)
        for trace in (Path("/tmp"), Path("/dev/shm"), Path("/etc"), Path("/usr")):
            (trace / self.token).unlink(missing_ok=True)
        shutil.rmtree(self.base, ignore_errors=True)

    def _sockets(self) -> tuple[socket.socket, ...]:
        made = []
        for family, kind, address in (
            (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            (socket.AF_UNIX, socket.SOCK_STREAM, str(self.outside / "socket")),
            (socket.AF_UNIX, socket.SOCK_STREAM, f"\0{self.token}"),
            (socket.AF_UNIX, socket.SOCK_STREAM, str(self.folder / "socket")),
            (socket.AF_UNIX, socket.SOCK_DGRAM, str(self.folder / "datagrams")),
        ):
            each = socket.socket(family, kind)
            each.bind(address)
            if kind == socket.SOCK_STREAM:
                each.listen()
            made.append(each)
        threading.Thread(target=_answer, args=(made[1],), daemon=True).start()
        return tuple(made)

    @property
    def program(self) -> str:
        """The case's code with what it may know."""
        return f"import json\nW = json.loads({json.dumps(json.dumps(self.facts))})\n{self.case.code}"

    def left_over(self) -> list[int]:
        """Processes of this case that still live, the one that looks apart."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    command = (entry / "cmdline").read_bytes()
                    state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                except OSError:
                    continue
                if self.token.encode() in command and state not in "ZX":
                    found.append(int(entry.name))
        return found

    def unguarded(self) -> Ran:
        """Run it as it is, below a shell of its own, which it may kill."""
        command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", self.program]
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(self.leak,),
            )
            try:
                status: int | None = process.wait(UNGUARDED_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                status = None
            texts = []
            for stream in (stdout, stderr):
                stream.seek(0)
                texts.append(stream.read().decode(errors="replace"))
        return Ran(texts[0], texts[1], status)

    def guarded(self, search: str) -> Ran:
        """Run it in the sandbox, with bubblewrap if it is found on `search`."""
        argv = [str(Path(sys.executable).resolve()), "-c", self.program]
        began = time.monotonic()
        before = os.environ["PATH"], sys.prefix
        os.environ["PATH"] = search
        if self.case.venv:
            sys.prefix = str(self.venv)
        try:
            outcome = asyncio.run(run(argv, folder=self.folder, limits=self.case.limits))
        except Exception as error:
            return Ran("", "", None, broke=f"{type(error).__name__}: {error}")
        finally:
            os.environ["PATH"], sys.prefix = before
        late = time.monotonic() - began - self.case.limits.wall_s
        broke = f"it came back {late:.1f} s after its time" if late > 5 else ""
        return Ran(outcome.stdout, outcome.stderr, outcome.status, outcome.stopped, broke)


def _answer(server: socket.socket) -> None:
    """A name server that answers whatever comes with its question."""
    while True:
        try:
            question, sender = server.recvfrom(2048)
            server.sendto(b"answer" + question, sender)
        except OSError:
            return


def take_terminal() -> int:
    """Make a new pseudoterminal the controlling terminal of this process, which leads a session; its master side."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    return master
