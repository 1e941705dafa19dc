"""Server-sent events: bytes in, cut anywhere, the data of whole events out."""

from __future__ import annotations

import re

# A token with 20 scored alternatives takes about 2 kB.
LONGEST_EVENT = 8 * 1024 * 1024
_BREAK = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"


class EventDecoder:
    """The parser of the `text/event-stream` format (HTML standard, section 9.2.6). Only `data` is looked at.

    An event that was not ended by an empty line is not told, as the standard wants it.
    """

    def __init__(self, longest: int = LONGEST_EVENT) -> None:
        """longest: of an event's bytes."""
        self._longest = longest
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._first = True

    def push(self, data: bytes) -> list[str]:
        """The data of the events that are whole by now. Raises ValueError: an event too long, or not UTF-8."""
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            self._after_cr = False
        if not data:
            return []
        self._after_cr = data.endswith(b"\r")
        *ended, rest = _BREAK.split(data)
        events = []
        for piece in ended:
            self._line += piece
            line = bytes(self._line)
            self._line.clear()
            event = self._take(line)
            if event is not None:
                events.append(event)
        self._line += rest
        self._check(len(self._line))
        return events

    def _take(self, line: bytes) -> str | None:
        """Take in a line; the event's data if that ended one."""
        if self._first:
            self._first = False
            line = line.removeprefix(_BOM)
        if not line:
            data, self._data, self._size = self._data, [], 0
            return b"\n".join(data).decode("utf-8") if data else None
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" "))
            self._size += len(value) + 1
            line = b""
        self._check(len(line))
        return None

    def _check(self, line: int) -> None:
        if line + self._size > self._longest:
            raise ValueError(f"an event is longer than {self._longest} bytes")
