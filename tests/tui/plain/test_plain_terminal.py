"""The plain chat in a real pseudo-terminal: lines in, lines out, nothing drawn."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fireside.conversations.store import ConversationStore

SCRIPT = """
import asyncio, sys
from pathlib import Path
from fireside.conversations.store import ConversationStore
from fireside.models.scripted import ScriptedModel
from fireside.settings import Settings
from tui.plain.loop import plain_chat
from tui.session import ChatSession

async def main():
    model = ScriptedModel([["Oak ", "burns long."], ["Ash too."], ["Kept so far", asyncio.Event()], ["Last."]])
    store = ConversationStore(Path(sys.argv[1]))
    return await plain_chat(ChatSession(store, Settings(), lambda name: model), None, None)

sys.exit(asyncio.run(main()))
"""


class Terminal:
    """A program in a pseudo-terminal of its own, and everything it wrote."""

    def __init__(self, arguments: list[str], home: Path, **environment: str) -> None:
        self.screen, self.line = pty.openpty()
        termios.tcsetwinsize(self.line, (24, 80))
        self.output = ""
        self._read_to = 0
        self.process = subprocess.Popen(
            arguments, stdin=self.line, stdout=self.line, stderr=self.line, start_new_session=True,
            env={**os.environ, "FIRESIDE_HOME": str(home), "TERM": "xterm-256color", **environment},
            # The terminal that Ctrl+C is typed at must be the program's own, or no signal comes of it.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip

    def expect(self, wanted: str, seconds: float = 30.0) -> None:
        """Read until `wanted` was written behind what was expected before."""
        ends = time.monotonic() + seconds
        while wanted not in self.output[self._read_to :]:
            assert time.monotonic() < ends, f"{wanted!r} did not come:\n{self.output[-2000:]}"
            self._take()
        self._read_to = self.output.index(wanted, self._read_to) + len(wanted)

    def type(self, line: str) -> None:
        """Send a line, or a control character alone."""
        os.write(self.screen, line.encode() + (b"" if line in "\x03\x04" else b"\n"))

    def wait(self, seconds: float = 30.0) -> int:
        """Read on until the program has ended; its status."""
        ends = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < ends, f"the program does not end:\n{self.output[-2000:]}"
            self._take()
        self._take()
        return self.process.returncode

    def _take(self) -> None:
        if select.select([self.screen], [], [], 0.05)[0]:
            self.output += os.read(self.screen, 65536).decode("utf-8", "replace").replace("\r\n", "\n")

    def close(self) -> None:
        """End the program if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.screen)
        os.close(self.line)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal([sys.executable, "-c", SCRIPT, str(tmp_path / "plain.db")], tmp_path)
    yield opened
    opened.close()


def saved(tmp_path: Path) -> list[tuple[str, str]]:
    store = ConversationStore(tmp_path / "plain.db")
    try:
        return [
            (message.text, message.status)
            for conversation in store.conversations()
            for message in store.messages(conversation.id)
        ]
    finally:
        store.close()


def test_a_days_use_line_by_line(terminal: Terminal, tmp_path: Path) -> None:
    terminal.expect("Ready.\nYou: ")
    terminal.type("Which wood\\")
    terminal.expect("More: ")
    terminal.type("burns long?")
    terminal.expect("Assistant: Oak burns long.\nYou: ")
    terminal.type("/retry")
    terminal.expect("Assistant: Ash too.\nYou: ")
    terminal.type("/rename Wood")
    terminal.expect("Renamed.")
    terminal.type("/new")
    terminal.expect("A new conversation.")
    terminal.type("Go.")
    terminal.expect("Kept so far")
    terminal.type("\x03")
    terminal.expect("Stopped. What came is kept.\nYou: ")
    terminal.type("/open wood")
    terminal.expect("Conversation: Wood.\nYou: Which wood\nburns long?\nAssistant: Ash too.\nYou: ")
    terminal.type("/nosuch")
    terminal.expect("Error: there is no command /nosuch")
    terminal.type("/story")
    terminal.expect("Error: /story needs a screen\nHint: ")
    terminal.type("/search kept")
    terminal.expect("1. ")
    terminal.expect("Number, or Enter for none: ")
    terminal.type("1")
    terminal.expect("Assistant: Kept so far\nYou: ")
    terminal.type("/delete")
    terminal.expect("y or n: ")
    terminal.type("n")
    terminal.expect("You: ")
    terminal.type("/edit")
    terminal.expect("Your message: Go.\nYour new message, or Enter to leave it: ")
    terminal.type("Go on.")
    terminal.expect("Assistant: Last.\nYou: ")
    terminal.type("/quit")
    assert terminal.wait() == 0
    assert "\x1b" not in terminal.output
    assert ("Kept so far", "stopped") in saved(tmp_path)
    assert ("Go on.", "complete") in saved(tmp_path)


def test_ctrl_d_leaves(terminal: Terminal) -> None:
    terminal.expect("You: ")
    terminal.type("\x04")
    assert terminal.wait() == 0
    assert "Traceback" not in terminal.output


def test_ctrl_c_leaves_when_it_comes_twice(terminal: Terminal) -> None:
    terminal.expect("You: ")
    terminal.type("\x03")
    terminal.expect("Press Ctrl+C again, or write /quit, to leave.")
    terminal.type("\x03")
    assert terminal.wait() == 0
    assert "Traceback" not in terminal.output


def test_a_terminal_that_goes_away_in_mid_reply_loses_nothing(terminal: Terminal, tmp_path: Path) -> None:
    terminal.expect("You: ")
    for question in ("One?", "Two?", "Three?"):
        terminal.type(question)
        terminal.expect("Kept so far" if question == "Three?" else "You: ")
    terminal.process.send_signal(signal.SIGHUP)
    terminal.wait()
    assert saved(tmp_path)[-1] == ("Kept so far", "stopped")


@pytest.mark.parametrize(
    ("line", "environment", "settings"),
    [(["--plain"], {}, ""), ([], {"TERM": "dumb"}, ""), ([], {}, "plain = true\n"), (["chat", "--plain"], {}, "")],
    ids=["flag", "dumb terminal", "setting", "command"],
)
def test_the_ways_to_it(tmp_path: Path, line: list[str], environment: dict[str, str], settings: str) -> None:
    # A server that is not there: the chat begins all the same, and says so.
    remote = "[model]\nname = 'remote:nowhere'\n[remotes.nowhere]\nurl = 'http://127.0.0.1:9/v1'\nretries = 0\n"
    (tmp_path / "settings.toml").write_text(settings + remote, "utf-8")
    terminal = Terminal([sys.executable, "-m", "tui.cli", *line], tmp_path, **environment)
    try:
        terminal.expect("Fireside, a private assistant. /help lists the commands, /quit leaves.")
        terminal.expect("Loading remote:nowhere.\nError: ")
        terminal.expect("You: ")
        terminal.type("/help")
        terminal.expect("Enter sends.")
        terminal.type("/quit")
        assert terminal.wait() == 0
        assert "\x1b" not in terminal.output
    finally:
        terminal.close()
