"""The app in its process for one browser page: draws to the server, and is hung up when the server's pipe ends."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any, BinaryIO, TextIO

from textual.drivers import web_driver
from textual.drivers.web_driver import WebDriver

from tui.terminal_input import InputDecoder

# As for the terminal's own driver: see `tui.terminal_input`.
vars(web_driver)["getincrementaldecoder"] = lambda _: InputDecoder


class PipeDriver(WebDriver):
    """Textual's web driver, alone on its pipe, and with an end.

    Textual's goes on when its input ends, so that an app would outlive a killed server.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """As a driver is made by Textual."""
        super().__init__(*arguments, **options)
        # What a library prints, or a process that is started from here, must not stand between the packets.
        pipe = os.dup(1)
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.close(nothing)
        self._write = partial(_write_all, pipe)

    def run_input_thread(self) -> None:
        """Read what the page sends, and leave as when a terminal goes away where it ends."""
        super().run_input_thread()
        if not self.exit_event.is_set():
            os.kill(os.getpid(), signal.SIGHUP)

    def deliver_binary(self, binary: BinaryIO | TextIO, **options: Any) -> None:
        """Save a file, as in a terminal: the browser is on this machine too."""
        super(WebDriver, self).deliver_binary(binary, **options)


def _write_all(pipe: int, data: bytes) -> int:
    left = memoryview(data)
    while left:
        left = left[os.write(pipe, left) :]
    return len(data)


def main(line: Sequence[str]) -> int:
    """Run the app; returns its exit status. A failure is told on stderr."""
    from fireside.errors import FiresideError
    from tui.commands.chat import open_chat
    from tui.console import report_error

    parser = argparse.ArgumentParser(prog="python -m tui.serve.web_app", allow_abbrev=False)
    parser.add_argument("--model")
    try:
        return open_chat(parser.parse_args(line).model, driver=PipeDriver)
    except (FiresideError, OSError) as error:
        report_error(getattr(error, "message", str(error)), getattr(error, "hint", None))
        return 1
    except Exception as error:  # a mistake of ours: what the page shows is one line
        report_error(f"Fireside failed: {type(error).__name__}: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
