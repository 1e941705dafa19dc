"""The last step, inside the sandbox: sets the limits of one process and the filters, and becomes the program."""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import Any, NoReturn

from agents.sandbox import landlock, seccomp
from agents.sandbox.failure import in_one_line
from agents.sandbox.identity import check_identities

NOT_FOUND = 127


def main() -> None:
    """Read the order from the descriptor that the command line names; it does not come back."""
    try:
        with os.fdopen(int(sys.argv[1]), encoding="utf-8") as stream:
            order = json.load(stream)
        _hold(order)
        os.write(order["ready"], b"1")
        os.closerange(3, 1 << 20)
    except Exception as error:
        _end(in_one_line(error), 1)
    argv, environment = order["argv"], order["environment"]
    try:
        os.execvpe(argv[0], argv, environment)
    except Exception as error:
        _end(f"cannot run {argv[0]}: {in_one_line(error)}", NOT_FOUND)


def _hold(order: dict[str, Any]) -> None:
    """Bind this process to its limits and the filters, in the folders that were looked through. Raises OSError."""
    check_identities(order["identities"])
    limits = order["limits"]
    for which, value in (
        (resource.RLIMIT_NPROC, order["most_tasks"]),
        (resource.RLIMIT_DATA, limits["memory"]),
        (resource.RLIMIT_FSIZE, limits["file"]),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
        # The guard comes first, and says why.
        (resource.RLIMIT_CPU, limits["cpu_s"] + 1),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, most = resource.getrlimit(which)
        least = value if most == resource.RLIM_INFINITY else min(value, most)
        resource.setrlimit(which, (least, least))
    rules = seccomp.REFUSED
    if order["landlock"] is not None:
        landlock.restrict(**order["landlock"])
        rules += seccomp.UNDER_LANDLOCK
    seccomp.install(rules)


def _end(line: str, status: int) -> NoReturn:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
    os._exit(status)
