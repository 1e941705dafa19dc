"""The filter, worked through by a small interpreter of classic BPF."""

from __future__ import annotations

import errno
import struct

import pytest

from agents.sandbox import seccomp

_X86, _ARM = 0xC000003E, 0xC00000B7
_ALLOW = 0x7FFF0000


def _verdict(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """0 where the call is allowed, else its error number."""
    code = seccomp.program(seccomp.REFUSED, machine)
    arch = architecture if architecture is not None else {"x86_64": _X86, "aarch64": _ARM}[machine]
    padded = (*arguments, *(0,) * (6 - len(arguments)))
    data = struct.pack("=IIQ6Q", number, arch, 0, *padded)
    at = accumulator = 0
    while True:
        operation, true, false, value = struct.unpack_from("=HBBI", code, at * 8)
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif operation == 0x06:
            return 0 if value == _ALLOW else value & 0xFFFF
        else:
            met = {0x15: accumulator == value, 0x45: bool(accumulator & value), 0x35: accumulator >= value}[operation]
            at += true if met else false


@pytest.mark.parametrize(
    ("machine", "number", "arguments", "expected"),
    [
        ("x86_64", 0, (), 0),
        ("x86_64", 41, (), errno.EACCES),
        ("aarch64", 198, (), errno.EACCES),
        ("x86_64", 53, (1, 1), 0),
        ("x86_64", 53, (1, 2 | 0o2000000), errno.EACCES),
        ("x86_64", 101, (), errno.EPERM),
        ("x86_64", 435, (), errno.ENOSYS),
        ("x86_64", 56, (0x11,), 0),
        ("x86_64", 56, (0x10000011,), errno.EPERM),
        ("aarch64", 220, (0x10000011,), errno.EPERM),
        ("x86_64", 16, (0, 0x5401), 0),
        ("x86_64", 16, (0, 0x5412), errno.EPERM),
        ("x86_64", 16, (0, 0xFFFFFFFF00005412), errno.EPERM),
        ("x86_64", 90, (0, 0o755), 0),
        ("x86_64", 90, (0, 0o4755), errno.EPERM),
        ("x86_64", 302, (0,), 0),
        ("x86_64", 302, (99,), errno.EPERM),
        ("x86_64", 141, (0, 0), 0),
        ("x86_64", 141, (2, 0), errno.EPERM),
    ],
)
def test_calls_are_allowed_or_refused(machine: str, number: int, arguments: tuple[int, ...], expected: int) -> None:
    assert _verdict(machine, number, *arguments) == expected


def test_calls_of_another_architecture_do_not_exist() -> None:
    assert _verdict("x86_64", 0, architecture=0x40000003) == errno.ENOSYS
    assert _verdict("x86_64", 0x40000000) == errno.ENOSYS
