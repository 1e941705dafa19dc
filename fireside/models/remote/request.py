"""A request as the body of an HTTP call: OpenAI's fields, and those that a known server has beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from fireside.errors import ModelError
from fireside.models.constraints import Choice, Constraint, Gbnf, JsonSchema, Lazy, Tagged
from fireside.models.remote.server import Kind
from fireside.models.sampling import Sampling
from fireside.models.types import Message, Request, Tokens, ToolSpec

_OPENAI = {name: name for name in ("frequency_penalty", "presence_penalty", "top_p", "temperature", "seed")}
_LLAMA_SERVER = {each.name: each.name for each in fields(Sampling) if each.name not in ("logit_bias", "banned_phrases")}
SAMPLING_FIELDS: Mapping[Kind, Mapping[str, str]] = MappingProxyType(
    {
        "openai": _OPENAI,
        "compatible": _OPENAI,
        "ollama": _OPENAI,
        "vllm": _OPENAI | {"top_k": "top_k", "min_p": "min_p", "repeat_penalty": "repetition_penalty"},
        "llama-server": _LLAMA_SERVER | {"penalty_window": "repeat_last_n", "temperature_range": "dynatemp_range"},
        "llama-cpp-python": _OPENAI
        | {name: name for name in ("top_k", "min_p", "repeat_penalty", "mirostat_tau", "mirostat_eta")}
        | {"mirostat": "mirostat_mode"},
        "fireside": _LLAMA_SERVER | {"banned_phrases": "banned_phrases"},
    }
)
"""What the settings of `Sampling` are called by each kind of server; those it does not know are not sent.

Sources: OpenAI's API reference; vLLM's and llama-server's READMEs; `llama_cpp/server/types.py`; Ollama's page on
OpenAI compatibility.
"""
_NO_BIASES: tuple[Kind, ...] = ("ollama",)
_LARGEST_BIAS = 100.0  # OpenAI's range; -100 forbids a token there
_CONTINUING: tuple[Kind, ...] = ("vllm", "llama-server", "fireside")
_WITH_GRAMMAR: tuple[Kind, ...] = ("vllm", "llama-server", "llama-cpp-python", "fireside")
_WITH_TOKENS: tuple[Kind, ...] = ("openai", "compatible", "vllm", "llama-server", "fireside")
# Servers behind the common API alone may hold to OpenAI's rule for the names of functions.
_STRICT_NAMES: tuple[Kind, ...] = ("openai", "compatible")
_ALLOWED_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CHOICE_KEY = "choice"


def chat_body(request: Request, kind: Kind, model: str, names: Mapping[str, str]) -> dict[str, Any]:
    """The body for `/chat/completions`; names: of `tool_names`. Raises ModelError for what cannot be asked."""
    assert isinstance(request.prompt, tuple)
    body = _common(request, kind, model)
    body["messages"] = messages(request.prompt, names)
    if request.reply_prefix:
        if kind not in _CONTINUING:
            raise ModelError(
                f"a server of the kind {kind} cannot go on with a reply that has begun",
                "use a local model, or a server that can (fireside, vLLM, llama-server)",
            )
        body["messages"].append({"role": "assistant", "content": request.reply_prefix})
        if kind != "llama-server":  # which goes on with a last message of the assistant's by itself
            body |= {"continue_final_message": True, "add_generation_prompt": False}
    if request.tools:
        choice = _tool_choice(request, kind, names)
        offered = request.tools
        if kind == "llama-server" and isinstance(choice, dict):
            # It passes over a tool's name here; with one tool, to call some is to call that.
            offered = tuple(tool for tool in request.tools if tool.name == request.tool_choice) or request.tools
            choice = "required"
        body["tools"] = [_tool(tool, names) for tool in offered]
        body["tool_choice"] = choice
    if request.scores is not None:
        if as_object(request.constraint, kind):
            raise ModelError(f"a server of the kind {kind} cannot score a choice", "use a local model")
        body["logprobs"] = True
        if request.scores:
            body["top_logprobs"] = request.scores
    if kind == "openai":
        body["max_completion_tokens"] = body.pop("max_tokens")
    return body | held_to(request.constraint, kind, chat=True)


def text_body(request: Request, kind: Kind, model: str) -> dict[str, Any]:
    """The body for `/completions`, which continues a text or tokens. Raises ModelError for what cannot be asked."""
    prompt = request.prompt
    if request.tools:
        raise ModelError("a plain text has no place for tools", "ask with messages instead")
    body = _common(request, kind, model)
    if isinstance(prompt, Tokens):
        if kind not in _WITH_TOKENS or request.reply_prefix:
            raise ModelError(f"a server of the kind {kind} cannot continue tokens", "give the prompt as text")
        body["prompt"] = list(prompt.ids)
    else:
        assert isinstance(prompt, str)
        body["prompt"] = prompt + request.reply_prefix
    if request.scores is not None:
        body["logprobs"] = request.scores
    return body | held_to(request.constraint, kind, chat=False)


def tool_names(request: Request, kind: Kind) -> dict[str, str]:
    """What each tool is called on the way: its name, or one that the server takes; all of them different."""
    called = [tool.name for tool in request.tools]
    if isinstance(request.prompt, tuple):
        called += [call.name for message in request.prompt for call in message.calls]
    names: dict[str, str] = {}
    for name in dict.fromkeys(called):
        sent = name
        if kind in _STRICT_NAMES and not _ALLOWED_NAME.fullmatch(name):
            sent = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:60] or "tool"
        while sent in names.values() or (sent != name and sent in called):
            sent = f"{sent[:60]}_{len(names)}"
        names[name] = sent
    return names


def messages(prompt: Sequence[Message], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """The conversation in OpenAI's shape, with an id for each call, and each result with that of its call.

    A result without a call before it, which servers refuse, is told as the person's words.
    """
    written: list[dict[str, Any]] = []
    waiting: list[tuple[str, str]] = []
    number = 0
    for message in prompt:
        if message.role == "tool":
            match = next((each for each in waiting if each[1] == message.tool), waiting[0] if waiting else None)
            if match is None:
                written.append({"role": "user", "content": f"{message.tool or 'tool'}: {message.content}"})
                continue
            waiting.remove(match)
            written.append({"role": "tool", "tool_call_id": match[0], "content": message.content})
            continue
        waiting = []
        item: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.calls:
            item["tool_calls"] = []
            for call in message.calls:
                # Mistral's tokenizer takes ids of exactly nine letters and digits.
                waiting.append((f"call{number:05d}", call.name))
                number += 1
                arguments = json.dumps(call.arguments, ensure_ascii=False)
                function = {"name": names.get(call.name, call.name), "arguments": arguments}
                item["tool_calls"].append({"id": waiting[-1][0], "type": "function", "function": function})
        written.append(item)
    return written


def held_to(constraint: Constraint | None, kind: Kind, *, chat: bool) -> dict[str, Any]:
    """The fields that hold a reply to `constraint`.

    A JSON schema goes as `response_format`, with llama-cpp-python's server in its own form of that, and for a plain
    text on llama-server as `json_schema`. A grammar goes as `grammar`, on vLLM within `structured_outputs` (from 0.11
    on). A choice goes in vLLM's own way, or as a grammar, or, where there is neither, as a JSON object with one
    enumerated value (`chosen` reads it). Raises ModelError for what the server has no field for.
    """
    match constraint:
        case None:
            return {}
        case Lazy():
            raise ModelError(
                "a server cannot hold a reply to a form from a trigger on", "use a local model for this request"
            )
        case Choice(texts) if kind == "vllm":
            return {"structured_outputs": {"choice": list(texts)}}
        case Choice(texts) if kind in _WITH_GRAMMAR:
            return {"grammar": "root ::= " + " | ".join(_literal(text) for text in texts)}
        case Choice(texts) if chat:
            value = {"type": "string", "enum": list(texts)}
            schema = {"type": "object", "properties": {_CHOICE_KEY: value}, "required": [_CHOICE_KEY]}
            return _json_schema({**schema, "additionalProperties": False})
        case Gbnf(grammar) if kind == "vllm":
            return {"structured_outputs": {"grammar": grammar}}
        case Gbnf(grammar) if kind in _WITH_GRAMMAR:
            return {"grammar": grammar}
        case JsonSchema(schema) if kind == "llama-cpp-python" and chat:
            return {"response_format": {"type": "json_object", "schema": dict(schema)}}
        case JsonSchema(schema) if chat or kind == "vllm":
            return _json_schema(schema)
        case JsonSchema(schema) if kind == "llama-server":
            return {"json_schema": dict(schema)}
    forms = {JsonSchema: "a JSON schema", Gbnf: "a grammar", Choice: "one of some texts", Tagged: "JSON between tags"}
    form = forms[type(constraint)]
    where = "" if chat else " when it continues a plain text"
    raise ModelError(
        f"a server of the kind {kind} cannot hold a reply to {form}{where}",
        "use a local model, or set the server's kind if it is another one",
    )


def as_object(constraint: Constraint | None, kind: Kind) -> bool:
    """Whether `held_to` asks for a choice as a JSON object."""
    return isinstance(constraint, Choice) and kind not in _WITH_GRAMMAR


def chosen(text: str) -> str:
    """The choice in the JSON object that `held_to` asks for. Raises ValueError where there is none."""
    try:
        value = json.loads(text)[_CHOICE_KEY]
    except (LookupError, TypeError, RecursionError) as error:
        raise ValueError("no choice") from error
    if not isinstance(value, str):
        raise ValueError("the choice is not a text")
    return value


def estimated_tokens(texts: Iterable[str]) -> int:
    """A careful estimate of the tokens of `texts`: a third of their UTF-8 bytes, and 8 for what surrounds each."""
    # English takes four to five bytes a token, Chinese and code about three.
    return sum(8 + (len(text.encode("utf-8", "replace")) + 2) // 3 for text in texts)


def _common(request: Request, kind: Kind, model: str) -> dict[str, Any]:
    if request.adapters:
        raise ModelError(
            f"an adapter of this machine ({request.adapters[0].name}) cannot be applied to a model on a server",
            "choose the server's own name for the model with an adapter, or a local model",
        )
    if request.score_prompt:
        raise ModelError("a server does not score a prompt", "use a local model for this")
    sampling, own = request.sampling, SAMPLING_FIELDS[kind]
    if sampling.banned_phrases and "banned_phrases" not in own:
        raise ModelError(
            f"a server of the kind {kind} cannot keep phrases out of a reply", "take the banned phrases away"
        )
    body: dict[str, Any] = {
        "model": model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": request.max_tokens,
    }
    if kind == "llama-cpp-python":
        del body["stream_options"]  # it has none, and counts nothing while it streams
    for name, theirs in own.items():
        value = getattr(sampling, name)
        if value not in (None, ()):
            body[theirs] = value
    if kind == "llama-server" and sampling.penalty_window is not None:
        body["dry_penalty_last_n"] = sampling.penalty_window
    if kind == "vllm" and sampling.top_k == 0:
        body["top_k"] = -1
    if sampling.logit_bias and kind not in _NO_BIASES:
        body["logit_bias"] = {
            str(token): max(-_LARGEST_BIAS, min(_LARGEST_BIAS, bias)) for token, bias in sampling.logit_bias.items()
        }
    if request.stop:
        body["stop"] = list(request.stop)
    return body


def _tool(tool: ToolSpec, names: Mapping[str, str]) -> dict[str, Any]:
    parameters = dict(tool.parameters) or {"type": "object", "properties": {}}
    function = {"name": names[tool.name], "description": tool.description, "parameters": parameters}
    return {"type": "function", "function": function}


def _tool_choice(request: Request, kind: Kind, names: Mapping[str, str]) -> Any:
    choice = request.tool_choice
    if choice == "required" and len(request.tools) == 1:
        choice = request.tools[0].name
    if choice == "required" and kind == "llama-cpp-python":
        raise ModelError("llama-cpp-python's server cannot be made to call one of several tools", "name the tool")
    if choice in ("auto", "none", "required"):
        return choice
    if choice not in {tool.name for tool in request.tools}:
        raise ModelError(f"there is no tool {choice} among the tools of this request")
    return {"type": "function", "function": {"name": names[choice]}}


def _json_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    named = {"name": "reply", "strict": True, "schema": dict(schema)}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def _literal(text: str) -> str:
    """`text` as a literal of GBNF, which knows JSON's escapes but two."""
    escapes = {"b": "\\x08", "f": "\\x0C", "\\": "\\\\"}
    return re.sub(r"\\([bf\\])", lambda found: escapes[found[1]], json.dumps(text, ensure_ascii=False))
