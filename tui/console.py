"""What commands write: JSON documents on stdout, everything meant for a person on stderr."""

from __future__ import annotations

import json
import sys
import time

from fireside.text import for_terminal, for_terminal_line


def emit(document: object) -> None:
    """Print one JSON document on one line of stdout and flush, so that a reader of a stream has it at once."""
    line = json.dumps(document, ensure_ascii=False)
    try:
        line.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        # A file name that is not UTF-8, or an output that is not: JSON's own escapes say it all the same.
        line = json.dumps(document)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """Print text meant as the command's answer on stdout, made safe for a terminal."""
    sys.stdout.write(for_terminal(text) + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Print a message for the person on stderr, made safe for a terminal."""
    sys.stderr.write(for_terminal(text) + "\n")
    sys.stderr.flush()


def report_error(message: str, hint: str | None = None) -> None:
    """Print `error: ...`, and `hint: ...` where there is one, on stderr, one line each."""
    note(f"error: {for_terminal_line(message, 2000)}")
    if hint:
        note(f"hint: {for_terminal_line(hint, 2000)}")


class Progress:
    """One line on stderr for long work: how much is done, the rate, and the time left.

    On a terminal the line is rewritten in place, at most ten times a second; elsewhere a line comes every ten seconds.
    """

    def __init__(self, what: str, unit: str) -> None:
        self._what, self._unit = what, unit
        self._began = time.monotonic()
        self._live = sys.stderr.isatty()
        self._shown = 0.0 if self._live else self._began
        self._complete = False

    def update(self, done: int, total: int) -> None:
        """Show `done` of `total` units."""
        now = time.monotonic()
        if (done >= total and self._complete) or (done < total and now - self._shown < (0.1 if self._live else 10.0)):
            return
        self._shown, self._complete = now, done >= total
        elapsed = max(now - self._began, 1e-6)
        rate = done / elapsed
        left = (total - done) / rate if rate > 0 else 0.0
        line = f"{self._what} {done}/{total} {self._unit}, {rate:.1f}/s, {left:.0f} s left"
        sys.stderr.write(f"\r\x1b[2K{line}" if self._live else line + "\n")
        sys.stderr.flush()

    def finish(self) -> None:
        """Leave the line behind, so that the next message begins on its own."""
        if self._live and self._shown:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
