from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fireside.errors import ModelError, PromptTooLong, WorkerDied
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Called, ToolCall

DIED = WorkerDied("the model's process stopped", "send again")


async def test_a_model_that_died_is_503_and_the_next_request_works(asking: Any) -> None:
    async with asking([["a", DIED], ["b"]]) as asked:
        first, second = await asked.chat(), await asked.chat()
        assert asked.model.started == 3
    error = first.json()["error"]
    assert (first.status_code, error["type"], error["code"]) == (503, "server_error", "model_stopped")
    assert error["message"] == "the model's process stopped; send again"
    assert second.status_code == 200


async def test_a_model_that_dies_in_mid_stream_is_told_as_the_last_event(asking: Any, events_of: Any) -> None:
    async with asking([["a", DIED]]) as asked:
        response = await asked.chat(stream=True)
    events = [json.loads(event) for event in events_of(response)]
    assert events[1]["choices"][0]["delta"] == {"content": "a"}
    assert events[-1]["error"]["code"] == "model_stopped"


@pytest.mark.parametrize("stream", [False, True])
async def test_what_the_model_refuses_is_the_requests_fault(asking: Any, stream: bool) -> None:
    async with asking([[PromptTooLong("too long")], [ModelError("no such keyword")]]) as asked:
        long, keyword = await asked.chat(stream=stream), await asked.chat(stream=stream)
    assert (long.status_code, long.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert (keyword.status_code, keyword.json()["error"]["message"]) == (400, "no such keyword")


async def test_a_model_that_cannot_be_loaded_again(asking: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def start(_: Any) -> None:
        raise ModelError("the file is gone")

    async with asking() as asked:
        monkeypatch.setattr(ScriptedModel, "start", start)
        response = await asked.chat()
    assert (response.status_code, response.json()["error"]["code"]) == (503, "model_unavailable")


async def test_a_mistake_of_ours_shows_nothing_of_itself(asking: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async with asking([[ValueError("inner secret")], ["fine"]]) as asked:
        response = await asked.chat()
        assert (await asked.chat()).status_code == 200
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "inner secret" in capsys.readouterr().err


async def test_half_a_surrogate_pair_in_a_call_does_not_break_the_answer(asking: Any) -> None:
    async with asking([[Called(ToolCall("f", {"a": "\ud800"}))]]) as asked:
        response = await asked.chat()
    assert json.loads(response.json()["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]) == {"a": "?"}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_stops_the_engine(asking: Any, stream: bool) -> None:
    left = asyncio.Event()
    sent: list[MutableMapping[str, Any]] = []
    body = json.dumps({"messages": [{"role": "user", "content": "x"}], "stream": stream}).encode()
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    scope = {
        "type": "http", "method": "POST", "path": "/v1/chat/completions",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
    }  # fmt: skip

    async def receive() -> MutableMapping[str, Any]:
        if messages:
            return messages.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    never = asyncio.Event()

    async with asking(model=ScriptedModel([["one", never, "two"]])) as asked:
        task = asyncio.create_task(asked.app(scope, receive, send))
        while not asked.model.requests or (stream and len(sent) < 3):
            await asyncio.sleep(0)
        left.set()
        await task
        assert asked.model.cancelled == 1
        assert asked.service.admission.active == asked.service.admission.writing == 0
        metrics = (await asked.client.get("/metrics")).text
    assert len(sent) == (3 if stream else 0)
    assert 'fireside_requests_total{route="/v1/chat/completions",status="499"} 1' in metrics


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "messages", "prompt", "input", "model", "tools", "tool_choice", "response_format", "stop", "logit_bias", "n",
    "seed", "max_tokens", "stream", "stream_options", "logprobs", "top_logprobs", "echo", "temperature", "grammar",
)  # fmt: skip
NEAR = st.fixed_dictionaries(
    {"messages": st.just([{"role": "user", "content": "x"}]), "prompt": st.just("x"), "input": st.just("x")}
).flatmap(lambda base: st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3).map(lambda more: {**base, **more}))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    route=st.sampled_from(["chat/completions", "completions"]),
    body=st.binary(max_size=40)
    | JSON.map(lambda value: json.dumps(value).encode())
    | NEAR.map(lambda value: json.dumps(value).encode()),
)
def test_garbage_is_never_an_error_of_the_server(asking: Callable[..., Any], route: str, body: bytes) -> None:
    async def ask() -> None:
        async with asking([["x"]] * 16) as asked:
            response = await asked.client.post(
                f"/v1/{route}", content=body, headers={"content-type": "application/json"}
            )
        assert response.status_code in (200, 400, 404)
        if response.status_code != 200:
            assert set(response.json()["error"]) == {"message", "type", "code", "param"}

    asyncio.run(ask())


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"messages": NaN}', b"[" * 100_000, b'{"n": 1e999}', b"\xff"])
async def test_bodies_that_are_no_json_object(asking: Any, body: bytes) -> None:
    async with asking() as asked:
        response = await asked.client.post(
            "/v1/chat/completions", content=body, headers={"content-type": "application/json; charset=utf-8"}
        )
    assert response.status_code == 400
