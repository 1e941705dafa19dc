"""A headless Chromium with one page, spoken to over the DevTools protocol."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "chromium-headless-shell")
_SECONDS = 60.0


def found() -> str | None:
    """The path of a Chromium, or None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def chromium(path: str, folder: Path, width: int = 1000, height: int = 640) -> Iterator[Page]:
    """A browser with a profile in `folder` and one page in it."""
    process = subprocess.Popen(
        [
            path, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={folder}",
            "--no-sandbox", "--disable-dev-shm-usage",  # a container's user is often root, its /dev/shm small
            "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-extensions", "--no-proxy-server", f"--window-size={width},{height}", "about:blank",
        ],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with connect(_listening(process, folder / "DevToolsActivePort"), max_size=None, proxy=None) as socket:
            yield Page(socket, width, height)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listening(process: subprocess.Popen[bytes], file: Path) -> str:
    """Where the browser is spoken to, once it has written that into `file`."""
    ends = time.monotonic() + _SECONDS
    while True:
        lines = file.read_text("utf-8").split() if file.exists() else []
        if len(lines) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        assert time.monotonic() < ends, "Chromium does not listen"
        assert process.poll() is None, "Chromium ended"
        time.sleep(0.01)


class Page:
    """A page of the browser. `events` are all that it has told, in order."""

    def __init__(self, socket: ClientConnection, width: int, height: int) -> None:
        self._socket = socket
        self.events: list[dict[str, Any]] = []
        self._number = 0
        self._session: str | None = None
        made = self.call("Target.createTarget", url="about:blank", newWindow=True, width=width, height=height)
        self._session = self.call("Target.attachToTarget", targetId=made["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """The result of a method of the protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        self._socket.send(json.dumps(message | ({"sessionId": self._session} if self._session else {})))
        while True:
            answer = json.loads(self._socket.recv(timeout=_SECONDS))
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.events.append(answer)

    def until(self, holds: Callable[[], object]) -> None:
        """Read events until the condition holds, looked at after each."""
        ends = time.monotonic() + _SECONDS
        while not holds():
            assert time.monotonic() < ends, "what was waited for in the browser does not come"
            self.events.append(json.loads(self._socket.recv(timeout=_SECONDS)))

    def of(self, method: str) -> list[dict[str, Any]]:
        """The parameters of all events of a kind so far."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page; a promise is waited for."""
        done = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def drawn(self) -> str:
        """Everything that WebSockets have brought the page, as text."""
        frames = [each["response"] for each in self.of("Network.webSocketFrameReceived")]
        return b"".join(
            base64.b64decode(each["payloadData"]) if each["opcode"] == 2 else each["payloadData"].encode()
            for each in frames
        ).decode("utf-8", "replace")

    def screenshot(self) -> bytes:
        """The page as a PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
