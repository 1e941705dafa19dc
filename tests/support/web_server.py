"""`fireside serve --web` as a process, and a client of its pages that is no browser."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import psutil
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

SECONDS = 60.0


class WebServer:
    """A server on a free port, with FIRESIDE_HOME in a folder of its own, whose model always says the same."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(exist_ok=True)
        (home / "settings.toml").write_text(
            'titles = "first words"\n[reply]\ntemperature = 0\n[model]\nkv_disk_mb = 0\n', "utf-8"
        )
        environment = {**os.environ, "FIRESIDE_HOME": str(home)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tui.cli", "serve", "--web", "--port", "0", "--json"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.url: str = json.loads(self.process.stdout.readline())["url"]
        self.origin, _, self.token = self.url.partition("/?token=")
        self.host = self.origin.removeprefix("http://")

    def get(self, path: str, **headers: str) -> httpx.Response:
        """GET a path, with these headers and no cookie of its own."""
        return httpx.get(f"{self.origin}{path}", headers=headers, trust_env=False, timeout=SECONDS)

    def enter(self) -> tuple[str, str]:
        """Be let in: the path of the page, and the Cookie header that it takes."""
        response = self.get(f"/?token={self.token}")
        assert response.status_code == 303, response.text
        return response.headers["location"], response.headers["set-cookie"].partition(";")[0]

    def open(self, width: int = 80, height: int = 24, **headers: str) -> ClientConnection:
        """The WebSocket of a page with an app behind it; headers overrule what a browser would send."""
        base, cookie = self.enter()
        name = headers.pop("Host", self.host)
        port = int(self.host.rpartition(":")[2])
        sent = {"Cookie": cookie, "Origin": self.origin, **headers}
        return connect(
            f"ws://{name}{base}ws?width={width}&height={height}",
            additional_headers={name: value for name, value in sent.items() if value},
            sock=socket.create_connection(("127.0.0.1", port)), open_timeout=SECONDS,
        )  # fmt: skip

    def apps(self) -> list[psutil.Process]:
        """The processes that the server started, and theirs."""
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found

    def end(self) -> None:
        """End it if it still runs."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(SECONDS)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def __enter__(self) -> WebServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()


def shown(page: ClientConnection, wanted: str) -> str:
    """What the app draws until `wanted` is among it."""
    drawn = b""
    ends = time.monotonic() + SECONDS  # of all messages together: a blinking cursor never ends
    while wanted.encode() not in drawn:
        try:
            message = page.recv(timeout=max(0.0, ends - time.monotonic()))
        except (TimeoutError, ConnectionClosed):
            raise AssertionError(f"{wanted!r} is not in {drawn[-2000:]!r}") from None
        drawn += message if isinstance(message, bytes) else b""
    return drawn.decode("utf-8", "replace")


def send(page: ClientConnection, kind: str, value: Any = None) -> None:
    """Send what the page's script sends."""
    page.send(json.dumps([kind] if value is None else [kind, value]))


def gone(processes: list[psutil.Process]) -> bool:
    """Whether all of them end."""
    return not psutil.wait_procs(processes, timeout=20)[1]
