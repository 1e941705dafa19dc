"""/v1/chat/completions: a conversation in, the assistant's reply out, whole or as a stream of chunks."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from fireside.models.constraints import Constraint, Gbnf, JsonSchema
from fireside.models.types import (
    Called,
    Delta,
    Finished,
    FinishReason,
    Message,
    ReplyEvent,
    Request,
    Thinking,
    TokenScore,
    ToolCall,
    ToolSpec,
)
from tui.serve.logprobs import chat_logprobs
from tui.serve.problems import wrong
from tui.serve.replies import side_by_side, usage_of
from tui.serve.service import Service
from tui.serve.settings import choices, longest, sampling_of, stops_of
from tui.serve.shapes import ChatBody, FormatShape, MessageShape, Part

_CHOICE_WORDS = ("auto", "none", "required")


def request_of(service: Service, body: ChatBody) -> Request:
    """What the engine is asked for. Raises ApiError that names the field at fault."""
    tools = _tools(body)
    choice = _tool_choice(body, tools)
    constraint = constraint_of(body.response_format, body.grammar)
    if constraint is not None and tools and choice != "none":
        raise wrong("response_format", 'a reply cannot be held to a form and call tools; set tool_choice to "none"')
    if body.top_logprobs is not None and not body.logprobs:
        raise wrong("top_logprobs", "logprobs must be true")
    messages, prefix = messages_of(body.messages), ""
    if body.continue_final_message:
        messages, prefix = _begun(messages)
    elif body.add_generation_prompt is False:
        raise wrong("add_generation_prompt", "it can be false together with continue_final_message alone")
    asked = body.max_completion_tokens if body.max_completion_tokens is not None else body.max_tokens
    return Request(
        messages,
        sampling_of(body),
        longest(service, asked),
        service.adapters_for(body.model),
        constraint,
        stops_of(body),
        tools=tools,
        tool_choice=choice,
        scores=(body.top_logprobs or 0) if body.logprobs else None,
        reply_prefix=prefix,
    )


async def whole(service: Service, body: ChatBody) -> dict[str, Any]:
    """The answer in one document. Raises ApiError."""
    requests = choices(request_of(service, body), body.n or 1)
    written = [_Choice(body.parallel_tool_calls is not False) for _ in requests]
    async with aclosing(side_by_side(service, requests)) as events:
        async for index, event in events:
            written[index].take(event)
    answer = _head(service, body, "chat.completion")
    answer["choices"] = [each.document(index, bool(body.logprobs)) for index, each in enumerate(written)]
    answer["usage"] = usage_of([each.end for each in written if each.end], len(requests))
    return answer


async def chunks(service: Service, body: ChatBody) -> AsyncGenerator[dict[str, Any], None]:
    """The answer as it is written. Raises ApiError."""
    requests = choices(request_of(service, body), body.n or 1)
    written = [_Choice(body.parallel_tool_calls is not False) for _ in requests]
    head = _head(service, body, "chat.completion.chunk")
    if body.usage_wanted:
        head["usage"] = None

    def chunk(index: int, delta: dict[str, Any], finish: str | None = None, scores: Any = None) -> dict[str, Any]:
        return {**head, "choices": [{"index": index, "delta": delta, "logprobs": scores, "finish_reason": finish}]}

    begun: set[int] = set()
    async with aclosing(side_by_side(service, requests)) as events:
        async for index, event in events:
            if index not in begun:
                begun.add(index)
                yield chunk(index, {"role": "assistant", "content": ""})
            delta = written[index].take(event)
            if delta is not None:
                scores = event.scores if isinstance(event, Delta) else ()
                yield chunk(index, delta, None, chat_logprobs(scores) if scores else None)
            if isinstance(event, Finished):
                yield chunk(index, {}, written[index].finish_reason(event.reason))
    if body.usage_wanted:
        yield {**head, "choices": [], "usage": usage_of([each.end for each in written if each.end], len(requests))}


def constraint_of(form: FormatShape | None, grammar: str | None) -> Constraint | None:
    """What the reply is held to. Raises ApiError."""
    constraint: Constraint | None = None
    if form is not None and form.type == "json_object":
        constraint = JsonSchema({"type": "object"})
    elif form is not None and form.type == "json_schema":
        if form.json_schema is None:
            raise wrong("response_format.json_schema", "field required")
        constraint = JsonSchema(form.json_schema.schema_)
    if grammar is not None:
        if constraint is not None:
            raise wrong("grammar", "it cannot be combined with response_format")
        constraint = Gbnf(grammar)
    return constraint


@dataclass
class _Choice:
    """One reply as far as it is written."""

    many_calls: bool
    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    scores: list[TokenScore] = field(default_factory=list)
    end: Finished | None = None

    def take(self, event: ReplyEvent) -> dict[str, Any] | None:
        """Add an event; return what it adds to the message, as a chunk's `delta`, or None."""
        match event:
            case Delta(text, scores):
                self.texts.append(text)
                self.scores += scores
                return {"content": text} if text or scores else None
            case Thinking(text):
                self.thoughts.append(text)
                return {"reasoning_content": text}
            case Called(call) if self.many_calls or not self.calls:
                self.calls.append(_call(call))
                return {"tool_calls": [{"index": len(self.calls) - 1, **self.calls[-1]}]}
            case Finished():
                self.end = event
        return None

    def finish_reason(self, reason: FinishReason) -> str:
        """Why the reply ended, in OpenAI's words."""
        if reason == "length":
            return "length"
        return "tool_calls" if self.calls else "stop"

    def document(self, index: int, logprobs: bool) -> dict[str, Any]:
        """The finished reply."""
        text = "".join(self.texts)
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if self.thoughts:
            message["reasoning_content"] = "".join(self.thoughts)
        if self.calls:
            message["tool_calls"] = self.calls
            message["content"] = text or None
        return {
            "index": index,
            "message": message,
            "logprobs": chat_logprobs(self.scores) if logprobs else None,
            "finish_reason": self.finish_reason(self.end.reason if self.end else "stop"),
        }


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": json.dumps(call.arguments, ensure_ascii=False)}
    return {"id": f"call_{secrets.token_hex(12)}", "type": "function", "function": function}


def _head(service: Service, body: ChatBody, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{secrets.token_hex(12)}",
        "object": kind,
        "created": int(time.time()),
        "model": body.model or service.model.name,
        "system_fingerprint": service.fingerprint,
    }


def messages_of(shapes: list[MessageShape]) -> tuple[Message, ...]:
    """The conversation of a body. Raises ApiError."""
    messages: list[Message] = []
    called: dict[str, str] = {}
    for number, shape in enumerate(shapes):
        place = f"messages[{number}]"
        text = _text(shape, place)
        match shape.role:
            case "assistant":
                calls = _calls(shape, place)
                called |= {each.id: each.function.name for each in shape.tool_calls or ()}
                messages.append(Message("assistant", text, calls))
            case "tool":
                name = called.get(shape.tool_call_id or "") or shape.name
                if name is None:
                    raise wrong(f"{place}.tool_call_id", "no earlier message makes a call with this id")
                messages.append(Message("tool", text, tool=name))
            case "user":
                messages.append(Message("user", text))
            case _:
                messages.append(Message("system", text))
    return tuple(messages)


def _begun(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], str]:
    """The conversation without its last message, and the text of that, which the reply goes on with."""
    *before, last = messages
    if not before or last.role != "assistant" or last.calls:
        raise wrong("continue_final_message", "the last message must be the assistant's, without calls, behind another")
    return tuple(before), last.content


def _text(shape: MessageShape, place: str) -> str:
    if isinstance(shape.content, str):
        return shape.content
    if shape.content is None:
        if shape.role != "assistant":
            raise wrong(f"{place}.content", "a text, or a list of text parts, is needed")
        return ""
    return "".join(_part(part, f"{place}.content[{number}]") for number, part in enumerate(shape.content))


def _part(part: Part, place: str) -> str:
    text = part.text if part.type == "text" else part.refusal if part.type == "refusal" else None
    if text is None:
        raise wrong(place, "this model reads text parts alone")
    return text


def _calls(shape: MessageShape, place: str) -> tuple[ToolCall, ...]:
    calls = []
    for number, each in enumerate(shape.tool_calls or ()):
        try:
            arguments = json.loads(each.function.arguments or "{}")
        except (ValueError, RecursionError):
            arguments = None
        if not isinstance(arguments, dict):
            raise wrong(f"{place}.tool_calls[{number}].function.arguments", "a JSON object, as text, is needed")
        calls.append(ToolCall(each.function.name, arguments))
    return tuple(calls)


def _tools(body: ChatBody) -> tuple[ToolSpec, ...]:
    specs: dict[str, ToolSpec] = {}
    for number, each in enumerate(body.tools or ()):
        function = each.function
        if function.name in specs or function.name in _CHOICE_WORDS:
            raise wrong(f"tools[{number}].function.name", f"{function.name!r} cannot be used, or not again")
        parameters = function.parameters or {"type": "object", "properties": {}}
        specs[function.name] = ToolSpec(function.name, function.description or "", parameters)
    return tuple(specs.values())


def _tool_choice(body: ChatBody, tools: tuple[ToolSpec, ...]) -> str:
    choice = body.tool_choice
    if isinstance(choice, dict):
        function = choice.get("function")
        name = function.get("name") if isinstance(function, dict) else None
        if choice.get("type") != "function" or not isinstance(name, str):
            raise wrong("tool_choice", '{"type": "function", "function": {"name": ...}} is needed')
        if name not in {tool.name for tool in tools}:
            raise wrong("tool_choice", f"there is no tool {name!r} among the tools")
        return name
    if choice is None:
        return "auto"
    if choice not in _CHOICE_WORDS:
        raise wrong("tool_choice", "auto, none, required, or one function is needed")
    if choice == "required" and not tools:
        raise wrong("tool_choice", "there are no tools")
    return choice
