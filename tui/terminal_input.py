"""What the terminal sends, made fit for Textual's key parser: bad UTF-8 borne, pasted escape sequences taken out."""

from __future__ import annotations

import codecs
import sys

from fireside.text import for_terminal

# xterm's bracketed paste mode.
_PASTE_BEGINS = "\x1b[200~"
_PASTE_ENDS = "\x1b[201~"


class InputDecoder:
    """An incremental UTF-8 decoder of terminal input.

    Bytes that are not UTF-8 become U+FFFD; decoded strictly, one of them would end the app. A paste is held back until
    it is complete and comes without what a terminal would act on: Textual 8 takes an escape sequence inside one for
    keys, so that pasted text could press Enter.
    """

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
        # The last characters outside a paste, which may be the first of its mark.
        self._tail = ""
        self._paste: str | None = None

    def decode(self, data: bytes, final: bool = False) -> str:
        """The text that `data` adds; keys pass at once."""
        text, ready = self._utf8.decode(data, final), []
        while text:
            if self._paste is None:
                seen = self._tail + text
                place = seen.find(_PASTE_BEGINS)
                if place < 0:
                    self._tail = seen[1 - len(_PASTE_BEGINS) :]
                    ready.append(text)
                    break
                end = place + len(_PASTE_BEGINS) - len(self._tail)
                ready.append(text[:end])
                text, self._tail, self._paste = text[end:], "", ""
            else:
                searched = max(len(self._paste) + 1 - len(_PASTE_ENDS), 0)
                self._paste += text
                place = self._paste.find(_PASTE_ENDS, searched)
                if place < 0:
                    break
                ready.append(for_terminal(self._paste[:place]) + _PASTE_ENDS)
                text, self._paste = self._paste[place + len(_PASTE_ENDS) :], None
        return "".join(ready)


def decode_input() -> None:
    """Let Textual's driver read the keyboard through `InputDecoder`. It has no setting for it."""
    if sys.platform == "win32":
        return
    from textual.drivers import linux_driver

    vars(linux_driver)["getincrementaldecoder"] = lambda _: InputDecoder
