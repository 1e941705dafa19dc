from __future__ import annotations

import asyncio

import pytest

from fireside.errors import ModelError
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Delta, Finished, Message, Request


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
