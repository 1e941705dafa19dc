"""OpenAI's own client against a whole server on a loopback port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from fireside.errors import PromptTooLong, WorkerDied
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Called, Delta, Finished, PromptScored, Timings, Tokens, TokenScore, ToolCall, Usage

TOKEN = "correct-horse-battery"
HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
END = Finished("length", Usage(5, 2, 2), Timings())


@pytest.fixture
def clients(serving: Any) -> Any:
    @asynccontextmanager
    async def running(model: ScriptedModel, **more: Any) -> AsyncIterator[openai.AsyncOpenAI]:
        async with serving(model, more.pop("token", None)) as url:
            settings = {"api_key": "unused", "max_retries": 0, **more}
            async with openai.AsyncOpenAI(base_url=f"{url}/v1", **settings) as client:
                yield client

    return running


async def test_chat_whole_and_streamed(clients: Any) -> None:
    async with clients(ScriptedModel([["Hi ", "there", END]] * 2)) as client:
        answer = await client.chat.completions.create(model="scripted", messages=HELLO, seed=3, temperature=0)
        assert answer.choices[0].message.content == "Hi there"
        assert answer.usage.prompt_tokens_details.cached_tokens == 2
        stream = await client.chat.completions.create(
            model="scripted", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Hi there"
    assert chunks[-1].usage.completion_tokens == 2
    assert chunks[-2].choices[0].finish_reason == "length"


async def test_the_streaming_helper_gathers_calls_and_logprobs(clients: Any) -> None:
    tool: Any = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    score = TokenScore(1, b"Hm", -0.5, ((b"Hm", -0.5),))
    calls = [Called(ToolCall("weather", {"city": "Köln"})), Called(ToolCall("weather", {"city": "Bonn"}))]
    async with (
        clients(ScriptedModel([[Delta("Hm", (score,)), *calls]])) as client,
        client.chat.completions.stream(
            model="scripted", messages=HELLO, tools=[tool], logprobs=True, top_logprobs=1
        ) as stream,
    ):
        answer = await stream.get_final_completion()
    [choice] = answer.choices
    assert choice.finish_reason == "tool_calls"
    assert [call.function.arguments for call in choice.message.tool_calls] == ['{"city": "Köln"}', '{"city": "Bonn"}']
    assert choice.logprobs.content[0].top_logprobs[0].logprob == -0.5


class Weather(BaseModel):
    city: str
    degrees: int


async def test_structured_output_is_parsed(clients: Any) -> None:
    model = ScriptedModel([['{"city": "Köln", ', '"degrees": 7}']])
    async with clients(model) as client:
        answer = await client.chat.completions.parse(model="scripted", messages=HELLO, response_format=Weather)
    assert answer.choices[0].message.parsed == Weather(city="Köln", degrees=7)
    assert model.requests[0].constraint.schema["required"] == ["city", "degrees"]  # type: ignore[union-attr]


async def test_a_prompt_of_tokens_is_scored(clients: Any) -> None:
    scores = (TokenScore(7, b"a", None), TokenScore(8, b"b", -1.5, ((b"c", -0.5),)))
    written = TokenScore(9, b"!", -0.1, ((b"!", -0.1),))
    model = ScriptedModel([[PromptScored(scores), Delta("!", (written,)), END]])
    async with clients(model) as client:
        answer = await client.completions.create(
            model="scripted", prompt=[[7, 8]], echo=True, logprobs=1, max_tokens=1, temperature=0
        )
    assert model.requests[0].prompt == Tokens((7, 8))
    logprobs = answer.choices[0].logprobs
    assert logprobs.token_logprobs == [None, -1.5, -0.1]
    assert logprobs.top_logprobs[1] == {"c": -0.5, "b": -1.5}


async def test_embeddings_and_models(clients: Any) -> None:
    async with clients(ScriptedModel([])) as client:
        [one] = (await client.embeddings.create(model="all-minilm-l6-v2", input="warm")).data
        [same] = (
            await client.embeddings.create(model="all-minilm-l6-v2", input=["warm"], encoding_format="float")
        ).data
        names = [model.id async for model in client.models.list()]
        assert (await client.models.retrieve("scripted")).id == "scripted"
    assert one.embedding == pytest.approx(same.embedding)
    assert names == ["scripted", "all-minilm-l6-v2"]


async def test_errors_become_the_clients_own(clients: Any) -> None:
    died = WorkerDied("the model's process stopped")
    model = ScriptedModel([[PromptTooLong("too long")], [died], ["a", died]])
    async with clients(model, token=TOKEN, api_key=TOKEN) as client:
        create = client.chat.completions.create
        with pytest.raises(openai.BadRequestError) as wrong:
            await create(model="scripted", messages=[], temperature=0)
        assert wrong.value.param == "messages"
        with pytest.raises(openai.NotFoundError):
            await create(model="gpt-4o", messages=HELLO)
        with pytest.raises(openai.BadRequestError) as long:
            await create(model="scripted", messages=HELLO)
        assert long.value.code == "context_length_exceeded"
        with pytest.raises(openai.InternalServerError) as stopped:
            await create(model="scripted", messages=HELLO)
        assert stopped.value.status_code == 503
        stream = await create(model="scripted", messages=HELLO, stream=True)
        with pytest.raises(openai.APIError, match="process stopped"):
            _ = [chunk async for chunk in stream]
        with pytest.raises(openai.AuthenticationError):
            await client.with_options(api_key="wrong").models.list()


async def test_the_client_tries_again_after_a_model_died(clients: Any) -> None:
    model = ScriptedModel([[WorkerDied("gone")], ["back"]])
    async with clients(model, max_retries=1) as client:
        answer = await client.chat.completions.create(model="scripted", messages=HELLO)
    assert answer.choices[0].message.content == "back"


async def test_a_stream_that_is_closed_early_stops_the_engine(clients: Any) -> None:
    model = ScriptedModel([["one", asyncio.Event()], ["two"]])
    async with clients(model) as client:
        stream = await client.chat.completions.create(model="scripted", messages=HELLO, stream=True)
        async for chunk in stream:
            if chunk.choices[0].delta.content:
                break
        await stream.close()
        async with asyncio.timeout(10):
            while not model.cancelled:
                await asyncio.sleep(0)
        answer = await client.chat.completions.create(model="scripted", messages=HELLO)
    assert answer.choices[0].message.content == "two"
