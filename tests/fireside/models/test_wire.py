from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.models import wire
from fireside.models.constraints import Choice, Gbnf, JsonSchema, Lazy, Tagged
from fireside.models.gguf.loading import GgufLoading
from fireside.models.sampling import GREEDY, NEUTRAL, Sampling
from fireside.models.types import (
    AdapterUse,
    Called,
    Delta,
    Finished,
    Message,
    ModelInfo,
    PromptScored,
    ReplyEvent,
    Request,
    Thinking,
    Timings,
    Tokens,
    TokenScore,
    ToolCall,
    ToolSpec,
    Usage,
)

texts = st.text(max_size=20) | st.sampled_from(["\n", "\r\n", "\u2028", "\ud800", "🔥", "\x00"])
few_texts = st.lists(texts, max_size=2).map(tuple)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts, lambda inner: st.lists(inner, max_size=3), max_leaves=5
)
objects = st.dictionaries(texts, json_values, max_size=3)
calls = st.builds(ToolCall, texts, objects)
messages = st.builds(
    Message,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    texts,
    st.lists(calls, max_size=2).map(tuple),
    st.none() | texts,
)
ids = st.integers(0, 200_000)
prompts = st.lists(messages, max_size=3).map(tuple) | texts | st.lists(ids, max_size=4).map(tuple).map(Tokens)
numbers = st.none() | st.floats(0, 5)
samplings = st.builds(
    Sampling,
    logit_bias=st.dictionaries(ids, st.floats(-100, 100) | st.sampled_from([-math.inf, math.inf]), max_size=3),
    banned_phrases=few_texts,
    **{each.name: numbers for each in fields(Sampling) if each.name not in ("logit_bias", "banned_phrases")},
)
simple_constraints = (
    st.builds(JsonSchema, objects)
    | st.builds(Gbnf, texts)
    | st.builds(Choice, few_texts)
    | st.builds(Tagged, objects, texts, texts, st.integers(1, 9))
)
paths = st.sampled_from([Path("a b.gguf"), Path("/x/ü")])
requests = st.builds(
    Request,
    prompt=prompts,
    sampling=samplings,
    max_tokens=st.integers(1, 9999),
    adapters=st.lists(st.builds(AdapterUse, texts, paths, st.floats(-2, 2)), max_size=2).map(tuple),
    constraint=st.none() | simple_constraints | st.builds(Lazy, few_texts, simple_constraints),
    stop=few_texts,
    reply_prefix=texts,
    tools=st.lists(st.builds(ToolSpec, texts, texts, objects), max_size=2).map(tuple),
    tool_choice=st.sampled_from(["auto", "none", "required"]) | texts,
    scores=st.none() | st.integers(0, 20),
    score_prompt=st.booleans(),
    keep=st.booleans(),
)
logprobs = st.floats(max_value=0, allow_nan=False)
scores = st.builds(
    TokenScore,
    ids,
    st.binary(max_size=5),
    st.none() | logprobs,
    st.lists(st.tuples(st.binary(max_size=5), logprobs), max_size=3).map(tuple),
)
several_scores = st.lists(scores, max_size=3).map(tuple)
finished = st.builds(
    Finished,
    st.sampled_from(["stop", "length", "cancelled"]),
    st.builds(Usage, ids, ids, ids, ids, ids),
    st.builds(Timings, st.floats(0, 9), st.floats(0, 9), st.floats(0, 9), st.floats(0, 9)),
)
events = (
    st.builds(Delta, texts, several_scores)
    | st.builds(Thinking, texts)
    | st.builds(Called, calls)
    | st.builds(PromptScored, several_scores)
    | finished
)


def through_the_pipe(packed: Any) -> Any:
    line = wire.encode({"id": 1, "it": packed})
    assert line.count(b"\n") == 1
    return wire.decode(line)["it"]


@given(requests)
def test_a_request_survives_the_pipe(request: Request) -> None:
    assert wire.unpack_request(through_the_pipe(wire.pack_request(request))) == request


@given(events)
def test_an_event_survives_beside_the_number_of_its_request(event: ReplyEvent) -> None:
    line = wire.encode({"id": 1, **wire.pack_event(event)})
    assert wire.unpack_event(wire.decode(line)) == event


@given(prompts)
def test_a_prompt_survives(prompt: Any) -> None:
    assert wire.unpack_prompt(through_the_pipe(wire.pack_prompt(prompt))) == prompt


def test_a_piece_of_text_is_nothing_but_its_text() -> None:
    assert wire.encode(wire.pack_event(Delta("warm"))) == b'{"text":"warm"}\n'


@pytest.mark.parametrize("sampling", [Sampling(), NEUTRAL, GREEDY, Sampling(logit_bias={3: -math.inf}, top_k=0)])
def test_settings_left_open_stay_open_and_zero_is_a_value(sampling: Sampling) -> None:
    assert wire.unpack_sampling(through_the_pipe(wire.pack_sampling(sampling))) == sampling


def test_what_a_model_is_survives() -> None:
    info = ModelInfo("n", Path("/a/b c.gguf"), "llama", "0" * 64, 4096, 8, Sampling(temperature=0.2))
    assert wire.unpack_info(through_the_pipe(wire.pack_info(info))) == info


@pytest.mark.parametrize(
    "loading",
    [
        GgufLoading(Path("/a/b c.gguf")),
        GgufLoading(
            Path("m.gguf"), draft=Path("ü.gguf"), kv_folder=Path("/kv"), cache_type="q8_0", template="x", mmap=False
        ),
    ],
)
def test_how_a_model_is_loaded_survives(loading: GgufLoading) -> None:
    assert wire.unpack_loading(through_the_pipe(wire.pack_loading(loading))) == loading


@pytest.mark.parametrize("line", [b"", b"[1]\n", b"x\n", b'{"id": 1\n'])
def test_a_line_that_is_no_object(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        wire.decode(line)
