"""What becomes of a server's answers."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.errors import ModelError
from fireside.models.constraints import Choice, Constraint, JsonSchema
from fireside.models.remote import RemoteModel
from fireside.models.remote.reply import Reply
from fireside.models.remote.request import SAMPLING_FIELDS, chat_body, tool_names
from fireside.models.remote.server import Kind
from fireside.models.types import (
    Called,
    Delta,
    Finished,
    Message,
    ReplyEvent,
    Request,
    Thinking,
    TokenScore,
    ToolCall,
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


async def test_a_reply_is_streamed_and_counted(wire: SimpleNamespace) -> None:
    usage = {"prompt_tokens": 30, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 20}}
    stream = wire.streamed(
        wire.piece({"role": "assistant", "content": ""}), wire.piece("Hel"), wire.piece("lo"), usage=usage
    )
    async with wire.talking([stream]) as (model, fake):
        info = await model.start()
        first, second, end = await events_of(model)
    assert (info.name, info.path, info.sha256, info.parameters) == ("far", Path("some-1b"), "", 1_000_000_000)
    assert [first, second] == [Delta("Hel"), Delta("lo")]
    assert isinstance(end, Finished)
    assert (end.reason, end.usage.prompt_tokens, end.usage.cached_tokens, end.usage.completion_tokens) == (
        "stop",
        30,
        20,
        3,
    )
    assert 0 < end.timings.first_token_s < 5
    assert fake.bodies == [
        {
            "model": "some-1b",
            "messages": [{"role": "user", "content": "Hello?"}],
            "max_tokens": 20,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]
    assert "authorization" not in fake.asked[0].headers


async def test_text_is_made_safe_across_pieces(wire: SimpleNamespace) -> None:
    pieces = [
        wire.piece("a\x1b["),
        wire.piece("2Jb\u202e"),
        wire.piece({"reasoning": "\x1b]0;x"}),
        wire.piece("\ud83d"),
    ]
    async with wire.talking([wire.streamed(*pieces)]) as (model, _):
        events = await events_of(model)
    assert "".join(event.text for event in events if isinstance(event, Delta)) == "ab"
    assert not [event for event in events if isinstance(event, Thinking)]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_thinking_comes_apart_from_the_reply(name: str, wire: SimpleNamespace) -> None:
    async with wire.talking([wire.streamed(wire.piece({name: "hm"}), wire.piece("Hi"))]) as (model, _):
        assert (await events_of(model))[:2] == [Thinking("hm"), Delta("Hi")]


async def test_thinking_left_in_the_text_comes_apart_too(wire: SimpleNamespace) -> None:
    pieces = [wire.piece(text) for text in ("<thi", "nk>\nhm", "m</th", "ink>\n\nHi, a <think> tag")]
    async with wire.talking([wire.streamed(*pieces)]) as (model, _):
        events = await events_of(model)
    assert "".join(event.text for event in events if isinstance(event, Thinking)) == "hmm"
    assert "".join(event.text for event in events if isinstance(event, Delta)) == "Hi, a <think> tag"


async def test_a_server_that_does_not_stream_is_understood(wire: SimpleNamespace) -> None:
    call = {"id": "1", "function": {"name": "f", "arguments": {"a": 1}}}
    message = {"role": "assistant", "content": "Hi", "tool_calls": [call]}
    whole = wire.answer(
        {"choices": [{"message": message, "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 4}}
    )
    async with wire.talking([whole]) as (model, _):
        delta, called, end = await events_of(model)
    assert (delta, called) == (Delta("Hi"), Called(ToolCall("f", {"a": 1})))
    assert isinstance(end, Finished)
    assert (end.reason, end.usage.prompt_tokens) == ("stop", 4)


async def test_chat_scores_are_read(wire: SimpleNamespace) -> None:
    top = [{"token": "Hi", "logprob": -0.5, "bytes": None}, {"token": "bytes:\\xe2\\x80", "logprob": -9999.0}]
    content = [{"id": 7, "token": "Hi", "bytes": [72, 105], "logprob": -0.5, "top_logprobs": top}]
    stream = wire.streamed(wire.piece("Hi", logprobs={"content": content}))
    async with wire.talking([stream]) as (model, fake):
        delta, _ = await events_of(model, replace(ASK, scores=2))
    assert delta == Delta("Hi", (TokenScore(7, b"Hi", -0.5, ((b"Hi", -0.5), (b"\xe2\x80", -9999.0))),))
    assert (fake.bodies[0]["logprobs"], fake.bodies[0]["top_logprobs"]) == (True, 2)


async def test_a_text_is_continued_with_scores(wire: SimpleNamespace) -> None:
    logprobs = {"tokens": [" two"], "token_logprobs": [-1.5], "top_logprobs": [{" 2": -2.0, " two": -1.5}]}
    choice = {"index": 0, "text": " two", "logprobs": logprobs, "finish_reason": None}
    stream = (
        wire.STREAM
        + wire.event({"choices": [choice]})
        + wire.event({"choices": [{"text": "", "finish_reason": "length"}]})
    )
    async with wire.talking([stream]) as (model, fake):
        delta, end = await events_of(model, Request("One", max_tokens=1, scores=1, reply_prefix=","))
    assert delta == Delta(" two", (TokenScore(-1, b" two", -1.5, ((b" two", -1.5), (b" 2", -2.0))),))
    assert isinstance(end, Finished)
    assert end.reason == "length"
    assert (fake.asked[-1].path, fake.bodies[0]["prompt"], fake.bodies[0]["logprobs"]) == ("/v1/completions", "One,", 1)


@pytest.mark.parametrize("logprob", ["x", math.nan, 3.0, [1]])
async def test_scores_that_are_none_are_refused(logprob: Any, wire: SimpleNamespace) -> None:
    content = [{"token": "Hi", "logprob": logprob}]
    async with wire.talking([wire.streamed(wire.piece("Hi", logprobs={"content": content}))]) as (model, _):
        with pytest.raises(ModelError, match="probabilities that cannot be read"):
            await events_of(model, replace(ASK, scores=0))


async def test_a_server_without_scores_is_told(wire: SimpleNamespace) -> None:
    async with wire.talking([wire.streamed(wire.piece("Hi"))]) as (model, _):
        with pytest.raises(ModelError, match="tells no probabilities"):
            await events_of(model, replace(ASK, scores=1))


@given(
    st.lists(
        st.tuples(st.sampled_from(["f", "g"]), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)),
        min_size=1,
        max_size=3,
    ),
    st.data(),
    st.booleans(),
)
def test_calls_are_put_together_however_they_are_cut(
    calls: list[tuple[str, dict[str, int]]], data: st.DataObject, repeated: bool
) -> None:
    import json

    reply = Reply(replace(ASK, max_tokens=500), "compatible", "host", None, {}, 0.0)
    for number, (name, arguments) in enumerate(calls):
        text = json.dumps(arguments)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
        for part, (start, end) in enumerate(zip([0, *cuts], [*cuts, len(text)], strict=True)):
            fragment: dict[str, Any] = {"index": number, "function": {"arguments": text[start:end]}}
            if part == 0 or repeated:
                fragment["id"] = f"call_{number}"
                fragment["function"]["name"] = name
            reply.take({"choices": [{"delta": {"tool_calls": [fragment]}}]})
    reply.take({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})
    *called, _ = reply.close()
    assert called == [Called(ToolCall(name, arguments)) for name, arguments in calls]


async def test_calls_that_share_an_index_are_told_apart_by_id(wire: SimpleNamespace) -> None:
    pieces = [
        wire.piece({"tool_calls": [{"index": 0, "id": key, "function": {"name": key, "arguments": "{}"}}]})
        for key in "ab"
    ]
    async with wire.talking([wire.streamed(*pieces, finish="tool_calls")]) as (model, _):
        *called, _ = await events_of(model)
    assert called == [Called(ToolCall("a", {})), Called(ToolCall("b", {}))]


async def test_a_call_that_the_limit_cut_off_is_dropped(wire: SimpleNamespace) -> None:
    part = wire.piece({"tool_calls": [{"index": 0, "id": "1", "function": {"name": "f", "arguments": '{"a'}}]})
    async with wire.talking([wire.streamed(part, finish="length")]) as (model, _):
        (end,) = await events_of(model)
    assert isinstance(end, Finished)
    assert end.reason == "length"


async def test_names_of_tools_go_in_a_form_the_server_takes_and_come_back(wire: SimpleNamespace) -> None:
    request = replace(ASK, tools=(ADD, ADD_TOO), tool_choice="math.add")
    names = tool_names(request, "compatible")
    sent = names["math.add"]
    assert sent != names["math_add"] == "math_add"
    call = wire.piece({"tool_calls": [{"index": 0, "id": "1", "function": {"name": sent, "arguments": '{"a": 1}'}}]})
    async with wire.talking([wire.streamed(call)]) as (model, fake):
        called, _ = await events_of(model, request)
    assert called == Called(ToolCall("math.add", {"a": 1}))
    assert [tool["function"]["name"] for tool in fake.bodies[0]["tools"]] == [sent, "math_add"]
    assert fake.bodies[0]["tool_choice"] == {"type": "function", "function": {"name": sent}}
    assert tool_names(request, "vllm") == {"math.add": "math.add", "math_add": "math_add"}


async def test_a_tool_that_had_to_be_called_and_was_not_is_told(wire: SimpleNamespace) -> None:
    async with wire.talking([wire.streamed(wire.piece("No."))]) as (model, _):
        with pytest.raises(ModelError, match="called no tool"):
            await events_of(model, replace(ASK, tools=(ADD,), tool_choice="required"))


async def test_a_choice_is_taken_out_of_its_object(wire: SimpleNamespace) -> None:
    stream = wire.streamed(wire.piece('{"choice"'), wire.piece(': "yes"}'))
    async with wire.talking([stream]) as (model, _):
        delta, _ = await events_of(model, replace(ASK, constraint=Choice(("yes", "no"))))
    assert delta == Delta("yes")


@pytest.mark.parametrize(
    ("constraint", "kind", "text"),
    [
        (Choice(("yes", "no")), "compatible", '{"choice": "perhaps"}'),
        (Choice(("yes", "no")), "compatible", "yes"),
        (Choice(("yes", "no")), "vllm", "Yes, of course"),
        (JsonSchema(SCHEMA), "compatible", "Sure! {"),
    ],
)
async def test_a_form_that_was_not_kept_is_told(
    constraint: Constraint, kind: Kind, text: str, wire: SimpleNamespace
) -> None:
    async with wire.talking([wire.streamed(wire.piece(text))], kind=kind) as (model, _):
        with pytest.raises(ModelError, match="did not hold the reply to the form"):
            await events_of(model, replace(ASK, constraint=constraint))
