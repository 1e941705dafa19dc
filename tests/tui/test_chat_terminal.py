"""The chat in a real pseudo-terminal: it leaves the terminal as it was, and loses nothing when that goes away."""

from __future__ import annotations

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
from typing import Any

import pytest

from fireside.conversations.store import ConversationStore

SCRIPT = """
import asyncio, sys
from pathlib import Path
from fireside.conversations.store import ConversationStore
from fireside.models.scripted import ScriptedModel
from fireside.settings import Settings
from tui.app import FiresideApp
from tui.session import ChatSession

async def main():
    model = ScriptedModel([["Kept so far", asyncio.Event()]])
    store = ConversationStore(Path(sys.argv[1]))
    await FiresideApp(ChatSession(store, Settings(), lambda name: model)).run_async()

asyncio.run(main())
"""


class Terminal:
    """A program in a pseudo-terminal of its own."""

    def __init__(self, arguments: list[str], home: Path) -> None:
        self.screen, self.line = pty.openpty()
        termios.tcsetwinsize(self.line, (24, 80))
        self.before = termios.tcgetattr(self.line)
        self.output = b""
        environment = {**os.environ, "FIRESIDE_HOME": str(home), "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            arguments, stdin=self.line, stdout=self.line, stderr=self.line, env=environment, start_new_session=True
        )

    def read_until(self, wanted: str, seconds: float = 30.0) -> None:
        """Read what is drawn until `wanted` was."""
        ends = time.monotonic() + seconds
        while wanted.encode() not in self.output:
            assert time.monotonic() < ends, self.output[-2000:]
            self._read()

    def type(self, text: str) -> None:
        """Send keys."""
        os.write(self.screen, text.encode())

    def wait(self, seconds: float = 30.0) -> int:
        """Read on until the program has ended; return its status."""
        ends = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < ends, "the program does not end"
            self._read()
        self._read()
        return self.process.returncode

    def _read(self) -> None:
        if select.select([self.screen], [], [], 0.05)[0]:
            self.output += os.read(self.screen, 65536)

    def close(self) -> None:
        """End the program if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for descriptor in (self.screen, self.line):
            if descriptor >= 0:
                os.close(descriptor)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal([sys.executable, "-c", SCRIPT, str(tmp_path / "conversations.db")], tmp_path)
    yield opened
    opened.close()


def assert_sane(terminal: Terminal) -> None:
    """The line settings are back, the other screen is left, mouse and paste reports are off, the cursor is shown."""
    assert termios.tcgetattr(terminal.line) == terminal.before
    for ending in (b"\x1b[?1049l", b"\x1b[?1000l", b"\x1b[?2004l", b"\x1b[?25h"):
        assert ending in terminal.output


def saved(tmp_path: Path) -> list[tuple[str, Any]]:
    store = ConversationStore(tmp_path / "conversations.db")
    try:
        (conversation,) = store.conversations()
        return [(message.text, message.status) for message in store.messages(conversation.id)]
    finally:
        store.close()


@pytest.mark.parametrize("leave", ["\x11", "\x03\x03"], ids=["ctrl-q", "ctrl-c twice"])
def test_leaving_leaves_the_terminal_sane(terminal: Terminal, leave: str) -> None:
    terminal.read_until("rite a message")
    terminal.type(leave)
    assert terminal.wait() == 0
    assert_sane(terminal)


def test_being_ended_in_mid_reply_saves_it_and_leaves_the_terminal_sane(terminal: Terminal, tmp_path: Path) -> None:
    terminal.read_until("rite a message")
    terminal.type("Go.\r")
    terminal.read_until("Kept so far")
    terminal.process.send_signal(signal.SIGTERM)
    terminal.wait()
    assert_sane(terminal)
    assert saved(tmp_path) == [("Go.", "complete"), ("Kept so far", "stopped")]


def test_a_terminal_that_goes_away_in_mid_reply_loses_nothing(terminal: Terminal, tmp_path: Path) -> None:
    terminal.read_until("rite a message")
    terminal.type("Go.\r")
    terminal.read_until("Kept so far")
    os.close(terminal.line)
    os.close(terminal.screen)
    terminal.screen = terminal.line = -1
    terminal.process.send_signal(signal.SIGHUP)
    terminal.process.wait(30)
    assert saved(tmp_path) == [("Go.", "complete"), ("Kept so far", "stopped")]


def test_pasted_escape_sequences_and_bad_bytes_press_no_keys(terminal: Terminal, tmp_path: Path) -> None:
    terminal.read_until("rite a message")
    os.write(terminal.screen, b"\x1b[200~caf\xe9 \x1b[31mfi\x1bZ\rre\x1b[201~\r")
    terminal.read_until("Kept so far")
    terminal.type("\x11")
    assert terminal.wait() == 0
    assert_sane(terminal)
    assert saved(tmp_path)[0] == ("caf\ufffd fi\nre", "complete")


@pytest.mark.parametrize("failing", ["event", "input"])
def test_a_failure_of_the_app_itself_is_one_line_and_a_sane_terminal(tmp_path: Path, failing: str) -> None:
    broken = {
        "event": "from tui.chat.screen import ChatScreen\n"
        "def fail(self): raise ValueError('a \x1b[31mbug')\nChatScreen.action_stop = fail\n",
        "input": "from textual.drivers.linux_driver import LinuxDriver\n"
        "def fail(self): raise ValueError('a \x1b[31mbug')\nLinuxDriver.run_input_thread = fail\n",
    }[failing]
    terminal = Terminal([sys.executable, "-c", broken + SCRIPT, str(tmp_path / "conversations.db")], tmp_path)
    try:
        if failing == "event":
            terminal.read_until("rite a message")
            terminal.type("\x1b")
        terminal.wait()
        assert_sane(terminal)
        last = terminal.output[terminal.output.rindex(b"\x1b[?1049l") :].decode()
        assert "error: Fireside failed: ValueError: a bug" in last
        assert "Traceback" not in last
        assert "Traceback" in (tmp_path / "crash.log").read_text("utf-8")
    finally:
        terminal.close()


def test_without_a_terminal_the_chat_says_so_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tui.cli"], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
        env={**os.environ, "FIRESIDE_HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: the chat needs a terminal", "hint: `fireside ask` takes one question and prints the answer",
    ]  # fmt: skip
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("settings.toml", "thme = 'dark'\n", "unknown key thme"),
        ("conversations.db", "not a database at all, but long enough to be read as one " * 20, "conversations.db"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, file: str, content: str, said: str) -> None:
    (tmp_path / file).write_text(content, "utf-8")
    terminal = Terminal([sys.executable, "-m", "tui.cli"], tmp_path)
    try:
        assert terminal.wait() == 1
        assert b"error: " in terminal.output
        assert said.encode() in terminal.output
        assert b"Traceback" not in terminal.output
        # The first frame may stand by then; the terminal is as it was before the line is written.
        assert terminal.output.rfind(b"\x1b[?1049l") <= terminal.output.rfind(b"error: ")
        assert (tmp_path / file).read_text("utf-8") == content
    finally:
        terminal.close()
