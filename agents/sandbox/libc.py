"""The C library's system calls that Python does not have, by number; an error is an OSError."""

from __future__ import annotations

import ctypes
import os

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.syscall.restype = ctypes.c_long


def syscall(number: int, *arguments: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """Make the call; every number is passed on as a 64-bit word. Raises OSError with its error number."""
    words = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result: int = _LIBC.syscall(ctypes.c_long(number), *words)
    if result < 0:
        number_of_error = ctypes.get_errno()
        raise OSError(number_of_error, os.strerror(number_of_error))
    return result


def prctl(option: int, argument: int, third: int = 0) -> None:
    """`prctl(2)`. Raises OSError."""
    words = [ctypes.c_ulong(each) for each in (argument, third, 0, 0)]
    if _LIBC.prctl(option, *words) < 0:
        number_of_error = ctypes.get_errno()
        raise OSError(number_of_error, os.strerror(number_of_error))
