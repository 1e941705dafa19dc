"""Which sandbox works on this machine, found out by using it; without one, nothing is run."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from agents.sandbox import landlock, seccomp
from agents.sandbox.limits import Limits
from agents.sandbox.protected import Protected

_ROOT = Path(__file__).resolve().parents[2]
_BOOT = (
    "import sys; sys.tracebacklimit = 0; sys.path.insert(0, sys.argv.pop(1)); "
    "from agents.sandbox.guard import main; main()"
)
GUARD = (sys.executable, "-I", "-S", "-c", _BOOT, str(_ROOT))
"""The command of the process around a program."""
GUARD_ENVIRONMENT = {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"}

_PROBE_S = 20.0
_FOR_ROOT = (
    "run Fireside as an ordinary user, or share a folder on a disk or volume with ext4, XFS, Btrfs or tmpfs: "
    "overlayfs, which containers have as their own, cannot show root's files to another user"
)


@dataclass(frozen=True)
class Reason:
    """Why programs cannot be run here, and what to do about it."""

    message: str
    hint: str


@dataclass(frozen=True)
class Mechanism:
    """What holds a program. bwrap: bubblewrap's path; None: Landlock and seccomp."""

    bwrap: str | None

    @property
    def name(self) -> str:
        """As the person reads it."""
        return "Landlock" if self.bwrap is None else "bubblewrap"


def available(folder: Path | None = None) -> Reason | None:
    """None where `shell` and `python` can be used on this machine, in `folder`; else why not."""
    found = mechanism(folder)
    return found if isinstance(found, Reason) else None


def mechanism(folder: Path | None = None) -> Mechanism | Reason:
    """The sandbox to use: bubblewrap if it works, else Landlock if that does; tried once for a search path and user.

    For root it depends on the file system of `folder` too, so that it is tried there; without one, where temporary
    files lie.
    """
    user = os.geteuid()
    place = str(folder.resolve()) if user == 0 and folder is not None and folder.is_dir() else None
    return _mechanism(shutil.which("bwrap"), user, place)


def order_line(
    argv: list[str], folder: Path, limits: Limits, protected: Protected, stdin: str, held_by: Mechanism
) -> bytes:
    """What the guard reads: one line of JSON."""
    order = {
        "argv": argv,
        "folder": str(folder),
        "stdin": stdin,
        "bwrap": held_by.bwrap,
        "python": python(),
        "limits": asdict(limits),
        "protected": asdict(protected),
    }
    return json.dumps(order).encode() + b"\n"


def python() -> tuple[str, str]:
    """The interpreter itself, behind all links and virtual environments, and the folder of its library."""
    return str(Path(sys.executable).resolve()), str((Path(sys.base_prefix) / sys.platlibdir).resolve())


@functools.cache
def _mechanism(bwrap: str | None, user: int, place: str | None) -> Mechanism | Reason:
    if sys.platform != "linux" or not seccomp.is_known_machine():
        return Reason(
            "programs can be run safely on Linux only (x86_64 or aarch64)", "use the tools that do not run programs"
        )
    refused, where = "it is not installed", "here"
    hint = "install bubblewrap (apt install bubblewrap, dnf install bubblewrap)"
    if bwrap is not None:
        refused, hint = _try(Mechanism(bwrap), place), "allow user namespaces"
        if not refused:
            return Mechanism(bwrap)
        if user == 0:
            where, hint = f"by root in {place or tempfile.gettempdir()}", _FOR_ROOT
    without = _landlock(user)
    if not without:
        return Mechanism(None)
    return Reason(f"no program can be run safely {where}: bubblewrap: {refused}; Landlock: {without}", hint)


def _landlock(user: int) -> str:
    """Why Landlock cannot be used; empty where it can."""
    if user == 0:
        return "it cannot limit the processes of root"
    if (version := landlock.version()) < landlock.LEAST_VERSION:
        return f"version {landlock.LEAST_VERSION} (Linux 6.12) is needed, this kernel has {version or 'none'}"
    return _try(Mechanism(None), None)


def _try(held_by: Mechanism, place: str | None) -> str:
    """Run `true` in it, in the folder `place` or a temporary one; why that failed, empty where it did not."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(place or temporary).resolve()
        line = order_line(["true"], folder, Limits(wall_s=_PROBE_S / 2), Protected(), "", held_by)
        # Closing its stdin ends the guard: that waits until its answer is there.
        with subprocess.Popen(
            GUARD,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=GUARD_ENVIRONMENT,
            start_new_session=True,
        ) as guard:
            assert guard.stdin is not None
            assert guard.stdout is not None
            assert guard.stderr is not None
            try:
                guard.stdin.write(line)
                guard.stdin.flush()
                answer = guard.stdout.read()
                complaint = guard.stderr.read()
            except OSError as error:
                return str(error)
    try:
        read = json.loads(answer)
    except ValueError:
        return complaint.decode(errors="replace").strip().rpartition("\n")[2] or "it did not answer"
    if "error" in read:
        return str(read["error"])
    return "" if read["status"] == 0 else f"it ended with {read['status']}: {read['stderr'].strip()}"
