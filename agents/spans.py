"""A kept run as OpenTelemetry spans, sent to a collector where the person has set one, and only then.

The names follow OpenTelemetry's conventions for generative AI (`invoke_agent`, `chat` and `execute_tool` spans,
https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-agent-spans/); the form is OTLP's JSON, sent by HTTP
(https://opentelemetry.io/docs/specs/otlp/#otlphttp). The variables are OpenTelemetry's own. What was said, asked and
answered is sent only where OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT is "true".
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from agents.events import Event, ToolCallAsked, ToolResult, TurnFailed, TurnFinished
from agents.traces import KeptEvent, Run, Traces
from fireside import __version__
from fireside.errors import FiresideError

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_SECONDS = 3.0
_INTERNAL, _CLIENT = 1, 3
_ERROR = 2


def endpoint() -> str | None:
    """Where spans are sent, as the environment says it; None: nowhere."""
    if address := os.environ.get(_TRACES_ENDPOINT):
        return address
    base = os.environ.get(_ENDPOINT)
    return f"{base.rstrip('/')}/v1/traces" if base else None


async def send_where_wanted(traces: Traces, run: int, note: Callable[[str], None]) -> None:
    """Send the run if there is an endpoint; what goes wrong is one note."""
    address = endpoint()
    if address is None:
        return
    try:
        await send(spans_of(traces.run(run), traces.events(run)), address)
    except FiresideError as error:
        note(error.message)


async def send(document: Mapping[str, Any], address: str) -> None:
    """Send spans to a collector. Raises FiresideError."""
    import httpx

    headers = {"content-type": "application/json", **_headers()}
    try:
        async with httpx.AsyncClient(timeout=_SECONDS) as client:
            answer = await client.post(address, content=json.dumps(document), headers=headers)
            answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise FiresideError(
            f"the trace was not sent to {address}: {why}",
            f"the collector must take OTLP over HTTP; unset {_ENDPOINT} to send nothing",
        ) from error


def spans_of(run: Run, events: Sequence[KeptEvent]) -> dict[str, Any]:
    """One `ExportTraceServiceRequest`: a span for the turn; below it one for each stretch that the model wrote (until
    it called or ended, with the tokens known of it) and one for each call."""
    content = os.environ.get(_CONTENT, "").lower() == "true"
    last = events[-1].at if events else 0.0
    below = [*_chats(run, events), *_calls(events, content)]
    trace = _id(f"{run.id} {run.started}", 32)
    turn: dict[str, Any] = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "fireside",
        "gen_ai.agent.name": "fireside",
        "gen_ai.request.model": run.model,
        **({"gen_ai.conversation.id": str(run.conversation)} if run.conversation is not None else {}),
        **({"gen_ai.response.finish_reasons": [run.finish]} if run.finish else {}),
        **({"gen_ai.input.messages": _message("user", run.question)} if content else {}),
    }
    if run.usage is not None:
        turn |= {
            "gen_ai.usage.input_tokens": run.usage.prompt_tokens,
            "gen_ai.usage.output_tokens": run.usage.completion_tokens,
        }
    failed = next((each.event.message for each in events if isinstance(each.event, TurnFailed)), "")
    turn |= {"error.type": "turn_failed"} if failed else {}
    spans: list[dict[str, Any]] = []
    for place, span in enumerate((_Span("invoke_agent fireside", _INTERNAL, 0.0, last, turn, failed), *below)):
        identity = {"traceId": trace, "spanId": _id(f"{trace} {place}", 16)}
        spans.append(identity | ({"parentSpanId": spans[0]["spanId"]} if place else {}) | span.document(run.started))
    scope = {"scope": {"name": "fireside", "version": __version__}, "spans": spans}
    resource = {"attributes": [{"key": "service.name", "value": _value("fireside")}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}


@dataclass(frozen=True)
class _Span:
    """A span; start and end in seconds after the run began. error: empty where there was none."""

    name: str
    kind: int
    start: float
    end: float
    attributes: Mapping[str, Any]
    error: str = ""

    def document(self, began: float) -> dict[str, Any]:
        """OTLP's JSON, all but the identities; began: Unix time."""
        return {
            "name": self.name,
            "kind": self.kind,
            "startTimeUnixNano": str(int((began + self.start) * 1e9)),
            "endTimeUnixNano": str(int((began + self.end) * 1e9)),
            "attributes": [{"key": key, "value": _value(value)} for key, value in self.attributes.items()],
            "status": {"code": _ERROR, "message": self.error} if self.error else {},
        }


def _chats(run: Run, events: Sequence[KeptEvent]) -> Iterator[_Span]:
    """The stretches in which the model wrote: from the begin or the last result on, to the next call or the end."""
    begin, tokens, waiting = 0.0, 0, True
    for each in events:
        if isinstance(each.event, ToolResult):
            begin, waiting = each.at, True
        elif isinstance(each.event, ToolCallAsked | TurnFinished) and waiting:
            attributes = {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": "fireside",
                "gen_ai.request.model": run.model,
                "gen_ai.usage.output_tokens": each.tokens - tokens,
            }
            yield _Span(f"chat {run.model}", _CLIENT, begin, each.at, attributes)
            tokens, waiting = each.tokens, False


def _calls(events: Sequence[KeptEvent], content: bool) -> Iterator[_Span]:
    """Each call from when it ran to its result; one that was denied has no length."""
    for each in events:
        result: Event = each.event
        if not isinstance(result, ToolResult):
            continue
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": result.call.name,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": str(result.number),
            **({"error.type": result.status} if result.status != "done" else {}),
        }
        if content:
            attributes["gen_ai.tool.call.arguments"] = json.dumps(result.call.arguments, ensure_ascii=False)
            attributes["gen_ai.tool.call.result"] = result.text
        error = "" if result.status == "done" else result.text if content else result.status
        begin = each.at - result.seconds
        yield _Span(f"execute_tool {result.call.name}", _INTERNAL, begin, each.at, attributes, error)


def _message(role: str, text: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]}], ensure_ascii=False)


def _value(value: Any) -> dict[str, Any]:
    """OTLP's JSON for a value; 64-bit integers are strings there."""
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(each) for each in value]}}
    return {"stringValue": str(value)}


def _id(text: str, digits: int) -> str:
    """A span's or a trace's id: the same run has the same one, sent twice."""
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def _headers() -> dict[str, str]:
    """`name=value,...`, percent-encoded, as OpenTelemetry's variable has it."""
    pairs = (pair.partition("=") for pair in os.environ.get(_HEADERS, "").split(",") if "=" in pair)
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}
