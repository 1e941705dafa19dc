from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fireside.errors import FiresideError
from tui.serve.access import Access, access_for, read_token

TOKEN = "correct-horse-battery"


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.:80", "127.0.0.1:11435", "127.8.9.1", "[::1]:11435", "[::1]"])
def test_names_of_this_machine_are_let_in(host: str) -> None:
    Access(None, local=True).check_host(host)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", None, "localhost:x", "[::2]"],
)
async def test_a_foreign_host_header_is_refused(asking: Any, host: str | None) -> None:
    async with asking() as asked:
        request = asked.client.build_request("GET", "/v1/models")
        del request.headers["host"]
        if host is not None:
            request.headers["host"] = host
        response = await asked.client.send(request)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "host_not_allowed")


@pytest.mark.parametrize(
    "authorization",
    [None, "", TOKEN, f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer ü"],
)
async def test_without_the_token_nothing_is_answered(asking: Any, authorization: str | None) -> None:
    headers = [] if authorization is None else [(b"authorization", authorization.encode("latin-1"))]
    async with asking(token=TOKEN) as asked:
        for method, path in (("GET", "/v1/models"), ("GET", "/metrics"), ("POST", "/v1/embeddings"), ("GET", "/x")):
            response = await asked.client.request(method, path, headers=headers)
            assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")
            assert response.headers["www-authenticate"] == "Bearer"
            assert TOKEN not in response.text
        assert (await asked.client.get("/health")).json() == {"status": "ok"}


async def test_with_the_token_everything_is(asking: Any) -> None:
    async with asking([["hi"]], token=TOKEN) as asked:
        asked.client.headers["authorization"] = f"bearer {TOKEN}"
        assert (await asked.chat()).status_code == 200


def test_the_token_is_in_no_repr() -> None:
    assert TOKEN not in repr(Access(TOKEN, local=True))


def test_only_loopback_does_without_a_token() -> None:
    assert access_for("127.0.0.1", None) == Access(None, local=True)
    assert access_for("::1", TOKEN) == Access(TOKEN, local=True)
    assert access_for("0.0.0.0", TOKEN) == Access(TOKEN, local=False)
    for address in ("0.0.0.0", "::", "192.168.1.5"):
        with pytest.raises(FiresideError, match="needs a token"):
            access_for(address, None)


def test_the_token_comes_from_the_environment_once_or_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESIDE_SERVE_TOKEN", TOKEN)
    assert read_token(None) == TOKEN
    assert read_token(None) is None
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert read_token(file) == TOKEN
    for bad in ("", "short", "with spaces in the middle of it"):
        file.write_text(bad)
        with pytest.raises(FiresideError, match="not usable"):
            read_token(file)
    with pytest.raises(FiresideError, match="cannot read the token file"):
        read_token(tmp_path / "nowhere")


async def test_a_web_page_gets_no_leave(asking: Any) -> None:
    async with asking() as asked:
        asked.client.headers["origin"] = "http://evil.example"
        preflight = await asked.client.options("/v1/chat/completions")
        simple = await asked.client.post("/v1/chat/completions", content=b"{}", headers={"content-type": "text/plain"})
    assert (preflight.status_code, preflight.headers["allow"]) == (405, "POST")
    assert (simple.status_code, simple.json()["error"]["code"]) == (415, "not_json")
    for response in (preflight, simple):
        assert not [name for name in response.headers if name.startswith("access-control")]


async def test_unknown_routes_and_methods(asking: Any) -> None:
    async with asking() as asked:
        for method, path, status in (
            ("GET", "/", 404), ("POST", "/v1/nothing", 404), ("GET", "/v1/chat/completions", 405),
            ("POST", "/health", 405), ("DELETE", "/v1/models/scripted", 405),
        ):  # fmt: skip
            response = await asked.client.request(method, path)
            assert (response.status_code, response.json()["error"]["type"]) == (status, "invalid_request_error")


async def test_a_body_that_is_too_long_announced_or_not(asking: Any) -> None:
    async def pieces() -> Any:
        for _ in range(20):
            yield b" " * 10

    async with asking(body=100) as asked:
        for content in (b" " * 101, pieces()):
            response = await asked.client.post(
                "/v1/completions", content=content, headers={"content-type": "application/json"}
            )
            assert (response.status_code, response.json()["error"]["code"]) == (413, "body_too_large")
            assert response.headers["connection"] == "close"


async def test_a_body_that_never_comes_whole(asking: Any) -> None:
    async def pieces() -> Any:
        yield b"{"
        await asyncio.Event().wait()

    async with asking(body_s=0.01) as asked:
        response = await asked.client.post(
            "/v1/completions", content=pieces(), headers={"content-type": "application/json"}
        )
    assert (response.status_code, response.json()["error"]["code"]) == (408, "body_too_slow")


async def test_a_request_that_takes_too_long_is_ended(asking: Any) -> None:
    async with asking([["a", asyncio.Event()]], request_s=0.01) as asked:
        response = await asked.chat()
        assert asked.model.cancelled == 1
    assert (response.status_code, response.json()["error"]["code"]) == (504, "timeout")


async def test_too_many_requests_are_told_to_come_back(asking: Any) -> None:
    go_on = asyncio.Event()
    async with asking([[go_on, "a"], ["b"]], parallel=1, waiting=1) as asked:
        first, second = asyncio.create_task(asked.chat()), asyncio.create_task(asked.chat())
        while asked.service.admission.active < 2:
            await asyncio.sleep(0)
        third = await asked.chat()
        health = await asked.client.get("/health")
        go_on.set()
        assert [(await each).status_code for each in (first, second)] == [200, 200]
    assert (third.status_code, third.headers["retry-after"]) == (429, "1")
    assert third.json()["error"]["code"] == "too_many_requests"
    assert health.status_code == 200
