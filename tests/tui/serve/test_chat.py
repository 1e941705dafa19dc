from __future__ import annotations

import json
import math
from typing import Any

import pytest

from fireside.models.constraints import Gbnf, JsonSchema
from fireside.models.types import (
    Called,
    Delta,
    Finished,
    Message,
    Thinking,
    Timings,
    TokenScore,
    ToolCall,
    ToolSpec,
    Usage,
)

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather", "description": "Tells it", "parameters": WEATHER}}
CUT = Finished("length", Usage(7, 3, 2), Timings(tokens_per_s=50.0))


async def test_a_whole_answer(asking: Any) -> None:
    async with asking([["Good ", "day", CUT]]) as asked:
        response = await asked.chat(model="scripted")
    answer = response.json()
    assert response.status_code == 200
    assert answer["id"].startswith("chatcmpl-")
    assert (answer["object"], answer["model"]) == ("chat.completion", "scripted")
    assert answer["system_fingerprint"] == "fp_000000000000"
    [choice] = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": "Good day", "refusal": None}
    assert (choice["index"], choice["finish_reason"], choice["logprobs"]) == (0, "length", None)
    assert answer["usage"] == {
        "prompt_tokens": 7,
        "completion_tokens": 2,
        "total_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 3},
    }


async def test_a_stream_of_chunks(asking: Any, events_of: Any) -> None:
    async with asking([["Good ", "day", CUT]]) as asked:
        response = await asked.chat(stream=True, stream_options={"include_usage": True})
    *chunks, done = events_of(response)
    documents = [json.loads(chunk) for chunk in chunks]
    assert done == "[DONE]"
    assert {each["object"] for each in documents} == {"chat.completion.chunk"}
    assert len({each["id"] for each in documents}) == 1
    assert [each["choices"][0]["delta"] for each in documents[:-1]] == [
        {"role": "assistant", "content": ""},
        {"content": "Good "},
        {"content": "day"},
        {},
    ]
    assert [each["choices"][0]["finish_reason"] for each in documents[:-1]] == [None, None, None, "length"]
    assert all(each["usage"] is None for each in documents[:-1])
    assert documents[-1]["choices"] == []
    assert documents[-1]["usage"]["total_tokens"] == 9


async def test_a_stream_tells_no_usage_unless_asked(asking: Any, events_of: Any) -> None:
    async with asking([["Hi"]]) as asked:
        *chunks, _ = events_of(await asked.chat(stream=True))
    assert all("usage" not in json.loads(chunk) for chunk in chunks)


@pytest.mark.parametrize("stream", [False, True])
async def test_thinking_is_told_apart_from_the_answer(asking: Any, events_of: Any, stream: bool) -> None:
    async with asking([[Thinking("Let me "), Thinking("see."), "Yes"]]) as asked:
        response = await asked.chat(stream=stream)
    if stream:
        deltas = [json.loads(each)["choices"][0]["delta"] for each in events_of(response)[:-1]]
        assert {"reasoning_content": "Let me "} in deltas
        assert {"content": "Yes"} in deltas
    else:
        message = response.json()["choices"][0]["message"]
        assert (message["reasoning_content"], message["content"]) == ("Let me see.", "Yes")


async def test_calls_come_with_ids_and_json_arguments(asking: Any) -> None:
    calls = [Called(ToolCall("weather", {"city": "Köln"})), Called(ToolCall("weather", {"city": "Bonn"}))]
    async with asking([calls]) as asked:
        response = await asked.chat(tools=[TOOL], tool_choice="required")
        [request] = asked.model.requests
    assert request.tools == (ToolSpec("weather", "Tells it", WEATHER),)
    assert request.tool_choice == "required"
    [choice] = response.json()["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    first, second = choice["message"]["tool_calls"]
    assert first["type"] == "function"
    assert json.loads(first["function"]["arguments"]) == {"city": "Köln"}
    assert first["id"] != second["id"]


async def test_calls_in_a_stream_are_numbered(asking: Any, events_of: Any) -> None:
    calls = [Called(ToolCall("weather", {"city": "Köln"})), Called(ToolCall("weather", {"city": "Bonn"}))]
    async with asking([calls]) as asked:
        *chunks, _ = events_of(await asked.chat(tools=[TOOL], stream=True))
    choices = [json.loads(chunk)["choices"][0] for chunk in chunks]
    called = [call for each in choices for call in each["delta"].get("tool_calls", ())]
    assert [(call["index"], call["function"]["name"]) for call in called] == [(0, "weather"), (1, "weather")]
    assert choices[-1]["finish_reason"] == "tool_calls"


async def test_without_parallel_calls_only_the_first_is_told(asking: Any) -> None:
    calls = [Called(ToolCall("weather", {"city": "Köln"})), Called(ToolCall("weather", {"city": "Bonn"}))]
    async with asking([calls]) as asked:
        response = await asked.chat(tools=[TOOL], parallel_tool_calls=False)
    assert len(response.json()["choices"][0]["message"]["tool_calls"]) == 1


async def test_logprobs_with_parts_of_a_character(asking: Any) -> None:
    scores = (
        TokenScore(1, b"\xc3", -0.5, ((b"\xc3", -0.5), (b"a", -math.inf))),
        TokenScore(2, b"\xa4", -0.25, ((b"\xa4", -0.25), (b"b", -2.0))),
    )
    async with asking([[Delta("ä", scores)]]) as asked:
        response = await asked.chat(logprobs=True, top_logprobs=2)
        assert asked.model.requests[0].scores == 2
    first, second = response.json()["choices"][0]["logprobs"]["content"]
    assert (first["token"], first["bytes"], first["logprob"]) == ("bytes:\\xc3", [0xC3], -0.5)
    assert first["top_logprobs"][1] == {"token": "a", "logprob": -9999.0, "bytes": [97]}
    assert bytes(first["bytes"] + second["bytes"]).decode() == "ä"


async def test_sampling_reaches_the_engine_and_the_rest_is_left_to_the_model(asking: Any) -> None:
    async with asking([["x"], ["x"]]) as asked:
        await asked.chat(
            temperature=0, top_p=0.5, top_k=-1, min_p=0.05, repetition_penalty=1.2, seed=-1, stop=["END", ""],
            max_completion_tokens=9, max_tokens=5, logit_bias={"7": -100, "8": 2.5}, frequency_penalty=1,
            banned_phrases=["as an AI"], user="somebody", unknown={"field": 1},
        )  # fmt: skip
        await asked.chat()
        given, plain = asked.model.requests
    sampling = given.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.min_p) == (0, 0.5, 0, 0.05)
    assert (sampling.repeat_penalty, sampling.frequency_penalty, sampling.seed) == (1.2, 1, 2**32 - 2)
    assert sampling.logit_bias == {7: -math.inf, 8: 2.5}
    assert sampling.banned_phrases == ("as an AI",)
    assert (given.stop, given.max_tokens) == (("END",), 9)
    assert plain.sampling.temperature is None
    assert plain.sampling.seed is None
    assert plain.max_tokens == 4096


async def test_several_choices_have_seeds_of_their_own(asking: Any) -> None:
    async with asking([["one"], ["two"]]) as asked:
        response = await asked.chat(n=2, seed=5)
        assert [request.sampling.seed for request in asked.model.requests] == [5, 6]
    answer = response.json()
    assert [choice["message"]["content"] for choice in answer["choices"]] == ["one", "two"]
    assert answer["usage"]["prompt_tokens"] == 1


async def test_forms_of_a_reply(asking: Any) -> None:
    async with asking([["{}"], ["{}"], ["a"], ["b"]]) as asked:
        await asked.chat(response_format={"type": "json_object"})
        await asked.chat(
            response_format={"type": "json_schema", "json_schema": {"name": "w", "schema": WEATHER, "strict": True}}
        )
        await asked.chat(grammar='root ::= "a"')
        await asked.chat(response_format={"type": "text"})
        constraints = [request.constraint for request in asked.model.requests]
    assert constraints == [JsonSchema({"type": "object"}), JsonSchema(WEATHER), Gbnf('root ::= "a"'), None]


async def test_a_conversation_with_calls_and_parts(asking: Any) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bonn"}'}}
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Rain "}, {"type": "text", "text": "today?"}]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "dry"},
    ]
    async with asking([["No."]]) as asked:
        await asked.post("chat/completions", messages=messages)
        prompt = asked.model.requests[0].prompt
    assert prompt == (
        Message("system", "Be brief."),
        Message("user", "Rain today?"),
        Message("assistant", "", (ToolCall("weather", {"city": "Bonn"}),)),
        Message("tool", "dry", tool="weather"),
    )


async def test_a_reply_that_has_begun_is_gone_on_with(asking: Any) -> None:
    messages = [USER, BEGUN]
    async with asking([[" two"]]) as asked:
        response = await asked.post(
            "chat/completions", messages=messages, continue_final_message=True, add_generation_prompt=False
        )
        (request,) = asked.model.requests
    assert (request.prompt, request.reply_prefix) == ((Message("user", "x"),), "One,")
    assert response.json()["choices"][0]["message"]["content"] == " two"


USER = {"role": "user", "content": "x"}
BEGUN = {"role": "assistant", "content": "One,"}
CALLED = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "["}}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [USER, {"role": "king", "content": "x"}]}, "messages[1].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type"),
        ({"messages": [USER, {"role": "tool", "content": "x"}]}, "messages[1].tool_call_id"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [CALLED]}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"messages": [USER], "temperature": "0"}, "temperature"),
        ({"messages": [USER], "temperature": -1}, "temperature"),
        ({"messages": [USER], "stream": 1}, "stream"),
        ({"messages": [USER], "max_tokens": True}, "max_tokens"),
        ({"messages": [USER], "max_tokens": 2.5}, "max_tokens"),
        ({"messages": [USER], "n": 1000}, "n"),
        ({"messages": [USER], "stop": {"a": 1}}, "stop"),
        ({"messages": [USER], "stop": ["a", 1]}, "stop[1]"),
        ({"messages": [USER], "model": 5}, "model"),
        ({"messages": [USER], "logit_bias": {"x": 1}}, "logit_bias"),
        ({"messages": [USER], "logit_bias": {"1": 101}}, "logit_bias"),
        ({"messages": [USER], "top_logprobs": 2}, "top_logprobs"),
        ({"messages": [USER], "continue_final_message": True}, "continue_final_message"),
        ({"messages": [BEGUN], "continue_final_message": True}, "continue_final_message"),
        ({"messages": [USER], "add_generation_prompt": False}, "add_generation_prompt"),
        ({"messages": [USER], "tools": [{"type": "function"}]}, "tools[0].function"),
        ({"messages": [USER], "tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"messages": [USER], "tools": [TOOL, TOOL]}, "tools[1].function.name"),
        ({"messages": [USER], "tool_choice": "required"}, "tool_choice"),
        ({"messages": [USER], "tools": [TOOL], "tool_choice": "sometimes"}, "tool_choice"),
        (
            {"messages": [USER], "tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "x"}}},
            "tool_choice",
        ),
        ({"messages": [USER], "response_format": {"type": "xml"}}, "response_format.type"),
        ({"messages": [USER], "response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"messages": [USER], "response_format": {"type": "json_schema", "json_schema": {}}},
            "response_format.json_schema.schema",
        ),
        ({"messages": [USER], "response_format": {"type": "json_object"}, "grammar": "x"}, "grammar"),
        ({"messages": [USER], "response_format": {"type": "json_object"}, "tools": [TOOL]}, "response_format"),
    ],
)
async def test_a_wrong_field_is_named(asking: Any, body: dict[str, Any], param: str) -> None:
    async with asking() as asked:
        response = await asked.post("chat/completions", **body)
    error = response.json()["error"]
    assert (response.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert param in error["message"]
    assert error["code"]


async def test_null_means_left_out(asking: Any) -> None:
    fields = ("model", "temperature", "stop", "tools", "tool_choice", "response_format", "n", "stream", "logit_bias")
    async with asking([["x"]]) as asked:
        assert (await asked.chat(**dict.fromkeys(fields))).status_code == 200
