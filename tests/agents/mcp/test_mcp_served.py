"""Fireside's own server against the official SDK's client, in processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tui import cli

CLIENT = """
import asyncio, json, os, sys
import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

async def main():
    if sys.argv[1] == "stdio":
        command = StdioServerParameters(command=sys.executable, args=sys.argv[2:], env=dict(os.environ))
        await use(Client(command, mode=os.environ["MODE"]))
    else:
        async with httpx2.AsyncClient(headers={"Authorization": "Bearer " + os.environ["TOKEN"]}) as http:
            await use(Client(streamable_http_client(sys.argv[2], http_client=http), mode=os.environ["MODE"]))

async def use(opened):
    async with opened as client:
        said = {"tools": [tool.name for tool in (await client.list_tools()).tools]}
        for name, arguments in json.loads(os.environ["CALLS"]):
            result = await client.call_tool(name, arguments)
            said.setdefault("results", []).append([result.is_error, result.content[0].text])
        print(json.dumps(said))

asyncio.run(main())
"""
CALLS: list[tuple[str, dict[str, object]]] = [
    ("list_libraries", {}),
    ("search_documents", {"query": "how warm is the stove", "k": 1}),
    ("show_document", {"document": "stove.md", "chunk": 1}),
    ("show_document", {"document": "stove.md", "chunk": 2}),
    ("search_documents", {"query": "x", "library": "../../etc"}),
    ("search_documents", {"query": "x", "k": 21}),
    ("calculator", {"expression": "6*7"}),
    ("delete_everything", {}),
    ("ask", {"question": "How warm is the stove?", "library": "default"}),
]
SERVE = ("-m", "tui.cli", "mcp", "serve", "--tool", "calculator")


@pytest.fixture
def _library(tmp_path: Path) -> None:
    """The library `default`, with one document."""
    note = tmp_path / "stove.md"
    note.write_text("# Stove\n\nThe stove is 600 degrees warm.\n")
    assert cli.main(["docs", "add", str(note)]) == 0


def said_to(*arguments: str, calls: list[tuple[str, dict[str, object]]], mode: str, token: str = "") -> dict[str, Any]:
    """What the SDK's client, in a process of its own, is told by the server that `arguments` name."""
    environment = {**os.environ, "CALLS": json.dumps(calls), "MODE": mode, "TOKEN": token}
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, *arguments], capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.mark.engine
@pytest.mark.usefixtures("_library")
def test_the_sdks_client_over_stdio() -> None:
    said = said_to("stdio", *SERVE, calls=CALLS, mode="auto")
    assert said["tools"] == ["list_libraries", "search_documents", "show_document", "ask", "calculator"]
    libraries, found, shown, none, outside, many, sum_, unknown, answer = said["results"]
    assert libraries == [False, "default: 1 documents"]
    assert found[0] is False
    assert found[1].endswith("/stove.md, Stove\nThe stove is 600 degrees warm.")
    assert shown == [False, "stove.md, Stove, chunk 1 of 1\nThe stove is 600 degrees warm."]
    assert none == [True, "stove.md has 1 chunks, and no chunk 2"]
    assert outside[0] is True
    assert "is not a usable library name" in outside[1]
    assert many[0] is True
    assert "k: Input should be less than or equal to 20" in many[1]
    assert sum_ == [False, "6*7 = 42"]
    assert unknown == [True, "there is no tool 'delete_everything'"]
    assert answer[0] is False
    assert "600" in answer[1]
    assert "[1] stove.md" in answer[1]


@pytest.fixture
def served_over_http() -> Iterator[dict[str, str]]:
    command = [sys.executable, *SERVE, "--http", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line, process.stderr.read()
        yield json.loads(line)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stdout.read() == ""
        assert process.stderr.read() == ""


def test_over_http_for_those_with_the_token_on_this_machine_alone(served_over_http: dict[str, str]) -> None:
    url, token = served_over_http["url"], served_over_http["token"]
    assert url.startswith("http://127.0.0.1:")
    said = said_to("http", url, calls=[("calculator", {"expression": "6*7"})], mode="legacy", token=token)
    assert said["results"] == [[False, "6*7 = 42"]]

    request = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    right = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    refused = {
        401: [{"Authorization": ""}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {token}"}],
        403: [
            {"Host": "evil.example"},
            {"Host": "localhost.evil.example"},
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Origin": "http://[::1"},
        ],
    }
    for status, wrong in refused.items():
        for headers in wrong:
            assert httpx.post(url, json=request, headers=right | headers).status_code == status, headers
    assert httpx.post(url, json=request, headers=right | {"Origin": "http://localhost:1"}).status_code not in (401, 403)
    large = httpx.post(url, content=b"[" + b" " * 2_000_000, headers=right | {"Content-Type": "application/json"})
    assert large.status_code == 413


def test_stdout_holds_the_protocol_alone_and_ctrl_c_ends_it() -> None:
    with subprocess.Popen(
        [sys.executable, *SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b'this is no message\n{"jsonrpc": "2.0", "id": 1, "method": "no/such"}\n')
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["error"]["code"] == -32601
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stdout.read() == b""
        assert process.stderr.read() == b""


def test_a_file_is_no_client(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with (tmp_path / "empty").open() as file:
        done = subprocess.run([sys.executable, *SERVE], stdin=file, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("error: stdin or stdout is not a pipe\nhint: ")
