"""The sandbox escape suite: every case without the guard, where it must get through, then with it, where it must not.

    python tests/support/escapes.py [CASE ...] [--landlock]

runs here, as this user; prints a line of JSON a case. It leads a session of its own, with a terminal of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from escape_inward import PROCESSES, RESOURCES
from escape_outward import FILES, NETWORK
from escape_world import Case, World, take_terminal

CASES: dict[str, Case] = {case.name: case for case in (*NETWORK, *FILES, *PROCESSES, *RESOURCES)}
ROOT = Path(__file__).resolve().parents[2]
_LONGEST_S = 900


def applicable(root: bool) -> list[str]:
    """The cases that this user gets through without guard."""
    return [name for name, case in CASES.items() if root or not case.needs_root]


def check(case: Case, landlock: bool) -> str:
    """What is wrong: the case does not get through without the guard, or does with it. Empty: it is held."""
    with World(case) as world:
        without = world.unguarded()
        if not case.escaped(world, without):
            return f"cannot fail: without guard: {_told(without.status, without.stdout, without.stderr)}"
    with World(case) as world:
        guarded = world.guarded("/nonexistent" if landlock else os.environ["PATH"])
        if landlock and case.protected:
            return "" if "Landlock cannot keep a program" in guarded.broke else f"it was not refused: {guarded}"
        if guarded.broke:
            return f"the sandbox broke: {guarded.broke}"
        if case.escaped(world, guarded):
            return f"ESCAPED: {guarded.stopped} {_told(guarded.status, guarded.stdout, guarded.stderr)}"
    return ""


def run_suite(names: Sequence[str], *, landlock: bool = False, user: int | None = None) -> list[str]:
    """Run the cases in a process of their own, as `user` where given (by root only); what is wrong, a line a case.

    The other user gets a copy of the code, which may lie where only root can read.
    """
    with tempfile.TemporaryDirectory(dir="/var/tmp") as copy:
        command = [sys.executable]
        root = ROOT
        if user is not None:
            root = Path(copy)
            root.chmod(0o755)
            for package in ("agents/sandbox", "tests/support", "fireside"):
                shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy(ROOT / "agents/__init__.py", root / "agents")
            who = str(user)
            command = ["setpriv", "--reuid", who, "--regid", who, "--clear-groups", "--", system_python()]
        command += [str(root / "tests/support/escapes.py"), *names, *(["--landlock"] if landlock else [])]
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(root), "LANG": "C.UTF-8"}
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            start_new_session=True,
            timeout=_LONGEST_S,
            check=False,
        )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    wrong = [f"{line['case']}: {line['wrong']}" for line in lines if line["wrong"]]
    if done.returncode or len(lines) != len(names):
        wrong.append(f"the suite itself ended with {done.returncode} after {len(lines)} cases: {done.stderr[-2000:]}")
    return wrong


def system_python() -> str:
    """A Python that every user can run; empty where there is none that Fireside runs on."""
    program = "/usr/bin/python3"
    if Path(program).exists():
        known = subprocess.run([program, "-c", "import sys; print(sys.version_info >= (3, 11))"], capture_output=True)
        if known.stdout.strip() == b"True":
            return program
    return ""


def why_not(landlock: bool, user: int | None) -> str:
    """Why the suite cannot run so on this machine; empty where it can."""
    if user is not None and (os.geteuid() != 0 or not shutil.which("setpriv") or not system_python()):
        return "only root can run it as another user, with setpriv and a system Python of 3.11 or newer"
    command = [sys.executable] if user is None else ["setpriv", f"--reuid={user}", "--clear-groups", system_python()]
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from agents.sandbox.available import mechanism as m; print(m())"
    )
    with tempfile.TemporaryDirectory(dir="/var/tmp") as copy:
        Path(copy).chmod(0o755)
        for package in ("agents/sandbox", "fireside"):
            shutil.copytree(ROOT / package, Path(copy) / package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "agents/__init__.py", Path(copy) / "agents")
        search = "/nonexistent" if landlock else os.environ["PATH"]
        found = subprocess.run(
            [shutil.which(command[0]) or command[0], *command[1:], "-c", program, copy],
            env={"PATH": search},
            capture_output=True,
            text=True,
            check=False,
        ).stdout.strip()
    wanted = "Mechanism(bwrap=None)" if landlock else "Mechanism(bwrap='"
    return "" if found.startswith(wanted) else found or "it cannot be asked"


def _told(status: int | None, stdout: str, stderr: str) -> str:
    return f"status {status}, {stdout[-200:]!r}, {stderr[-300:]!r}"


def main() -> None:
    """Run the cases named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--landlock", action="store_true")
    options = parser.parse_args()
    # Its own terminal ends with it, and must not take it along.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    take_terminal()
    for name in options.cases or applicable(os.geteuid() == 0):
        began = time.perf_counter()
        wrong = check(CASES[name], options.landlock)
        print(json.dumps({"case": name, "wrong": wrong, "seconds": round(time.perf_counter() - began, 2)}), flush=True)


if __name__ == "__main__":
    main()
