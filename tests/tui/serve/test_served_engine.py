"""`fireside serve` with the bundled model, in a process of its own, asked by OpenAI's client."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

pytestmark = pytest.mark.engine

CAPITAL: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
MODEL = "smollm2-135m"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    """The process id and the URL of one server for all tests here."""
    settings = {"FIRESIDE_HOME": str(tmp_path_factory.mktemp("home")), "FIRESIDE_MODEL__THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tui.cli", "serve", "--port", "0", "--parallel", "4", "--json"],
        env={**os.environ, **settings, "FIRESIDE_MODEL__CONTEXT_LENGTH": "1024"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.pid, json.loads(process.stdout.readline())["url"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stdout.read() == ""
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def client(server: tuple[int, str]) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server[1]}/v1", api_key="unused", max_retries=0) as client:
        yield client


def test_a_stream_says_what_the_whole_answer_says(client: openai.OpenAI) -> None:
    asked: Any = {"model": MODEL, "messages": CAPITAL, "temperature": 0, "max_tokens": 12}
    whole = client.chat.completions.create(**asked).choices[0].message.content
    chunks = list(client.chat.completions.create(**asked, stream=True))
    assert whole
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole


def test_a_seed_repeats_a_sampled_answer(client: openai.OpenAI) -> None:
    asked: Any = {"model": MODEL, "prompt": "Once upon a time", "temperature": 1.5, "max_tokens": 8}
    texts = [client.completions.create(**asked, seed=seed).choices[0].text for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_a_scored_text_has_the_scores_it_was_written_with(client: openai.OpenAI) -> None:
    prompt = "The capital of France is"
    written = client.completions.create(model=MODEL, prompt=prompt, temperature=0, max_tokens=2, logprobs=1).choices[0]
    scored = client.completions.create(
        model=MODEL, prompt=prompt + written.text, temperature=0, max_tokens=1, logprobs=1, echo=True
    ).choices[0]
    expected, found = written.logprobs, scored.logprobs
    assert found.tokens[-3:-1] == expected.tokens
    # A prompt is computed in one batch and a reply token by token, which rounds differently.
    assert found.token_logprobs[-3:-1] == pytest.approx(expected.token_logprobs, abs=0.1)
    assert found.token_logprobs[0] is None
    for logprob, top in list(zip(found.token_logprobs, found.top_logprobs, strict=True))[-3:-1]:
        assert logprob == max(top.values())
    assert scored.text.startswith(prompt + written.text)


def test_nothing_is_written_where_no_token_is_asked_for(client: openai.OpenAI) -> None:
    answer = client.completions.create(model=MODEL, prompt=[504, 3575, 282], max_tokens=0, logprobs=0, echo=True)
    assert answer.usage.completion_tokens == 0
    assert len(answer.choices[0].logprobs.tokens) == 3


def test_a_schema_holds_the_answer(client: openai.OpenAI) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 12}, "people": {"type": "integer", "minimum": 1}},
        "required": ["city", "people"],
        "additionalProperties": False,
    }
    form: Any = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema}}
    answer = client.chat.completions.create(model=MODEL, messages=CAPITAL, response_format=form, max_tokens=60)
    said = json.loads(answer.choices[0].message.content or "")
    assert isinstance(said["city"], str)
    assert said["people"] >= 1
    assert answer.choices[0].finish_reason == "stop"


def test_a_json_object_ends_inside_its_limit(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=CAPITAL, response_format={"type": "json_object"}, max_tokens=48, temperature=0
    )
    assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)


def test_a_required_tool_is_called(client: openai.OpenAI) -> None:
    parameters = {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"]}
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": parameters}}
    answer = client.chat.completions.create(
        model=MODEL, messages=CAPITAL, tools=[tool], tool_choice="required", max_tokens=80, temperature=0
    )
    [choice] = answer.choices
    assert choice.finish_reason == "tool_calls"
    [call] = choice.message.tool_calls or ()
    assert json.loads(call.function.arguments)["city"] in ("Paris", "Rome")


def test_what_the_engine_refuses_is_a_bad_request(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as long:
        client.completions.create(model=MODEL, prompt="word " * 2000)
    assert long.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError):
        client.completions.create(model=MODEL, prompt=[10_000_000])
    with pytest.raises(openai.BadRequestError):
        client.completions.create(model=MODEL, prompt="x", extra_body={"grammar": "root ::= nowhere"})
    with pytest.raises(openai.BadRequestError):
        client.completions.create(model=MODEL, prompt="x", logit_bias={"10000000": 1})


async def test_requests_are_written_side_by_side(server: tuple[int, str]) -> None:
    async with openai.AsyncOpenAI(base_url=f"{server[1]}/v1", api_key="unused", max_retries=0) as client:

        async def count(number: int) -> int:
            answer = await client.completions.create(
                model=MODEL, prompt=f"Number {number}:", max_tokens=12, extra_body={"banned_phrases": ["zzz"]}
            )
            return answer.usage.prompt_tokens if answer.usage else 0

        counts = await asyncio.gather(*(count(number) for number in range(6)))
    assert all(count > 0 for count in counts)


async def test_a_client_that_leaves_frees_its_place(server: tuple[int, str]) -> None:
    async with httpx.AsyncClient(base_url=server[1], timeout=30) as client:
        body = {"prompt": "Once", "max_tokens": 900, "stream": True, "logit_bias": {"0": -100, "2": -100}}
        async with client.stream("POST", "/v1/completions", json=body) as response:
            async for _ in response.aiter_lines():
                break
        async with asyncio.timeout(10):
            while "fireside_active_replies 0" not in (await client.get("/metrics")).text:
                await asyncio.sleep(0)


def test_a_killed_worker_is_told_and_started_anew(server: tuple[int, str], client: openai.OpenAI) -> None:
    stream = client.completions.create(
        model=MODEL, prompt="Once", max_tokens=900, stream=True, logit_bias={"0": -100, "2": -100}
    )
    next(iter(stream))
    children = Path(f"/proc/{server[0]}/task/{server[0]}/children").read_text().split()
    [worker] = [child for child in children if b"fireside.models.worker" in Path(f"/proc/{child}/cmdline").read_bytes()]
    os.kill(int(worker), signal.SIGKILL)
    with pytest.raises(openai.APIError, match="process stopped"):
        list(stream)
    assert client.completions.create(model=MODEL, prompt="Once", max_tokens=2).choices[0].text
