"""The app in a headless Chromium. Skipped where there is none."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from chromium import NAMES, chromium, found
from PIL import Image
from web_server import WebServer, gone

from tui.theme import DARK

BROWSER = found()
pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"no Chromium is on PATH (looked for {', '.join(NAMES)})")


def colours(png: bytes) -> dict[str, float]:
    """The share of each colour of a picture."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    counted = image.getcolors(image.width * image.height)
    assert counted is not None
    return {"#{:02x}{:02x}{:02x}".format(*colour): count / (image.width * image.height) for count, colour in counted}


def test_a_browser_shows_the_app_and_types_into_it(tmp_path: Path) -> None:
    assert BROWSER is not None
    with WebServer(tmp_path / "home") as server, chromium(BROWSER, tmp_path / "profile") as browser:
        browser.call("Page.navigate", url=server.url)
        browser.until(lambda: "rite a message" in browser.drawn())
        apps = server.apps()

        # The address bar and the history hold no token, and scripts of the page cannot read the cookie.
        assert server.token not in browser.evaluate("location.href + document.referrer")
        assert browser.evaluate("document.cookie") == ""
        # Nothing was asked of any other server, and nothing was refused, by the server or by the page's own rules.
        asked = [each["request"]["url"] for each in browser.of("Network.requestWillBeSent")]
        assert {url.rpartition("/")[2] for url in asked} >= {"textual.js", "mono.ttf", "mono-italic.ttf", "page.css"}
        assert [url for url in asked if not url.startswith((f"{server.origin}/", "data:"))] == []
        assert [each["response"]["url"] for each in browser.of("Network.responseReceived")
                if each["response"]["status"] >= 400] == []  # fmt: skip
        complaints = [each["entry"] for each in browser.of("Log.entryAdded")]
        assert [each["text"] for each in complaints if each["source"] in ("security", "network")] == []
        assert browser.of("Runtime.exceptionThrown") == []
        # The terminal was measured with its own font.
        assert browser.evaluate("[...document.fonts].map(font => font.status).join()") == "loaded,loaded"

        browser.call("Input.insertText", text="Hello from a browser")
        browser.until(lambda: "browser" in browser.drawn().split("rite a message")[-1])
        browser.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 300)))")
        picture = browser.screenshot()
        (tmp_path / "page.png").write_bytes(picture)
        seen = colours(picture)
        assert seen[DARK.background.lower() if DARK.background else ""] > 0.5
        assert len(seen) > 20  # letters, with their smooth edges

        browser.call("Page.navigate", url="about:blank")
        assert gone(apps)


def test_a_page_of_another_origin_gets_nothing(tmp_path: Path) -> None:
    assert BROWSER is not None
    with WebServer(tmp_path / "home") as server, chromium(BROWSER, tmp_path / "profile") as browser:
        browser.call("Page.navigate", url=server.url)
        browser.until(lambda: "rite a message" in browser.drawn())
        base = browser.evaluate("location.pathname")
        # Of the same site, so that the cookie is sent: another port of this machine.
        with WebServer(tmp_path / "other") as other:
            browser.call("Page.navigate", url=f"{other.origin}/")
            browser.until(lambda: any(each["response"]["url"] == f"{other.origin}/"
                                      for each in browser.of("Network.responseReceived")))  # fmt: skip
            browser.call("Page.setBypassCSP", enabled=True)
            browser.call("Page.navigate", url=f"{other.origin}/?again")
            browser.until(lambda: any(each["response"]["url"] == f"{other.origin}/?again"
                                      for each in browser.of("Network.responseReceived")))  # fmt: skip
            opened = (
                f"new Promise(done => {{ const socket = new WebSocket('ws://{server.host}{base}ws');"
                "socket.onopen = () => done('open'); socket.onerror = () => done('refused'); })"
            )
            assert browser.evaluate(opened) == "refused"
            statuses = [each["response"]["status"] for each in browser.of("Network.webSocketHandshakeResponseReceived")]
            assert 403 in statuses
            framed = (
                "new Promise(done => { const frame = document.createElement('iframe');"
                f"frame.src = '{server.url}'; frame.onload = () => done(frame.contentDocument === null);"
                "document.documentElement.append(frame); })"
            )
            assert browser.evaluate(framed) is True
            assert server.apps() == [] or gone(server.apps())
