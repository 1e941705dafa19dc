"""Runs as OpenTelemetry spans, sent to a collector on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from turns import ALLOWED, TALK, Measuring, answers, finished

from agents.loop import Turn
from agents.spans import spans_of
from agents.traced import run_traced
from agents.traces import Begun, Traces
from fireside.errors import ToolError
from fireside.models.scripted import ScriptedModel
from fireside.models.types import Called, ToolCall

BEGUN = Begun("chat", TALK[-1].content, "scripted", conversation=7, message=8)


class Collector:
    """What a collector was sent: path, headers, document."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], Any]] = []
        self.status = 200
        self.address = ""


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            collector.got.append((self.path, headers, json.loads(body)))
            self.send_response(collector.status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        collector.address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address)
        yield collector
        server.shutdown()
        thread.join()


async def asked(notes: list[str], failure: Exception | None = None) -> str:
    """A turn of one call; the text of its reply."""
    turn = Turn(TALK, tools=(Measuring(failure).tool,), rules=ALLOWED)
    model = ScriptedModel([["Let me see.", Called(ToolCall("measure", {"what": "fire"}))], ["Very ", "warm."]])
    events = [event async for event in run_traced(turn, model, answers(), BEGUN, "person", notes.append)]
    return finished(events).text


def spans_in(document: Any) -> list[dict[str, Any]]:
    (resource,) = document["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    spans: list[dict[str, Any]] = scope["spans"]
    return spans


def attributes(span: dict[str, Any]) -> dict[str, Any]:
    return {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


async def test_a_run_is_sent_at_its_end_as_a_turn_with_chats_and_tools(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b,other=c")
    notes: list[str] = []
    assert await asked(notes) == "Let me see.\n\nVery warm."
    assert notes == []
    ((path, headers, document),) = collector.got
    assert path == "/v1/traces"
    assert (headers["content-type"], headers["x-key"], headers["other"]) == ("application/json", "a b", "c")
    turn, *below = spans_in(document)
    assert [span["name"] for span in (turn, *below)] == [
        "invoke_agent fireside",
        "chat scripted",
        "chat scripted",
        "execute_tool measure",
    ]
    assert "parentSpanId" not in turn
    assert {span["parentSpanId"] for span in below} == {turn["spanId"]}
    assert {span["traceId"] for span in below} == {turn["traceId"]}
    assert (len(turn["traceId"]), len({span["spanId"] for span in (turn, *below)})) == (32, 4)
    for span in below:
        assert int(turn["startTimeUnixNano"]) <= int(span["startTimeUnixNano"])
        assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"]) <= int(turn["endTimeUnixNano"])
    told = attributes(turn)
    assert (told["gen_ai.operation.name"], told["gen_ai.request.model"]) == ("invoke_agent", "scripted")
    assert told["gen_ai.conversation.id"] == "7"
    assert told["gen_ai.response.finish_reasons"] == {"values": [{"stringValue": "stop"}]}
    chats = [attributes(span) for span in below[:2]]
    assert sum(int(chat["gen_ai.usage.output_tokens"]) for chat in chats) == int(told["gen_ai.usage.output_tokens"])
    tool = attributes(below[-1])
    assert (tool["gen_ai.operation.name"], tool["gen_ai.tool.name"], tool["gen_ai.tool.call.id"]) == (
        "execute_tool",
        "measure",
        "1",
    )


async def test_what_was_said_is_sent_only_where_it_is_wanted(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asked([])
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    await asked([])
    without, within = (json.dumps(document) for _, _, document in collector.got)
    for words in ("How warm is the fire", "fire: 600 degrees", '\\"what\\"'):
        assert words not in without
        assert words in within


async def test_nothing_is_sent_without_an_endpoint(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    await asked([])
    assert collector.got == []


async def test_an_endpoint_for_traces_is_used_as_it_stands(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collector.address}/mine")
    await asked([])
    assert [path for path, _, _ in collector.got] == ["/mine"]


@pytest.mark.parametrize("address", ["", "http://127.0.0.1:9", "nonsense", "http://[::1"])
async def test_a_collector_that_does_not_take_it_is_one_note(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    collector.status = 503
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address or collector.address)
    notes: list[str] = []
    assert await asked(notes) == "Let me see.\n\nVery warm."
    (note,) = notes
    assert note.startswith("the trace was not sent to ")
    assert "\n" not in note


async def test_a_call_that_failed_is_an_error(collector: Collector) -> None:
    await asked([], ToolError("the fire is out"))
    (*_, tool) = spans_in(collector.got[0][2])
    assert tool["status"] == {"code": 2, "message": "failed"}
    assert attributes(tool)["error.type"] == "failed"


def test_a_run_that_was_only_begun_is_one_span() -> None:
    with closing(Traces()) as traces:
        run = traces.run(traces.begin(BEGUN))
    (turn,) = spans_in(spans_of(run, []))
    assert turn["startTimeUnixNano"] == turn["endTimeUnixNano"]
