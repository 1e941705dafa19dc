"""Measures start-up: `fireside` from exec to a prompt that takes input, and `fireside --help`; medians of five runs.

Input-ready is measured from outside: the app runs under a pseudo-terminal of 100 by 30, a letter is typed as soon as
the prompt is drawn, and the clock stops when the letter is drawn. Exits 1 where a figure is missed.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time

COMMAND = [sys.executable, "-m", "tui.cli"]
PLACEHOLDER = "rite a message"
LETTER = "\u017e"
"""A letter that nothing else on the screen holds."""
LIMITS = {"input-ready": 1.5, "help": 0.5}


def input_ready() -> tuple[float, float]:
    """Seconds until the prompt is on the screen, and until a letter typed then is in it."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "FIRESIDE_HOME": home, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        began = time.perf_counter()
        process, terminal = pty.fork()
        if process == 0:
            os.execve(COMMAND[0], COMMAND, environment)
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        try:
            shown = _read_until(terminal, PLACEHOLDER, began)
            os.write(terminal, LETTER.encode())
            ready = _read_until(terminal, LETTER, began)
        finally:
            os.kill(process, signal.SIGTERM)
            _drain(terminal)
            os.waitpid(process, 0)
            os.close(terminal)
    return shown, ready


def _read_until(terminal: int, wanted: str, began: float, limit: float = 60.0) -> float:
    """Read what the app draws until `wanted` has been seen; return the seconds since `began`."""
    seen = b""
    while time.perf_counter() - began < limit:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                seen += os.read(terminal, 65536)
            except OSError:
                break
            if wanted.encode() in seen:
                return time.perf_counter() - began
    raise SystemExit(f"the app did not show {wanted!r}; its last output: {seen[-2000:]!r}")


def _drain(terminal: int) -> None:
    """Read until the app has closed its side, so that it is not held up by a full pipe."""
    while True:
        try:
            if not os.read(terminal, 65536):
                return
        except OSError:
            return


def help_shown() -> float:
    """Seconds that `fireside --help` takes."""
    began = time.perf_counter()
    subprocess.run([*COMMAND, "--help"], check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> int:
    """Print the medians; 1 where one is over its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", choices=sorted(LIMITS), help="measure only this")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    missed = False
    for row, limit in LIMITS.items():
        if options.row not in (None, row):
            continue
        note = ""
        if row == "help":
            seconds = [help_shown() for _ in range(options.runs)]
        else:
            runs = [input_ready() for _ in range(options.runs)]
            seconds = [ready for _, ready in runs]
            note = f", prompt drawn after {statistics.median(shown for shown, _ in runs):.2f} s"
        median = statistics.median(seconds)
        missed |= median > limit
        spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
        print(f"{row:<12} {median:.2f} s (limit {limit} s, {spread}{note})")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
