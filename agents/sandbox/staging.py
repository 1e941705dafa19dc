"""What root does before bubblewrap: gives up being root, and takes along the paths that only root can reach.

The kernel holds no process of user 0 to a limit on processes, and no user namespace changes that: the program has to
run as somebody else. A folder of root's is then shown to it as its own by an ID-mapped mount (mount_setattr(2)): what
it writes there belongs to root on the disk.
"""

from __future__ import annotations

import os
import signal
import struct
from collections.abc import Iterable
from pathlib import Path

from agents.sandbox.libc import syscall

NOBODY_IN_PARTICULAR = 65533
"""A user number below 2**16, so that it exists in containers, which no distribution gives away."""

_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_MOUNT, _UNSHARE = {"x86_64": 165, "aarch64": 40}, {"x86_64": 272, "aarch64": 97}
_NEW_MOUNTS, _NEW_USERS = 0x00020000, 0x10000000
_RECURSIVE_PRIVATE, _BIND_RECURSIVE = 0x4000 | 0x40000, 0x1000 | 0x4000
_AT_EMPTY_PATH, _AT_RECURSIVE, _OPEN_TREE_CLONE, _CLOSE_ON_EXEC, _FROM_EMPTY_PATH = 0x1000, 0x8000, 1, 0o2000000, 4
_AT_CURRENT_FOLDER = -100
_ID_MAPPED = 0x00100000


def gives_up_root(owner: int) -> int:
    """The user that a program runs as for root in a folder of `owner`'s."""
    return owner or NOBODY_IN_PARTICULAR


def enter(stage: str, paths: Iterable[str], folder: str) -> dict[str, str]:
    """Show each of `paths` and `folder` below `stage`, in mounts of this process alone, and become another user.

    stage: an empty folder. Returns where each path is now. Raises OSError where the kernel, the file system or a
    missing capability does not allow it.
    """
    machine = os.uname().machine
    syscall(_UNSHARE[machine], _NEW_MOUNTS)
    syscall(_MOUNT[machine], b"none", b"/", None, _RECURSIVE_PRIVATE, None)
    syscall(_MOUNT[machine], b"tmpfs", os.fsencode(stage), b"tmpfs", 0, b"mode=755,size=64k")
    staged = {}
    for number, path in enumerate(paths):
        staged[path] = _place(stage, str(number), path)
        syscall(_MOUNT[machine], os.fsencode(path), os.fsencode(staged[path]), None, _BIND_RECURSIVE, None)
    owner = Path(folder).stat().st_uid
    user = gives_up_root(owner)
    staged[folder] = _place(stage, "folder", folder)
    tree = syscall(
        _OPEN_TREE, _AT_CURRENT_FOLDER, os.fsencode(folder), _OPEN_TREE_CLONE | _AT_RECURSIVE | _CLOSE_ON_EXEC
    )
    if owner == 0:
        _show_as(user, tree)
    syscall(_MOVE_MOUNT, tree, b"", _AT_CURRENT_FOLDER, os.fsencode(staged[folder]), _FROM_EMPTY_PATH)
    os.close(tree)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    return staged


def _place(stage: str, name: str, path: str) -> str:
    place = Path(stage) / name
    if Path(path).is_dir():
        place.mkdir()
    else:
        place.touch()
    return str(place)


def _show_as(user: int, tree: int) -> None:
    """Make the files of root in the detached mount `tree` look like `user`'s, and the other way round."""
    reading, writing = os.pipe()
    holder = os.fork()
    if holder == 0:
        # The mapping lives in a user namespace, which lives as long as a process in it or the mount.
        syscall(_UNSHARE[os.uname().machine], _NEW_USERS)
        os.write(writing, b"1")
        signal.pause()
        os._exit(0)
    try:
        os.close(writing)
        if os.read(reading, 1) != b"1":
            raise OSError(0, "no user namespace can be made")
        for kind in ("uid_map", "gid_map"):
            Path(f"/proc/{holder}/{kind}").write_text(f"0 {user} 1\n")
        namespace = os.open(f"/proc/{holder}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        attributes = struct.pack("=QQQQ", _ID_MAPPED, 0, 0, namespace)
        try:
            syscall(_MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH | _AT_RECURSIVE, attributes, len(attributes))
        except OSError as error:
            reason = f"this file system cannot show root's files to another user ({error.strerror})"
            raise OSError(error.errno, reason) from error
        finally:
            os.close(namespace)
    finally:
        os.close(reading)
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
