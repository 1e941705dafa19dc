"""Real servers in processes of their own, on the bundled model: ours, llama-cpp-python's and llama.cpp's."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from fireside.errors import ModelError
from fireside.models.bundled import CHAT_MODEL, located
from fireside.models.constraints import Choice, Gbnf, JsonSchema
from fireside.models.remote import RemoteModel, RemoteServer
from fireside.models.sampling import GREEDY
from fireside.models.types import Called, Delta, Finished, Message, ReplyEvent, Request, ToolSpec

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

SECONDS_TO_START = 60
CONTEXT = 512
ASK = Request((Message("user", "What is the capital of France?"),), GREEDY, max_tokens=12)
SCHEMA = {
    "type": "object",
    "properties": {"city": {"enum": ["Paris", "Rome"]}, "size": {"type": "integer"}},
    "required": ["city", "size"],
    "additionalProperties": False,
}
TOOL = ToolSpec("weather", "The weather of a city.", SCHEMA)

# llama.cpp's own server, from a package that has it as a library.
LLAMA_SERVER = """
import sys, xllamacpp
settings = xllamacpp.CommonParams()
settings.model.path, settings.port = sys.argv[1], int(sys.argv[2])
settings.n_ctx, settings.n_parallel, settings.warmup, settings.use_jinja = int(sys.argv[3]), 1, False, True
settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
settings.chat_template = sys.argv[4]
server = xllamacpp.Server(settings)
sys.stdin.read()
"""

# The bundled model's own template has no place for tools.
TEMPLATE = """{%- if tools %}<|im_start|>system
You can call these tools: <tools>{% for tool in tools %}
{{ tool | tojson }}{% endfor %}
</tools>
Call one so: <tool_call>
{"name": <name>, "arguments": <arguments>}
</tool_call><|im_end|>
{% endif %}{%- for message in messages %}{%- if message.role == "tool" %}<|im_start|>user
<tool_response>
{{ message.content }}
</tool_response><|im_end|>
{% else %}<|im_start|>{{ message.role }}
{{ message.content or "" }}{%- for call in message.tool_calls or [] %}
<tool_call>
{{ {"name": call.function.name, "arguments": call.function.arguments} | tojson }}
</tool_call>{%- endfor %}<|im_end|>
{% endif %}{%- endfor %}{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}
"""


@dataclass(frozen=True)
class Started:
    """A server that answers. kind: as it should be found out."""

    url: str
    kind: str


def command(kind: str, port: int) -> list[str]:
    """How a server is started."""
    model = str(located(CHAT_MODEL))
    if kind == "llama-server":
        return [sys.executable, "-c", LLAMA_SERVER, model, str(port), str(CONTEXT), TEMPLATE]
    if kind == "fireside":
        return [sys.executable, "-m", "tui.cli", "serve", "--model", model, "--port", str(port)]
    options = {"model": model, "port": port, "n_ctx": CONTEXT, "n_threads": 1, "n_threads_batch": 1}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "llama_cpp.server", *words]


@pytest.fixture(scope="module", params=["llama-cpp-python", "llama-server", "fireside"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """A server of each kind, ended after the tests."""
    kind = request.param
    if kind == "llama-server" and importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("the package xllamacpp, which the benchmarks use, is not installed")
    folder = tmp_path_factory.mktemp(kind)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    settings = {"FIRESIDE_HOME": str(folder), "FIRESIDE_MODEL__THREADS": "1", "FIRESIDE_MODEL__CONTEXT_LENGTH": "512"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command(kind, port), stdin=subprocess.PIPE, stdout=log, stderr=log, env=os.environ | settings
        )
    try:
        wait_for(process, url, folder / "log")
        yield Started(f"{url}/v1", kind)
    finally:
        process.kill()
        process.communicate()


def wait_for(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Until the server lists its models. Fails with its log where it ends, or takes too long."""
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/v1/models", trust_env=False).status_code == 200:
                return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    pytest.fail(f"the server did not start:\n{log.read_text(errors='replace')[-2000:]}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model(server: Started) -> AsyncIterator[RemoteModel]:
    """The model on that server."""
    remote = RemoteModel("far", RemoteServer(server.url, first_s=60, between_s=30))
    yield remote
    await remote.close()


async def replied(model: RemoteModel, request: Request) -> tuple[str, Finished, list[ReplyEvent]]:
    """The text of a reply, its end, and all of its events."""
    events = [event async for event in model.generate(request)]
    assert isinstance(events[-1], Finished)
    return "".join(each.text for each in events if isinstance(each, Delta)), events[-1], events


async def test_the_server_tells_what_it_has(model: RemoteModel, server: Started) -> None:
    info = await model.start()
    assert info.parameters == pytest.approx(135e6, rel=0.01)
    assert info.context_length == (0 if server.kind == "llama-cpp-python" else CONTEXT)


async def test_a_greedy_reply_is_streamed_and_repeats(model: RemoteModel) -> None:
    text, end, events = await replied(model, ASK)
    assert len(text) > 10
    assert len(events) > 3
    assert (await replied(model, ASK))[0] == text
    assert end.usage.completion_tokens <= 12
    assert end.timings.tokens_per_s > 0
    short, end, _ = await replied(model, Request(ASK.prompt, GREEDY, max_tokens=3))
    assert text.startswith(short)
    assert end.reason == "length"


async def test_a_stop_string_ends_the_reply_before_it(model: RemoteModel) -> None:
    whole, _, _ = await replied(model, ASK)
    text, end, _ = await replied(model, Request(ASK.prompt, GREEDY, max_tokens=12, stop=(whole[8:11],)))
    assert text == whole.partition(whole[8:11])[0]
    assert end.reason == "stop"


async def test_constraints_hold(model: RemoteModel) -> None:
    text, end, _ = await replied(model, Request(ASK.prompt, GREEDY, 60, constraint=JsonSchema(SCHEMA)))
    assert end.reason == "stop"
    assert json.loads(text)["city"] in ("Paris", "Rome")
    choice = Choice(('It\'s "Rome"\n', "\\b"))
    text, _, _ = await replied(model, Request(ASK.prompt, GREEDY, 20, constraint=choice))
    assert text in choice.texts
    text, _, _ = await replied(model, Request(ASK.prompt, GREEDY, 10, constraint=Gbnf("root ::= [0-9]{4}")))
    assert text.isdecimal()
    assert len(text) == 4


async def test_scores_are_of_the_tokens_written(model: RemoteModel) -> None:
    _, _, events = await replied(model, Request(ASK.prompt, GREEDY, 4, scores=2))
    scores = [score for event in events if isinstance(event, Delta) for score in event.scores]
    assert len(scores) == 4
    for score in scores:
        assert len(score.top) == 2
        assert score.top[0] == (score.data, pytest.approx(score.logprob))
        assert score.top[0][1] >= score.top[1][1]


async def test_a_text_is_continued(model: RemoteModel) -> None:
    text, end, events = await replied(model, Request("One, two, three, four,", GREEDY, 4, scores=1))
    assert "five" in text
    assert end.reason == "length"
    assert sum(len(event.scores) for event in events if isinstance(event, Delta)) == 4


async def test_a_prefix_is_gone_on_with_or_refused(model: RemoteModel, server: Started) -> None:
    request = Request((Message("user", "Count to six."),), GREEDY, 4, reply_prefix="One, two, three, four,")
    if server.kind == "llama-cpp-python":
        with pytest.raises(ModelError, match="cannot go on with a reply"):
            await replied(model, request)
        return
    assert "five" in (await replied(model, request))[0]


async def test_a_tool_that_is_named_is_called(model: RemoteModel, server: Started) -> None:
    request = Request((Message("user", "Weather in Rome?"),), GREEDY, 60, tools=(TOOL,), tool_choice="weather")
    _, _, events = await replied(model, request)
    (called,) = [event.call for event in events if isinstance(event, Called)]
    assert called.name == "weather"
    assert called.arguments["city"] in ("Paris", "Rome")
    with_result = (
        *request.prompt,
        Message("assistant", "", (called,)),
        Message("tool", '{"degrees": 21}', tool="weather"),
    )
    text, _, _ = await replied(model, Request(with_result, GREEDY, 12, tools=(TOOL,)))
    assert text


async def test_a_prompt_too_long_is_one_error_and_the_next_turn_works(model: RemoteModel) -> None:
    with pytest.raises(ModelError):
        await replied(model, Request((Message("user", "word " * 1000),), GREEDY, 4))
    assert (await replied(model, ASK))[0]


async def test_a_reply_that_was_left_does_not_hold_up_the_next(model: RemoteModel) -> None:
    events = model.generate(Request((Message("user", "Tell a long story."),), GREEDY, max_tokens=400))
    async for event in events:
        if isinstance(event, Delta) and event.text:
            break
    await events.aclose()
    async with asyncio.timeout(20):
        assert (await replied(model, ASK))[0]


async def test_two_at_once_are_both_answered(model: RemoteModel) -> None:
    other = Request((Message("user", "Say hello."),), GREEDY, max_tokens=4)
    (first, _, _), (second, _, _) = await asyncio.gather(replied(model, ASK), replied(model, other))
    assert first == (await replied(model, ASK))[0]
    assert second
    assert first != second


async def test_tokens_are_counted_as_the_server_does(model: RemoteModel, server: Started) -> None:
    counted = await model.count_tokens(ASK.prompt)
    if server.kind != "llama-cpp-python":
        assert counted == (await replied(model, ASK))[1].usage.prompt_tokens
    else:
        assert counted >= 8 + await model.count_tokens("What is the capital of France?") == 8 + 7
