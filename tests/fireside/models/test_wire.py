from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fireside.models import wire
from fireside.models.sampling import Sampling
from fireside.models.types import AdapterUse, Finished, Message, ModelInfo, Request, Timings, ToolCall, Usage

texts = st.text(max_size=20) | st.sampled_from(["\n", "\r\n", "\u2028", "\ud800", "🔥", "\x00"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts, lambda inner: st.lists(inner, max_size=3), max_leaves=5
)
calls = st.builds(ToolCall, texts, st.dictionaries(texts, json_values, max_size=3))
messages = st.builds(
    Message,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    texts,
    st.lists(calls, max_size=2).map(tuple),
    st.none() | texts,
)
numbers = st.floats(0, 5)
samplings = st.builds(Sampling, numbers, st.integers(0, 100), numbers, numbers, numbers, st.none() | st.integers())
requests = st.builds(
    Request,
    st.lists(messages, max_size=3).map(tuple) | texts,
    samplings,
    st.integers(1, 9999),
    st.lists(st.builds(AdapterUse, texts, st.sampled_from([Path("a b.gguf"), Path("/x/ü")]), numbers), max_size=2).map(
        tuple
    ),
    st.none() | texts,
    st.lists(texts, max_size=2).map(tuple),
    texts,
)


@given(requests)
def test_a_request_survives_the_pipe(request: Request) -> None:
    line = wire.encode({"id": 1, "request": wire.pack_request(request)})
    assert line.count(b"\n") == 1
    assert wire.unpack_request(wire.decode(line)["request"]) == request


def test_the_rest_survives_too() -> None:
    finished = Finished("length", Usage(1, 2, 3), Timings(0.1, 0.2, 0.3, 4.0))
    assert wire.unpack_finished(wire.decode(wire.encode(wire.pack_finished(finished)))) == finished
    info = ModelInfo("n", Path("/a/b c.gguf"), "llama", "0" * 64, 4096, 8)
    assert wire.unpack_info(wire.decode(wire.encode(wire.pack_info(info)))) == info


@pytest.mark.parametrize("line", [b"", b"[1]\n", b"x\n", b'{"id": 1\n'])
def test_a_line_that_is_no_object(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        wire.decode(line)
