"""Keeps llama.cpp's last error lines, instead of letting it write to stderr."""

from __future__ import annotations

import ctypes
from typing import Any

_ERROR = 4  # GGML_LOG_LEVEL_ERROR, in the order NONE, DEBUG, INFO, WARN, ERROR
_callback: Any = None
_lines: list[str] = []


def collect(llama_cpp: Any) -> None:
    """Begin to collect. The callback is global to the library and must outlive every call into it: module state."""
    global _callback
    if _callback is not None:
        return

    @llama_cpp.llama_log_callback  # type: ignore[untyped-decorator]  # llama_cpp ships no types
    def keep(level: int, text: bytes, _: ctypes.c_void_p) -> None:
        line = text.decode("utf-8", "replace").strip()
        if level == _ERROR and line:
            _lines.append(line)
            del _lines[:-20]

    _callback = keep
    llama_cpp.llama_log_set(_callback, ctypes.c_void_p(0))


def last_error() -> str:
    """The last error llama.cpp told, or that there was none."""
    return _lines[-1] if _lines else "no reason given"
