"""A server that fails: one clear error each, the key in none of them, and the next turn works."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from fireside.errors import ModelError, PromptTooLong
from fireside.models.remote import RemoteModel, RemoteServer
from fireside.models.remote.problems import wait_before
from fireside.models.types import Delta, Finished, Message, ReplyEvent, Request

KEY = "sk-very-secret-0123456789"
ASK = Request((Message("user", "Hello?"),), max_tokens=20)


async def reply_of(model: RemoteModel, request: Request = ASK) -> list[ReplyEvent]:
    return [event async for event in model.generate(request)]


def text_of(events: list[ReplyEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


Steps = Callable[[SimpleNamespace], list[Any]]
FAULTS: dict[str, tuple[Steps, str, dict[str, float]]] = {
    "says nothing": (lambda w: [w.hang], "nothing came from the server", {"first_s": 0.2}),
    "says nothing behind its header": (lambda w: [w.then(w.STREAM)], "nothing came", {"first_s": 0.2}),
    "only gives signs of life": (lambda w: [w.endless(b": ping\n\n")], "nothing came", {"first_s": 0.2}),
    "only sends empty pieces": (lambda w: [w.endless(w.piece(""))], "nothing came", {"first_s": 0.2}),
    "stops in mid-reply": (lambda w: [w.then(w.STREAM + w.piece("He"))], "nothing came", {"between_s": 0.2}),
    "goes on with signs of life": (
        lambda w: [w.endless(b": ping\n\n", w.STREAM + w.piece("He"))],
        "nothing came",
        {"between_s": 0.2},
    ),
    "goes on with empty pieces": (
        lambda w: [w.endless(w.piece({}), w.STREAM + w.piece("He"))],
        "nothing came",
        {"between_s": 0.2},
    ),
    "is slow without end": (lambda w: [w.endless(w.piece(""))], "not finished after 0.2 s", {"total_s": 0.2}),
    "writes without end": (lambda w: [w.endless(w.piece("word " * 100))], "far more than the 20 tokens", {}),
    "calls without end": (
        lambda w: [w.endless(w.piece({"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}))],
        "endless calls",
        {},
    ),
    "sends a line without end": (lambda w: [w.endless(b"x" * 100_000)], "events that cannot be read", {}),
    "closes in mid-reply": (lambda w: [w.STREAM + w.piece("He")], "closed the connection in the middle", {}),
    "closes in mid-event": (lambda w: [w.STREAM + w.piece("He")[:20]], "closed the connection in the middle", {}),
    "closes in a chunk": (
        lambda w: [w.STREAM.replace(b"Connection: close", b"Transfer-Encoding: chunked") + b"ff\r\ndata"],
        "closed the connection in the middle",
        {},
    ),
    "sends a length it does not keep": (
        lambda w: [w.STREAM.replace(b"Connection: close", b"Content-Length: 500") + w.piece("He")],
        "closed the connection in the middle",
        {},
    ),
    "ends without a reason": (lambda w: [w.STREAM + w.event(b"[DONE]")], "broke its reply off", {}),
    "closes behind its header": (lambda w: [w.STREAM] * 3, "closed the connection without an answer", {}),
    "closes at once": (lambda w: [b""] * 3, "closed the connection without an answer", {}),
    "does not speak HTTP": (lambda w: [b"SSH-2.0-OpenSSH_9.6\r\n"] * 3, "sent what is not HTTP", {}),
    "sends no JSON": (lambda w: [w.STREAM + w.event(b"{'a'}")], "what is not JSON", {}),
    "sends JSON without bottom": (lambda w: [w.STREAM + w.event(b"[" * 100_000)], "what is not JSON", {}),
    "sends a list": (lambda w: [w.STREAM + w.event([1])], "no JSON object", {}),
    "sends something else": (lambda w: [w.STREAM + w.event({"a": 1})], "belongs to no reply", {}),
    "sends choices that are none": (lambda w: [w.STREAM + w.event({"choices": 4})], "belongs to no reply", {}),
    "sends a text that is none": (lambda w: [w.STREAM + w.piece({"content": 4})], "content is no text", {}),
    "sends a delta that is none": (
        lambda w: [w.STREAM + w.event({"choices": [{"delta": [1]}]})],
        "without a message",
        {},
    ),
    "sends calls that are none": (lambda w: [w.STREAM + w.piece({"tool_calls": {"a": 1}})], "no list", {}),
    "sends a call without a function": (
        lambda w: [w.STREAM + w.piece({"tool_calls": [{"index": 0}]})],
        "without a function",
        {},
    ),
    "sends a call's number as text": (
        lambda w: [w.STREAM + w.piece({"tool_calls": [{"index": "0", "function": {"name": "f"}}]})],
        "wrong kind",
        {},
    ),
    "calls with broken arguments": (
        lambda w: [w.streamed(w.piece({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{"}}]}))],
        "arguments that are no JSON object",
        {},
    ),
    "sends invalid UTF-8": (lambda w: [w.STREAM + b"data: \xff\xfe\n\n"], "events that cannot be read", {}),
    "sends a web page": (
        lambda w: [w.raw(b"<html>Welcome</html>", kind="text/html")],
        "a web page",
        {},
    ),
    "fails with a web page": (
        lambda w: [w.raw(b"<html>Bad</html>", "403 Forbidden", "text/html")],
        "HTTP 403.: it sent a web page",
        {},
    ),
    "fails while it writes": (
        lambda w: [w.STREAM + w.piece("He") + w.event({"error": {"message": "out of memory"}})],
        "failed while it wrote: out of memory",
        {},
    ),
    "fails as older vLLM does": (
        lambda w: [w.STREAM + w.event({"object": "error", "message": "no luck", "code": 400})],
        "failed while it wrote: no luck",
        {},
    ),
    "withholds the reply": (lambda w: [w.streamed(w.piece("He"), finish="content_filter")], "withheld", {}),
    "sends an answer that is no reply": (lambda w: [w.answer({"object": "x"})], "an answer without an end", {}),
    "points elsewhere": (
        lambda w: [w.raw(b"", "307 Temporary Redirect", Location="http://192.0.2.1/v1?key=1")],
        "points to another address .http://192.0.2.1/v1.",
        {},
    ),
    "does not know the key": (
        lambda w: [w.answer({"error": {"message": f"Incorrect API key provided: {KEY}"}}, "401 Unauthorized")],
        r"does not let us in .HTTP 401.: Incorrect API key provided: \*\*\*",
        {},
    ),
    "does not know the model": (
        lambda w: [w.answer({"detail": "Not Found"}, "404 Not Found")],
        "HTTP 404.: Not Found",
        {},
    ),
    "refuses a field, as FastAPI does": (
        lambda w: [w.answer({"detail": [{"loc": ["body", "top_k"], "msg": "too low"}]}, "422 Unprocessable")],
        "body.top_k: too low",
        {},
    ),
    "is out of quota": (
        lambda w: [w.answer({"error": {"message": "no money", "code": "insufficient_quota"}}, "429 Too Many")],
        "no more requests now .HTTP 429.: no money",
        {},
    ),
    "asks to wait for long": (
        lambda w: [w.answer({"error": "busy"}, "503 Busy", Retry_After="3600")],
        "failed .HTTP 503.: busy",
        {},
    ),
    "fails each time": (lambda w: [w.answer({"error": "boom"}, "500 Oops")] * 3, "HTTP 500.: boom", {}),
    "never ends its error": (
        lambda w: [w.endless(b"e" * 10_000, b"HTTP/1.1 400 No\r\nConnection: close\r\n\r\n")],
        "refuses the request .HTTP 400.: eee",
        {},
    ),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_one_clear_error_and_the_next_turn_works(
    name: str, wire: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FAR_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    steps, message, limits = FAULTS[name]
    async with wire.talking([*steps(wire), wire.streamed(wire.piece("Hi"))], key_variable="FAR_KEY", **limits) as (
        model,
        fake,
    ):
        with pytest.raises(ModelError, match=message) as raised:
            await reply_of(model)
        assert len(fake.steps) == 1
        assert all(each.headers["authorization"] == f"Bearer {KEY}" for each in fake.asked)
        assert text_of(await reply_of(model)) == "Hi"
    shown = f"{raised.value.message} {raised.value.hint} {raised.value!r}"
    assert "127.0.0.1:" in shown or "tool f" in shown
    assert "\n" not in shown
    assert KEY not in shown + repr(model) + repr(vars(model)) + caplog.text


TRANSIENT = ["408 Timeout", "409 Conflict", "425 Early", "429 Many", "500 Oops", "502 Bad", "503 Busy", "529 Full"]


@pytest.mark.parametrize("status", TRANSIENT)
async def test_what_may_pass_is_tried_again(status: str, wire: SimpleNamespace) -> None:
    failing = wire.answer({"error": {"message": "busy"}}, status, Retry_After="0")
    async with wire.talking([failing, wire.STREAM, wire.streamed(wire.piece("Hi"))]) as (model, fake):
        assert text_of(await reply_of(model)) == "Hi"
        assert len(fake.bodies) == 3
        assert fake.bodies[0] == fake.bodies[2]


async def test_nothing_is_tried_again_once_text_was_shown(wire: SimpleNamespace) -> None:
    async with wire.talking([wire.STREAM + wire.piece("He"), wire.streamed(wire.piece("Hi"))]) as (model, fake):
        events = model.generate(ASK)
        assert await anext(events) == Delta("He")
        with pytest.raises(ModelError, match="closed the connection"):
            await anext(events)
        assert len(fake.bodies) == 1


async def test_no_server_is_told_after_the_retries(unused_tcp_port: int) -> None:
    model = RemoteModel("far", RemoteServer(f"http://127.0.0.1:{unused_tcp_port}", backoff_s=0.001))
    with pytest.raises(ModelError, match="no connection to the server") as raised:
        await model.start()
    assert raised.value.hint == "check that it runs, and its url"
    await model.close()


@pytest.mark.parametrize(
    "error",
    [
        {"message": "This model's maximum context length is 4096 tokens.", "type": "BadRequestError"},
        {"message": "request (3031 tokens) exceeds the available context size (512 tokens), try increasing it"},
        {"message": "Requested tokens (3031) exceed context window of 512"},
    ],
)
async def test_a_prompt_too_long_is_told_as_such(error: dict[str, Any], wire: SimpleNamespace) -> None:
    async with wire.talking([wire.answer({"error": error}, "400 Bad Request")]) as (model, _):
        with pytest.raises(PromptTooLong, match="too long for the model"):
            await reply_of(model)


async def test_closing_the_iterator_closes_the_connection_at_once(wire: SimpleNamespace) -> None:
    async with wire.talking([wire.then(wire.STREAM + wire.piece("He"))]) as (model, fake):
        events = model.generate(ASK)
        assert await anext(events) == Delta("He")
        await events.aclose()
        await asyncio.wait_for(fake.gone.wait(), 5)


async def test_cancelling_closes_the_connection_before_the_first_piece(wire: SimpleNamespace) -> None:
    async with wire.talking([wire.hang]) as (model, fake):
        task = asyncio.create_task(reply_of(model))
        while not fake.bodies:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(fake.gone.wait(), 5)


async def test_an_end_without_counts_and_without_done_is_an_end(wire: SimpleNamespace) -> None:
    async with wire.talking([wire.STREAM + wire.piece("Hi", "stop")]) as (model, _):
        *_, end = await reply_of(model)
        assert isinstance(end, Finished)
        assert end.reason == "stop"


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (b"", "closed the connection"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{", "what is not JSON"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\xff", "not UTF-8"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[1]", "no JSON object"),
        (b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"data": [{"id": 4}]}', "cannot be read"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n{", "closed the connection in its answer"),
        (b"HTTP/1.1 404 No\r\nConnection: close\r\n\r\n", "does not list its models"),
        ([], "has no model"),
        ([{"id": "a"}, {"id": "b"}], "has 2 models, and none is named"),
    ],
)
async def test_a_list_of_models_that_is_none_is_one_clear_error(
    models: Any, message: str, wire: SimpleNamespace
) -> None:
    async with wire.talking(models=models) as (model, _):
        with pytest.raises(ModelError, match=message):
            await model.start()


def test_the_wait_doubles_with_jitter_unless_the_server_names_one() -> None:
    waits = [[wait_before(attempt, 0.5, None) for _ in range(200)] for attempt in range(6)]
    assert [max(each) <= most for each, most in zip(waits, [0.5, 1, 2, 4, 8, 8], strict=True)] == [True] * 6
    assert all(min(each) >= max(each) / 2 - 0.01 and len(set(each)) > 100 for each in waits)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert wait_before(0, 0.5, "7") == 7
    assert wait_before(0, 0.5, "Thu, 01 Jan 2026 00:00:09 GMT", now) == 9
    assert wait_before(0, 0.5, "Thu, 01 Jan 2025 00:00:09 GMT", now) == 0
    assert wait_before(0, 0.5, "soon") <= 0.5


async def test_the_time_asked_for_is_waited(wire: SimpleNamespace) -> None:
    failing = wire.answer({}, "429 Many", Retry_After="0.05")
    async with wire.talking([failing, wire.streamed(wire.piece("Hi"))]) as (model, _):
        began = time.monotonic()
        assert text_of(await reply_of(model)) == "Hi"
        assert time.monotonic() - began >= 0.05
