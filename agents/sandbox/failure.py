"""What went wrong around a program, in one line for a person: no traceback leaves the sandbox."""

from __future__ import annotations


def in_one_line(error: BaseException) -> str:
    """The system's words where they are an OSError's, else the error's own."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(f"{type(error).__name__}: {error}".split())
