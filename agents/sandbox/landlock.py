"""Landlock (landlock(7)): which files a process may open, no TCP, and no signal to a process outside.

What it does not see (other sockets, a file's mode and owner, System V memory) is refused by `seccomp`.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable

from agents.sandbox.libc import prctl, syscall

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH, _PR_SET_NO_NEW_PRIVS = 1, 1, 38

LEAST_VERSION = 6
"""The first that keeps signals and abstract sockets inside (Linux 6.12)."""

# linux/landlock.h.
_EXECUTE, _WRITE, _READ, _READ_FOLDER, _TRUNCATE = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 14
_OF_A_FILE = _EXECUTE | _WRITE | _READ | _TRUNCATE
_ALL_FILE_RIGHTS = (1 << 16) - 1
_MAKE_DEVICES_AND_SOCKETS = 1 << 6 | 1 << 9 | 1 << 11
_IOCTL = 1 << 15
_TCP, _SCOPES = 0b11, 0b11
_READS = _EXECUTE | _READ | _READ_FOLDER
_WRITES = _ALL_FILE_RIGHTS & ~_MAKE_DEVICES_AND_SOCKETS & ~_IOCTL


def version() -> int:
    """The kernel's Landlock version; 0 where it has none or it is not switched on."""
    try:
        return syscall(_CREATE_RULESET, None, 0, _VERSION)
    except OSError:
        return 0


def restrict(readable: Iterable[str], writable: Iterable[str], devices: Iterable[str]) -> None:
    """Leave this process and all its children only these paths; `devices` may be read and written, not run.

    Paths that do not exist are passed over. Raises OSError where the kernel cannot.
    """
    attributes = struct.pack("=QQQ", _ALL_FILE_RIGHTS, _TCP, _SCOPES)
    ruleset = syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for paths, rights in ((readable, _READS), (writable, _WRITES), (devices, _READ | _WRITE)):
            for path in paths:
                _allow(ruleset, path, rights)
        prctl(_PR_SET_NO_NEW_PRIVS, 1)
        syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        kept = rights if os.path.isdir(f"/proc/self/fd/{descriptor}") else rights & _OF_A_FILE  # noqa: PTH112
        rule = ctypes.create_string_buffer(struct.pack("=Qi", kept, descriptor))
        syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)
