"""Addresses, keys and proxies; what a server is found to be."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fireside.errors import ModelError
from fireside.models.remote import RemoteModel, RemoteServer
from fireside.models.remote.discovery import parameters_in
from fireside.models.remote.request import SAMPLING_FIELDS, chat_body, tool_names
from fireside.models.remote.server import Kind
from fireside.models.sampling import Sampling
from fireside.models.types import (
    Delta,
    Message,
    ReplyEvent,
    Request,
    Tokens,
    ToolSpec,
)

ASK = Request((Message("user", "Hello?"),), max_tokens=20)
ADD = ToolSpec("math.add", "Add.", {"type": "object", "properties": {"a": {"type": "integer"}}})
ADD_TOO = ToolSpec("math_add", "Add too.", {})
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
KINDS = list(SAMPLING_FIELDS)


async def events_of(model: RemoteModel, request: Request = ASK) -> list[ReplyEvent]:
    return [event async for event in model.generate(request)]


def body_of(request: Request, kind: Kind) -> dict[str, Any]:
    return chat_body(request, kind, "m", tool_names(request, kind))


@pytest.mark.parametrize(
    ("entry", "kind", "context"),
    [
        ({"owned_by": "vllm", "max_model_len": 8192}, "vllm", 8192),
        ({"owned_by": "llamacpp", "meta": {"n_ctx": 512, "n_ctx_train": 8192}}, "llama-server", 512),
        ({"owned_by": "me"}, "llama-cpp-python", 0),
        ({"owned_by": "library"}, "ollama", 0),
        ({"owned_by": "fireside", "context_length": 4096}, "fireside", 4096),
        ({"owned_by": "organization-owner", "context_window": "many"}, "compatible", 0),
    ],
)
async def test_the_kind_and_the_context_are_found_out(
    entry: dict[str, Any], kind: Kind, context: int, wire: SimpleNamespace
) -> None:
    async with wire.talking([wire.streamed(wire.piece("Hi"))], models=[{"id": "m", **entry}]) as (model, fake):
        assert (await model.start()).context_length == context
        await events_of(model, replace(ASK, sampling=Sampling(top_k=4)))
        assert ("top_k" in fake.bodies[0]) == (kind not in ("compatible", "ollama"))


@pytest.mark.parametrize(
    ("named", "found"),
    [("b", "b"), ("llama3", "llama3:latest"), ("b:online", "b:online")],
)
async def test_a_named_model_is_found(named: str, found: str, wire: SimpleNamespace) -> None:
    async with wire.talking(models=[{"id": "b"}, {"id": "llama3:latest"}], model=named) as (model, _):
        assert (await model.start()).path == Path(found)


async def test_an_unknown_model_is_refused_with_the_nearest_name(wire: SimpleNamespace) -> None:
    async with wire.talking(models=[{"id": "qwen3-4b"}], model="qwen3-8b") as (model, _):
        with pytest.raises(ModelError, match="has no model 'qwen3-8b'") as raised:
            await model.start()
    assert raised.value.hint == "did you mean qwen3-4b?"


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", 7e9),
        ("llama3.2:1b", 1e9),
        ("smollm2-135m", 135e6),
        ("mixtral-8x7b-instruct", 56e9),
        ("qwen2.5-0.5b", 5e8),
        ("gpt-4o", 0),
        ("phi-3.5-mini", 0),
    ],
)
def test_a_name_tells_the_number_of_weights(name: str, count: float) -> None:
    assert parameters_in(name) == count


async def test_tokens_are_counted_where_the_server_can_and_estimated_elsewhere(wire: SimpleNamespace) -> None:
    counted = wire.answer({"count": 42, "max_model_len": 8192, "tokens": []})
    async with wire.talking([counted], models=[{"id": "m", "owned_by": "vllm"}]) as (model, fake):
        assert await model.count_tokens(ASK.prompt) == 42
        assert fake.asked[-1].path == "/tokenize"
        assert fake.bodies == [{"model": "m", "messages": [{"role": "user", "content": "Hello?"}]}]
    missing = wire.answer({}, "404 Not Found")
    async with wire.talking([missing], models=[{"id": "m", "owned_by": "vllm"}]) as (model, fake):
        assert [await model.count_tokens("a" * 30) for _ in range(2)] == [18, 18]
        assert len(fake.bodies) == 1
        assert await model.count_tokens(Tokens((1, 2, 3))) == 3


@pytest.mark.parametrize(
    ("url", "base", "root"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1", "http://localhost:8000"),
        ("http://[::1]:8000/", "http://[::1]:8000/v1", "http://[::1]:8000"),
        ("https://a.example/openai/v1/", "https://a.example/openai/v1", "https://a.example/openai"),
        ("https://a.example/v1beta/openai", "https://a.example/v1beta/openai", None),
    ],
)
def test_an_address_is_completed(url: str, base: str, root: str | None) -> None:
    server = RemoteServer(url)
    assert (server.base, server.root) == (base, root)


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8000", "ftp://a", "http://", "http://a:99999", "http://a b", "http://u:pw@a", "http://a/?k=pw"],
)
def test_a_wrong_address_is_refused_without_what_may_be_a_password(url: str) -> None:
    with pytest.raises(ModelError) as raised:
        _ = RemoteServer(url).base
    assert "pw" not in raised.value.message


@pytest.mark.parametrize(
    ("url", "key", "message"),
    [
        ("http://192.0.2.1:8000/v1", "sk-1", "would travel unencrypted"),
        ("http://localhost.example/v1", "sk-1", "would travel unencrypted"),
        ("https://a.example/v1", "", "FAR_KEY, which should hold the key for a.example, is not set"),
        ("http://127.0.0.2/v1", "sk-1\nX-Evil: 1", "cannot be a key"),
        ("http://[::1]/v1", "schlüssel", "cannot be a key"),
    ],
)
async def test_a_key_that_cannot_go_is_told_without_it(
    url: str, key: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAR_KEY", key)
    model = RemoteModel("far", RemoteServer(url, key_variable="FAR_KEY"))
    with pytest.raises(ModelError, match=message) as raised:
        await model.start()
    assert raised.value.hint
    assert not key or key not in str(raised.value)
    await model.close()


def test_a_key_goes_to_this_machine_by_https_or_where_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAR_KEY", " sk-1 ")
    plain = RemoteServer("http://192.0.2.1", key_variable="FAR_KEY", allow_plain_http=True)
    for server in (RemoteServer("https://192.0.2.1", key_variable="FAR_KEY"), plain):
        assert server.key() == "sk-1"
    assert RemoteServer("http://192.0.2.1").key() is None


async def test_proxies_of_the_environment_are_not_for_this_machine(
    wire: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1:1")
    monkeypatch.setenv("ALL_PROXY", "nonsense://x")
    async with wire.talking([wire.streamed(wire.piece("Hi"))]) as (model, _):
        assert (await events_of(model))[0] == Delta("Hi")
    far = RemoteModel("far", RemoteServer("https://192.0.2.1"))
    with pytest.raises(ModelError, match=r"connections to 192\.0\.2\.1 cannot be made"):
        await far.start()


def test_importing_the_engine_imports_no_http() -> None:
    code = "import sys, fireside.models.remote; sys.exit(any(name in sys.modules for name in ('httpx', 'pydantic')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
