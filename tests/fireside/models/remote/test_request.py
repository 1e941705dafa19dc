"""What is asked of each kind of server, and what is refused before it is asked."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fireside.errors import ModelError
from fireside.models.constraints import Choice, Constraint, Gbnf, JsonSchema, Lazy, Tagged
from fireside.models.remote import RemoteModel
from fireside.models.remote.request import SAMPLING_FIELDS, chat_body, held_to, messages, text_body, tool_names
from fireside.models.remote.server import Kind
from fireside.models.sampling import NEUTRAL, Sampling
from fireside.models.types import (
    AdapterUse,
    Message,
    ReplyEvent,
    Request,
    Tokens,
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


def test_calls_and_results_are_told_with_ids() -> None:
    calls = (ToolCall("f", {"a": "é"}), ToolCall("g", {}))
    prompt = (
        Message("user", "Do."),
        Message("assistant", "", calls),
        Message("tool", "of g", tool="g"),
        Message("tool", "of f", tool="f"),
        Message("assistant", "Done."),
        Message("tool", "stray", tool="f"),
    )
    _, assistant, of_g, of_f, _, stray = messages(prompt, {"f": "f_"})
    first, second = assistant["tool_calls"]
    assert first == {"id": "call00000", "type": "function", "function": {"name": "f_", "arguments": '{"a": "é"}'}}
    assert of_g == {"role": "tool", "tool_call_id": second["id"], "content": "of g"}
    assert of_f == {"role": "tool", "tool_call_id": first["id"], "content": "of f"}
    assert stray == {"role": "user", "content": "f: stray"}


@pytest.mark.parametrize("kind", KINDS)
def test_settings_have_the_names_the_server_knows(kind: Kind) -> None:
    body = body_of(replace(ASK, sampling=replace(NEUTRAL, seed=3, temperature=0.5), stop=("\n",)), kind)
    assert (body["temperature"], body["seed"], body["stop"]) == (0.5, 3, ["\n"])
    assert ("top_k" in body) == (kind not in ("openai", "compatible", "ollama"))
    assert ("max_completion_tokens" in body) == (kind == "openai") != ("max_tokens" in body)
    assert ("stream_options" in body) == (kind != "llama-cpp-python")
    if kind == "vllm":
        assert (body["top_k"], body["repetition_penalty"]) == (-1, 1.0)
    if kind == "llama-server":
        assert (body["repeat_last_n"], body["dry_penalty_last_n"], body["dynatemp_range"]) == (64, 64, 0.0)
    if kind == "fireside":
        left = {"max_tokens", "messages", "model", "stop", "stream", "stream_options"}
        assert set(body) - left == set(Sampling.__dataclass_fields__) - {"logit_bias", "banned_phrases"}


def test_what_is_left_open_is_not_sent() -> None:
    assert set(body_of(ASK, "fireside")) == {"max_tokens", "messages", "model", "stream", "stream_options"}


def test_biases_stay_in_the_range_of_the_api() -> None:
    biased = replace(ASK, sampling=Sampling(logit_bias={1: -math.inf, 2: 1.5, 3: 900}))
    assert body_of(biased, "openai")["logit_bias"] == {"1": -100.0, "2": 1.5, "3": 100.0}


@pytest.mark.parametrize(
    ("constraint", "kind", "fields"),
    [
        (Choice(("a", "b")), "vllm", {"structured_outputs": {"choice": ["a", "b"]}}),
        (Choice(('a"', "\\b\b\n")), "llama-server", {"grammar": r'root ::= "a\"" | "\\b\x08\n"'}),
        (Gbnf("root ::= x"), "vllm", {"structured_outputs": {"grammar": "root ::= x"}}),
        (Gbnf("root ::= x"), "fireside", {"grammar": "root ::= x"}),
        (JsonSchema(SCHEMA), "llama-cpp-python", {"response_format": {"type": "json_object", "schema": SCHEMA}}),
        (
            JsonSchema(SCHEMA),
            "compatible",
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "reply", "strict": True, "schema": SCHEMA},
                }
            },
        ),
    ],
)
def test_constraints_go_in_the_fields_of_each_kind(constraint: Constraint, kind: Kind, fields: dict[str, Any]) -> None:
    assert held_to(constraint, kind, chat=True) == fields


@pytest.mark.parametrize(
    ("request_", "kind", "message"),
    [
        (replace(ASK, constraint=Tagged({}, "<a>", "</a>", 2)), "vllm", "cannot hold a reply to JSON between tags"),
        (replace(ASK, constraint=Gbnf("root ::= x")), "openai", "cannot hold a reply to a grammar"),
        (replace(ASK, constraint=Lazy(("{",), JsonSchema({}))), "fireside", "from a trigger on"),
        (replace(ASK, constraint=Choice(("a",)), scores=1), "ollama", "cannot score a choice"),
        (replace(ASK, reply_prefix="Once"), "ollama", "cannot go on with a reply"),
        (replace(ASK, adapters=(AdapterUse("a", Path("a.gguf")),)), "fireside", "adapter of this machine .a."),
        (replace(ASK, sampling=Sampling(banned_phrases=("x",))), "vllm", "cannot keep phrases out"),
        (replace(ASK, scores=1, score_prompt=True), "vllm", "does not score a prompt"),
        (replace(ASK, tools=(ADD, ADD_TOO), tool_choice="required"), "llama-cpp-python", "one of several tools"),
        (replace(ASK, tools=(ADD,), tool_choice="none.such"), "vllm", "there is no tool none.such"),
    ],
)
def test_what_a_server_cannot_do_is_refused_before_it_is_asked(request_: Request, kind: Kind, message: str) -> None:
    with pytest.raises(ModelError, match=message) as raised:
        body_of(request_, kind)
    assert raised.value.hint or kind == "vllm"


@pytest.mark.parametrize(
    ("request_", "kind", "message"),
    [
        (Request(Tokens((1, 2))), "ollama", "cannot continue tokens"),
        (Request("a", constraint=JsonSchema({})), "fireside", "a JSON schema when it continues a plain text"),
        (Request("a", tools=(ADD,)), "vllm", "no place for tools"),
    ],
)
def test_what_a_text_cannot_have_is_refused(request_: Request, kind: Kind, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        text_body(request_, kind, "m")


def test_a_prefix_is_the_last_message_where_servers_go_on_with_it() -> None:
    begun = replace(ASK, reply_prefix="Once")
    body = body_of(begun, "vllm")
    assert body["messages"][-1] == {"role": "assistant", "content": "Once"}
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)
    assert body_of(begun, "llama-server")["messages"][-1] == {"role": "assistant", "content": "Once"}
