"""`fireside serve --web` as a process, over HTTP and WebSocket: who is let in, what the app shows, its end."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from web_server import SECONDS, WebServer, gone, send, shown
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from fireside.conversations.store import ConversationStore
from tui import cli
from tui.serve.web import Web
from tui.theme import DARK

READY = "rite a message"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    with WebServer(tmp_path_factory.mktemp("web")) as running:
        yield running


def assert_guarded(headers: object) -> None:
    fields = dict(headers)  # type: ignore[call-overload]
    policy = fields["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self';" in policy
    assert (fields["referrer-policy"], fields["cache-control"]) == ("no-referrer", "no-store")
    assert (fields["x-frame-options"], fields["x-content-type-options"]) == ("DENY", "nosniff")


def test_the_token_becomes_a_cookie_of_this_page_alone(server: WebServer) -> None:
    response = server.get(f"/?token={server.token}")
    assert_guarded(response.headers)
    cookie, *attributes = response.headers["set-cookie"].split("; ")
    assert attributes == [f"Path={response.headers['location']}", "HttpOnly", "SameSite=Strict"]
    assert server.token not in cookie
    page = server.get(response.headers["location"], Cookie=f"other=1; {cookie}")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert_guarded(page.headers)
    assert server.token not in page.text


def test_everything_that_the_page_loads_is_from_here(server: WebServer) -> None:
    base, cookie = server.enter()
    page = server.get(base, Cookie=cookie).text
    style = server.get(f"{base}page.css", Cookie=cookie).text
    loaded = re.findall(r'(?:src|href)="([^"]*)"', page) + re.findall(r'url\("([^"]*)"\)', style)
    assert {"textual.js", "xterm.css", "page.css", "mono.ttf", "mono-italic.ttf"} < set(loaded)
    for name in loaded:
        response = server.get(f"{base}{name.removeprefix('./')}", Cookie=cookie)
        assert (response.status_code, len(response.content) > 100) == (200, True), name
    assert f"ws://{server.host}{base}ws" in page
    assert "http" not in page + style


@pytest.mark.parametrize("path", ["/", "/?token=", "/?token=wrong", "/?token={token}x", "{base}", "{base}textual.js"])
def test_without_the_token_or_the_cookie_there_is_nothing(server: WebServer, path: str) -> None:
    base, cookie = server.enter()
    for sent in ({}, {"Cookie": "fireside=wrong"}, {"Cookie": cookie.replace("fireside", "other")}):
        response = server.get(path.format(base=base, token=server.token), **sent)
        assert (response.status_code, "has not been let in" in response.text) == (401, True)
        assert_guarded(response.headers)
        assert "set-cookie" not in response.headers


def test_a_foreign_host_or_origin_is_refused_even_with_the_secrets(server: WebServer) -> None:
    base, cookie = server.enter()
    for path, header, value in (
        (f"/?token={server.token}", "Host", "evil.example"), (base, "Host", "evil.example"),
        (f"/?token={server.token}", "Origin", "http://evil.example"), (base, "Origin", "http://127.0.0.1:1"),
        (base, "Origin", "null"),
    ):  # fmt: skip
        response = server.get(path, Cookie=cookie, **{header: value})
        assert response.status_code == 403, (path, header, value)


def test_other_paths_and_methods(server: WebServer) -> None:
    base, cookie = server.enter()
    for path in ("ws", "../", "static/", "textual.js/x", "%2e%2e/etc/passwd"):
        assert server.get(f"{base}{path}", Cookie=cookie).status_code in (401, 404)
    response = httpx.post(f"{server.origin}{base}", headers={"Cookie": cookie}, trust_env=False)
    assert (response.status_code, response.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Cookie": ""}, 401),
        ({"Cookie": "fireside=wrong"}, 401),
        ({"Origin": ""}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "https://127.0.0.1"}, 403),
        ({"Host": "evil.example"}, 403),
    ],
)
def test_a_websocket_of_anybody_else_is_refused(server: WebServer, headers: dict[str, str], status: int) -> None:
    before = server.apps()
    with pytest.raises(InvalidStatus) as caught, server.open(80, 24, **headers):
        pass
    assert caught.value.response.status_code == status
    assert server.apps() == before


def test_the_app_draws_takes_keys_and_sizes_and_goes_with_its_page(server: WebServer) -> None:
    with server.open(width=80, height=24) as socket:
        shown(socket, READY)
        apps = server.apps()
        assert apps
        for nonsense in ("", "{", "[]", '["stdin"]', '["stdin", 1]', '["resize", 3]', '["quit"]', "[" * 100_000):
            socket.send(nonsense)
        socket.send(b"\x00\xff")
        send(socket, "resize", {"width": 100, "height": 40})
        shown(socket, "\x1b[40;")  # draws in its new last line
        send(socket, "stdin", "gr\u00fc\u00dfe")
        shown(socket, "\u00dfe")
    assert gone(apps)


def test_leaving_the_app_closes_its_page(server: WebServer) -> None:
    with server.open() as socket:
        shown(socket, READY)
        apps = server.apps()
        send(socket, "stdin", "\x11")
        for _ in socket:  # until it is closed in order
            pass
        assert socket.close_code == 1000
    assert gone(apps)


def begin_a_reply(server: WebServer, socket: ClientConnection) -> list[psutil.Process]:
    """Send a message and wait for the first words of the reply; the processes that write it."""
    shown(socket, READY)
    send(socket, "stdin", "Write a long story about a lighthouse.\r")
    shown(socket, "Once upon")
    return server.apps()


def assert_saved(home: Path) -> None:
    store = ConversationStore(home / "conversations.db")
    try:
        (conversation,) = store.conversations()
        question, answer = store.messages(conversation.id)
    finally:
        store.close()
    assert question.text == "Write a long story about a lighthouse."
    assert answer.text.startswith("Once upon")
    assert answer.status == "stopped"


@pytest.mark.engine
def test_a_page_that_is_closed_in_mid_reply_loses_nothing(server: WebServer) -> None:
    with server.open() as socket:
        apps = begin_a_reply(server, socket)
    assert gone(apps)
    assert_saved(server.home)


@pytest.mark.engine
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_server_that_ends_in_mid_reply_loses_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with WebServer(tmp_path) as server:
        with server.open() as socket:
            apps = begin_a_reply(server, socket)
            server.process.send_signal(number)
            assert server.process.wait(SECONDS) == {signal.SIGINT: 130, signal.SIGKILL: -signal.SIGKILL}[number]
        assert gone(apps)
        assert server.process.communicate(timeout=SECONDS) == ("", "")
    assert_saved(tmp_path)


def test_an_app_that_cannot_start_says_why_in_the_page_and_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "conversations.db").write_text(
        "not a database at all, but long enough to be read as one " * 20, "utf-8"
    )
    with WebServer(tmp_path) as server:
        with server.open() as socket:
            assert "error: " in shown(socket, "conversations.db")
        server.process.terminate()
        _, err = server.process.communicate(timeout=SECONDS)
    assert err.startswith("error: ")
    assert "Traceback" not in err


async def test_a_page_more_than_there_may_be_is_told_so() -> None:
    web = Web(DARK, [], most=1)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://localhost") as client:
        entered = await client.get(web.address("http://localhost"))
    cookie = entered.headers["set-cookie"].partition(";")[0].encode()
    headers = [(b"host", b"localhost"), (b"origin", b"http://localhost"), (b"cookie", cookie)]
    scope = {
        "type": "websocket", "path": f"{entered.headers['location']}ws", "query_string": b"", "headers": headers
    }  # fmt: skip

    def opened() -> tuple[asyncio.Task[None], asyncio.Queue[Any], asyncio.Queue[Any]]:
        to_app: asyncio.Queue[Any] = asyncio.Queue()
        to_page: asyncio.Queue[Any] = asyncio.Queue()
        to_app.put_nowait({"type": "websocket.connect"})
        return asyncio.create_task(web(scope, to_app.get, to_page.put)), to_app, to_page

    async with asyncio.timeout(3 * SECONDS):
        for _ in range(2):  # the place of a page that has gone is free again
            page, to_app, to_page = opened()
            assert (await to_page.get())["type"] == "websocket.accept"
            assert (await to_page.get())["bytes"]
            one_more, _, told = opened()
            await one_more
            assert [told.get_nowait()["type"], b"close one" in told.get_nowait()["bytes"]] == ["websocket.accept", True]
            assert told.get_nowait() == {"type": "websocket.close", "code": 1000}
            to_app.put_nowait({"type": "websocket.disconnect", "code": 1001})
            await page


@pytest.mark.parametrize("option", ["--token-file", "--parallel", "--waiting", "--max-body", "--timeout"])
def test_what_is_for_the_api_is_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve", "--web", "--port", "0", option, "9"]) == 1
    error, hint = capsys.readouterr().err.splitlines()
    assert error == f"error: {option} is for the API"
    assert hint.startswith("hint: ")


def test_another_host_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve", "--web", "--port", "0", "--host", "0.0.0.0"]) == 1
    error, hint = capsys.readouterr().err.splitlines()
    assert "this machine alone" in error
    assert hint.startswith("hint: ")
