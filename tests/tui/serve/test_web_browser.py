"""The app in a headless Chromium. Skipped where there is none."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from chromium import NAMES, Page, chromium, found
from web_server import SECONDS, WebServer, gone

from tui.theme import DARK

BROWSER = found()
READY = "rite a message"
pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"no Chromium is on PATH (looked for {', '.join(NAMES)})")

COUNT = """new Promise(done => {
    const image = new Image();
    image.onload = () => {
        const canvas = document.createElement("canvas"), counted = {};
        [canvas.width, canvas.height] = [image.width, image.height];
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        const bytes = context.getImageData(0, 0, image.width, image.height).data;
        for (let at = 0; at < bytes.length; at += 4) {
            const colour = "#" + [...bytes.slice(at, at + 3)].map(part => part.toString(16).padStart(2, "0")).join("");
            counted[colour] = (counted[colour] || 0) + 4 / bytes.length;
        }
        done(counted);
    };
    image.src = "data:image/png;base64," + %s;
})"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    with WebServer(tmp_path_factory.mktemp("web")) as running:
        yield running


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Page]:
    assert BROWSER is not None
    with chromium(BROWSER, tmp_path / "profile") as page:
        yield page


def colours(browser: Page, png: bytes) -> dict[str, float]:
    """The share of each colour of a picture, which the browser itself counts."""
    counted: dict[str, float] = browser.evaluate(COUNT % json.dumps(base64.b64encode(png).decode()))
    return counted


class Empty(BaseHTTPRequestHandler):
    """A page with nothing in it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A page of another origin, but of the same site, so that a cookie would be sent: another port of this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Empty) as other:
        thread = Thread(target=other.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{other.server_port}/"
        other.shutdown()
        thread.join()


def test_a_browser_shows_the_app_and_types_into_it(server: WebServer, browser: Page) -> None:
    browser.call("Page.navigate", url=server.url)
    browser.until(lambda: READY in browser.drawn())
    apps = server.apps()

    # The address bar and the history hold no token, and scripts of the page cannot read the cookie.
    assert server.token not in browser.evaluate("location.href + document.referrer")
    assert browser.evaluate("document.cookie") == ""
    # Nothing was asked of any other server, and nothing was refused, by the server or by the page's own rules.
    asked = [each["request"]["url"] for each in browser.of("Network.requestWillBeSent")]
    assert {url.rpartition("/")[2] for url in asked} >= {"textual.js", "mono.ttf", "mono-italic.ttf", "page.css"}
    assert [url for url in asked if not url.startswith((f"{server.origin}/", "data:"))] == []
    statuses = [each["response"]["status"] for each in browser.of("Network.responseReceived")]
    assert max(statuses) < 400
    complaints = [each["entry"] for each in browser.of("Log.entryAdded")]
    assert [each["text"] for each in complaints if each["source"] in ("security", "network")] == []
    assert browser.of("Runtime.exceptionThrown") == []
    # The terminal was measured with its own font.
    assert browser.evaluate("[...document.fonts].map(font => font.status).join()") == "loaded,loaded"

    browser.call("Input.insertText", text="Hello from a browser")
    browser.until(lambda: "Hello from a browser" in browser.drawn())
    seen: dict[str, float] = {}
    ends = time.monotonic() + SECONDS
    while len(seen) < 20:  # letters, with their smooth edges; a picture makes the browser draw the next frame
        assert time.monotonic() < ends, seen
        seen = colours(browser, browser.screenshot())
    assert seen[str(DARK.background).lower()] > 0.5

    browser.call("Page.navigate", url="about:blank")
    assert gone(apps)


def test_a_page_of_another_origin_gets_nothing(server: WebServer, browser: Page, elsewhere: str) -> None:
    browser.call("Page.navigate", url=server.url)
    browser.until(lambda: READY in browser.drawn())
    base, apps = browser.evaluate("location.pathname"), server.apps()
    browser.call("Page.navigate", url=elsewhere)
    browser.until(lambda: browser.of("Page.frameNavigated")[-1]["frame"]["url"] == elsewhere)
    assert gone(apps)
    opened = (
        f"new Promise(done => {{ const socket = new WebSocket('ws://{server.host}{base}ws');"
        "socket.onopen = () => done('open'); socket.onerror = () => done('refused'); })"
    )
    assert browser.evaluate(opened) == "refused"
    (shaken,) = [each["request"]["headers"] for each in browser.of("Network.webSocketWillSendHandshakeRequest")][1:]
    assert shaken["Origin"] == elsewhere.removesuffix("/")
    framed = (
        "new Promise(done => { const frame = document.createElement('iframe');"
        f"frame.src = '{server.url}'; frame.onload = () => done(frame.contentDocument === null);"
        "document.documentElement.append(frame); })"
    )
    assert browser.evaluate(framed) is True  # the browser's own page of an error, of an origin of its own
    assert server.apps() == []
