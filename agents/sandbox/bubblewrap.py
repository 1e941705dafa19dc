"""The command line of bubblewrap for one run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from agents.sandbox.limits import Limits
from agents.sandbox.protected import Protected

CODE = "/run/fireside"
"""Where the last step's code lies in the sandbox."""

_TREES = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SETTINGS = (
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime"),
    *("/etc/timezone", "/etc/nsswitch.conf", "/etc/mime.types", "/etc/fonts", "/etc/magic", "/etc/java"),
)
"""The parts of /etc that programs need to start, and that say nothing of the person."""


def arguments(
    bwrap: str,
    folder: str,
    limits: Limits,
    protected: Protected,
    binds: Mapping[str, str],
    source: Callable[[str], str],
    users: int,
) -> list[str]:
    """All up to the program itself.

    binds: path in the sandbox -> what to show there, read-only. source: where a path of ours is to be taken from.
    users: a descriptor with the contents of /etc/passwd.
    """
    command = [bwrap, "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"]
    command += ["--cap-drop", "ALL", "--hostname", "sandbox", "--ro-bind", "/usr", "/usr"]
    for tree in _TREES:
        if Path(tree).is_symlink():
            command += ["--symlink", os.readlink(tree), tree]  # noqa: PTH115
        else:
            command += ["--ro-bind-try", tree, tree]
    command += ["--ro-bind-try", "/nix/store", "/nix/store"]
    for path in SETTINGS:
        command += ["--ro-bind-try", path, path]
    command += ["--ro-bind-data", str(users), "/etc/passwd", "--proc", "/proc", "--dev", "/dev"]
    for path in ("/tmp", "/dev/shm"):
        command += ["--perms", "1777", "--size", str(limits.temporary), "--tmpfs", path]
    for path, shown in binds.items():
        command += ["--ro-bind", source(shown), path]
    # Last: the folder may lie below any of these, such as /tmp.
    command += ["--bind", source(folder), folder]
    for path in protected.held:
        # A mount point cannot be renamed.
        command += ["--bind", _below(path, folder, source), path]
    for path in protected.unchanged:
        command += ["--ro-bind", _below(path, folder, source), path]
    for path in protected.hidden_folders:
        command += ["--perms", "0000", "--tmpfs", path, "--remount-ro", path]
    for path in protected.hidden_files:
        # A device cannot be opened on such a mount, so that the file is there and unreadable.
        command += ["--ro-bind", "/dev/null", path]
    return [*command, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", folder, "--clearenv", "--"]


def environment(search: Sequence[str], temporary: str) -> dict[str, str]:
    """All that a program sees of an environment. search: folders of programs."""
    return {"PATH": ":".join(search), "HOME": temporary, "TMPDIR": temporary, "LANG": "C.UTF-8"}


def _below(path: str, folder: str, source: Callable[[str], str]) -> str:
    return str(Path(source(folder)) / Path(path).relative_to(folder))
