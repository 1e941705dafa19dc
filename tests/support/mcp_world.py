"""MCP servers of the official SDK and of no good, each a script that tests run as a program of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from agents.mcp.servers import Server, add_server

WEATHER = '''
import os, sys
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

server = MCPServer("weather", log_level="ERROR")

@server.tool(annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False))
def forecast(city: str, days: int = 1) -> str:
    """The weather of a city."""
    if city == "nowhere":
        raise ToolError("there is no such city")
    return f"{city}: sun for {days} days"

@server.tool()
def table(city: str) -> dict[str, int]:
    """The weather as numbers."""
    return {"degrees": 21}

@server.tool()
def environment() -> str:
    """What this program sees of the environment."""
    return " ".join(sorted(os.environ))

@server.tool()
def end() -> str:
    """End this program."""
    print("out of fuel", file=sys.stderr, flush=True)
    os._exit(3)

@server.resource("weather://cities")
def cities() -> str:
    """The cities."""
    return "Oslo, Rome"

@server.prompt()
def report(city: str) -> str:
    """A report to write."""
    return f"Write about the weather in {city}."
'''
"""A well-behaved server: `run(transport)` is still to be called."""

OVER_STDIO = WEATHER + '\nserver.run("stdio")\n'

OVER_HTTP = (
    WEATHER
    + """
import asyncio, socket, uvicorn
from starlette.responses import PlainTextResponse

app = server.streamable_http_app()

async def guarded(scope, receive, send):
    if scope["type"] == "http" and (b"authorization", b"Bearer opens-the-door") not in scope["headers"]:
        return await PlainTextResponse("no", 401)(scope, receive, send)
    await app(scope, receive, send)

listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
asyncio.run(uvicorn.Server(uvicorn.Config(guarded, log_level="critical", lifespan="on")).serve(sockets=[listener]))
"""
)
"""Prints its port, and asks for a token."""

BY_HAND = '''
import json, os, sys, time

TOOLS = []

def answer(method, params):
    """The result of a request; hostile servers write their own."""
    if method == "initialize":
        info = {"name": "by hand", "version": "1"}
        return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}
    if method == "tools/list":
        return {"tools": TOOLS}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": call(params["name"], params.get("arguments", {}))}]}

def call(name, arguments):
    return "called " + name

def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\\n")
    sys.stdout.flush()

def serve():
    for line in sys.stdin:
        request = json.loads(line)
        if "id" in request and "method" in request:
            result = answer(request["method"], request.get("params"))
            if result is None:
                send({"id": request["id"], "error": {"code": -32601, "message": "no such method"}})
            else:
                send({"id": request["id"], "result": result})
'''
"""A server without the SDK, which starts at once: a test changes what it wants and then calls `serve()`."""


def tool(name: str, description: str = "Do it.", schema: object = None) -> dict[str, object]:
    """A tool's definition on the wire."""
    return {"name": name, "description": description, "inputSchema": schema or {"type": "object"}}


def by_hand(folder: Path, name: str, *tools: dict[str, object], script: str = "", **fields: object) -> Server:
    """The server `name` with these tools; `script` runs before it serves."""
    return scripted(folder, name, f"{BY_HAND}\nTOOLS = {list(tools)!r}\n{script}\nserve()\n", **fields)


def scripted(folder: Path, name: str, script: str, **fields: object) -> Server:
    """Write `script` down as the MCP server `name`, to be started over stdio; further fields are the entry's."""
    file = folder / f"{name}.py"
    file.write_text(script)
    server = Server.model_validate({"command": [sys.executable, str(file)], **fields})
    add_server(name, server, replace=True)
    return server
