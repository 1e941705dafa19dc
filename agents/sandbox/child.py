"""The last step, inside the sandbox: sets the limits of one process and the filters, and becomes the program."""

from __future__ import annotations

import json
import os
import resource
import sys

from agents.sandbox import landlock, seccomp

NOT_FOUND = 127


def main() -> None:
    """Read the order from the command line; it does not come back."""
    order = json.loads(sys.argv[1])
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
    os.write(order["ready"], b"1")
    os.closerange(3, 1 << 20)
    argv, environment = order["argv"], order["environment"]
    try:
        os.execvpe(argv[0], argv, environment)
    except OSError as error:
        sys.stderr.write(f"cannot run {argv[0]}: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(NOT_FOUND)
