from __future__ import annotations

import asyncio
import signal
from typing import Any

import pytest

from fireside.errors import FiresideError, ModelError
from fireside.models.scripted import ScriptedModel
from tui.serve import listen
from tui.serve.limits import Limits


async def test_a_port_that_is_taken_is_an_error_with_a_hint() -> None:
    with listen.bound("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(FiresideError, match="cannot listen on") as caught:
            listen.bound("127.0.0.1", taken.getsockname()[1])
    assert "--port" in (caught.value.hint or "")


@pytest.mark.parametrize("host", ["no such host", "x" * 300])
def test_a_host_that_is_none(host: str) -> None:
    with pytest.raises(FiresideError, match="cannot listen on"):
        listen.bound(host, 0)


async def test_a_connection_that_sends_no_request_is_closed(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen, "HEADER_S", 0.05)
    async with serving(ScriptedModel([])) as url:
        port = int(url.rpartition(":")[2])
        for sent in (b"", b"GET /health HTTP/1.1\r\nHost: local"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            async with asyncio.timeout(5):
                assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()


async def test_a_connection_is_kept_for_the_next_request(serving: Any) -> None:
    async with serving(ScriptedModel([])) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        for _ in range(2):
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b'{"status":"ok"}' in await reader.readuntil(b"}")
        writer.close()
        await writer.wait_closed()


async def test_ctrl_c_ends_with_130_and_lets_a_reply_under_way_finish() -> None:
    go_on, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    model = ScriptedModel([["one ", go_on, "two"]])
    task = asyncio.create_task(listen.serve(model, listen.bound("127.0.0.1", 0), None, Limits(), ready.set_result))
    port = int((await ready).rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"prompt": "x"}'
    writer.write(
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    while not model.requests:
        await asyncio.sleep(0)
    signal.raise_signal(signal.SIGINT)
    await asyncio.sleep(0)
    go_on.set()
    assert b'"text":"one two"' in await reader.read()
    writer.close()
    assert await task == 130


async def test_a_model_that_cannot_be_loaded_ends_the_start(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def start(_: Any) -> None:
        raise ModelError("damaged")

    monkeypatch.setattr(ScriptedModel, "start", start)
    with pytest.raises(ModelError, match="damaged"):
        async with serving(ScriptedModel([])):
            pass
