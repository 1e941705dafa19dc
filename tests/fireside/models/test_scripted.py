from __future__ import annotations

import asyncio

import pytest

from fireside.errors import ModelError
from fireside.models.sampling import NEUTRAL, Sampling
from fireside.models.scripted import ScriptedModel
from fireside.models.types import (
    Called,
    Delta,
    Finished,
    Message,
    ReplyEvent,
    Request,
    Thinking,
    Timings,
    Tokens,
    TokenScore,
    ToolCall,
    Usage,
)


async def test_replies_come_in_order_and_an_unscripted_one_is_an_error() -> None:
    model = ScriptedModel([["a", "b"], [ModelError("broken")]])
    request = Request((Message("user", "one two"),))
    assert [piece async for piece in model.generate(request)][:2] == [Delta("a"), Delta("b")]
    with pytest.raises(AssertionError, match="left over"):
        model.assert_exhausted()
    with pytest.raises(ModelError, match="broken"):
        [piece async for piece in model.generate(request)]
    model.assert_exhausted()
    assert model.requests == [request, request]
    with pytest.raises(AssertionError, match="not scripted"):
        [piece async for piece in model.generate(request)]


async def test_usage_counts_words_and_pieces() -> None:
    *_, end = [piece async for piece in ScriptedModel([["a", "b"]]).generate(Request("one two three"))]
    assert isinstance(end, Finished)
    assert (end.usage.prompt_tokens, end.usage.completion_tokens, end.reason) == (3, 2, "stop")


async def test_a_gate_holds_the_reply_and_closing_counts_as_cancelled() -> None:
    gate = asyncio.Event()
    model = ScriptedModel([["a", gate, "b"], ["c"]])
    reply = model.generate(Request("x"))
    assert await anext(reply) == Delta("a")
    waiting = asyncio.ensure_future(anext(reply))
    await asyncio.sleep(0)
    assert not waiting.done()
    gate.set()
    assert await waiting == Delta("b")
    await reply.aclose()
    assert model.cancelled == 1
    assert await anext(model.generate(Request("x"))) == Delta("c")


async def test_any_event_can_be_scripted_and_an_end_of_ones_own_ends_it() -> None:
    scored = Delta("a", (TokenScore(1, b"a", -0.5),))
    end = Finished("length", Usage(1, 2, 3), Timings())
    script: list[ReplyEvent] = [Thinking("hm"), scored, Called(ToolCall("now", {})), end]
    assert [event async for event in ScriptedModel([[*script, "never"]]).generate(Request("x"))] == script


async def test_several_requests_run_at_once() -> None:
    gate = asyncio.Event()
    model = ScriptedModel([["a", gate, "b"], ["c"]])
    first = model.generate(Request("x"))
    assert await anext(first) == Delta("a")
    assert [event async for event in model.generate(Request("y"))][:1] == [Delta("c")]
    gate.set()
    assert await anext(first) == Delta("b")
    await first.aclose()


async def test_tokens_are_counted_and_the_recommendation_told() -> None:
    model = ScriptedModel([], sampling=Sampling(temperature=0.2))
    assert await model.count_tokens(Tokens((5, 6, 7))) == 3
    assert (await model.start()).sampling == Sampling(temperature=0.2)
    assert (await ScriptedModel([]).start()).sampling == NEUTRAL
