"""`fireside mcp`: tools from other programs over the Model Context Protocol, and Fireside's own for them."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fireside.errors import ToolError
from tui.commands.actions import add_action
from tui.console import emit, note, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.mcp.client import Inspected
    from agents.tools import Tool
    from tui.mcp_house import Served


def add_parser(subparsers: Any) -> None:
    """Add the `mcp` subcommand."""
    parser = subparsers.add_parser("mcp", help="tools from other programs (MCP), and ours for them")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    added = add_action(actions, "add", add, "name a server: its --command or its --url")
    added.add_argument("name", metavar="NAME", help="what its tools' names begin with")
    added.add_argument(
        "server", nargs="*", metavar="COMMAND", help="the program and its arguments; no shell reads them"
    )
    added.add_argument(
        "--command",
        dest="program",
        type=_words,
        default=[],
        metavar="'PROGRAM ARGUMENT...'",
        help="what speaks MCP over its stdin and stdout; no shell reads it",
    )
    added.add_argument("--url", help="the address of a server that speaks MCP over HTTP")
    added.add_argument("--token-variable", metavar="VARIABLE", help="the environment variable with its bearer token")
    added.add_argument(
        "--env", action="append", default=[], metavar="VARIABLE", help="pass this environment variable on (repeatable)"
    )
    added.add_argument("--folder", type=Path, help="where the program is started (default: your home folder)")
    added.add_argument(
        "--trust-hints", action="store_true", help="believe what the server says its tools do not do (reading alone...)"
    )
    add_action(actions, "list", show_list, "the servers there are; none is started")
    for name, handler, what in (
        ("show", show, "start or reach a server and list its tools; nothing is called"),
        ("remove", remove, "forget a server and what was approved of it"),
    ):
        add_action(actions, name, handler, what).add_argument("name", metavar="NAME")
    approved = add_action(actions, "approve", approve, "approve what a server offers now, where it changed")
    approved.add_argument("name", metavar="NAME")
    approved.add_argument("--yes", action="store_true", help="approve without asking")

    served = add_action(actions, "serve", serve, "offer searching, showing and asking to other programs")
    served.add_argument("--http", type=_port, metavar="PORT", help="over HTTP on this machine, not stdin and stdout")
    served.add_argument("--token-file", type=Path, metavar="FILE", help="the bearer token that HTTP clients must send")
    served.add_argument("--model", help="the model that answers `ask`")
    served.add_argument(
        "--tool", action="append", default=[], metavar="NAME", help="offer this tool too (may be repeated)"
    )
    served.add_argument("--folder", type=Path, help="the folder that file tools are confined to")
    served.add_argument(
        "--allow",
        action="append",
        default=[],
        choices=("writes", "executes", "network"),
        help="let named tools do this too: without it, they only read (may be repeated)",
    )


def add(options: argparse.Namespace) -> int:
    """Write the server down; nothing is started."""
    from pydantic import ValidationError

    from agents.mcp.servers import Server, add_server

    given = {
        "command": tuple(options.program),
        "url": options.url or "",
        "token_variable": options.token_variable,
        "environment": tuple(options.env),
        "folder": options.folder.absolute() if options.folder else None,
        "trust_hints": options.trust_hints,
    }
    try:
        server = Server.model_validate(given)
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        message = str(problem["msg"]).removeprefix("Value error, ")
        raise ToolError(
            f"this is no MCP server: {place + ': ' if place else ''}{message}",
            "fireside mcp add NAME --command 'PROGRAM ARGUMENT...', or fireside mcp add NAME --url URL",
        ) from error
    add_server(options.name, server)
    if options.json:
        emit({"name": options.name, **server.model_dump(mode="json")})
    else:
        note(f"added {options.name}; look at its tools: fireside mcp show {options.name}")
    return 0


def show_list(options: argparse.Namespace) -> int:
    """Print every server; nothing is started."""
    from agents.mcp.servers import read_server, server_names

    servers = {name: read_server(name) for name in server_names()}
    if options.json:
        emit([{"name": name, **server.model_dump(mode="json")} for name, server in servers.items()])
        return 0
    for name, server in servers.items():
        say(f"{name}: {server.place}")
    if not servers:
        note("there are no MCP servers; add one: fireside mcp add NAME --command PROGRAM")
    return 0


def show(options: argparse.Namespace) -> int:
    """Print what a server offers, what is left out, and what changed."""
    from agents.mcp.client import inspect

    found = asyncio.run(inspect(options.name))
    if options.json:
        emit(_document(options.name, found))
        return 0
    for tool in found.offered.tools:
        arguments = ", ".join(tool.parameters.get("properties", {}))
        say(f"{tool.name}({arguments}) [{tool.traits.risk}]\n    {tool.description}")
    for line in found.offered.notes:
        note(line)
    return 0


def approve(options: argparse.Namespace) -> int:
    """Show what changed since it was approved, ask, and pin exactly what was shown."""
    from agents.mcp import pins
    from agents.mcp.client import inspect

    found = asyncio.run(inspect(options.name))
    if not options.json:
        for change in found.changes:
            note(f"{change.key} is new:" if change.new else f"{change.key} changed:")
            note("\n".join(f"    {line}" for line in change.diff))
    asked = bool(found.changes) and not options.yes
    if asked and (options.json or not (sys.stdin and sys.stdin.isatty())):
        if options.json:
            emit(_document(options.name, found) | {"approved": False})
        raise ToolError(
            f"{len(found.changes)} definitions of {options.name} are not approved", "approve them with --yes"
        )
    if asked:
        sys.stderr.write("Approve? [y]es, [N]o: ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower()[:1] != "y":
            note("nothing was approved")
            return 1
    pins.approve(options.name, found.definitions)
    if options.json:
        emit(_document(options.name, found) | {"approved": True})
    else:
        note(f"approved: {len(found.definitions)} definitions of {options.name}")
    return 0


def remove(options: argparse.Namespace) -> int:
    """Forget a server."""
    from agents.mcp.servers import remove_server

    remove_server(options.name)
    if options.json:
        emit({"removed": options.name})
    else:
        note(f"removed {options.name}")
    return 0


def serve(options: argparse.Namespace) -> int:
    """Offer tools until the client goes, or a signal comes."""
    from tui.mcp_house import served_tools

    return asyncio.run(_serve(options, served_tools(options)))


async def _serve(options: argparse.Namespace, served: Served) -> int:
    from agents.mcp.server import serve_stdio

    try:
        if options.http is None:
            if sys.stdin.isatty():
                note("speaking MCP over stdin and stdout, as clients start this; Ctrl-C ends it")
            await serve_stdio(served.tools)
            return 0
        return await _serve_http(options, served.tools)
    finally:
        await served.close()


async def _serve_http(options: argparse.Namespace, tools: Sequence[Tool]) -> int:
    import secrets

    from agents.mcp.server import PATH, http_app, sdk_server
    from tui.serve.access import Access, read_token
    from tui.serve.listen import bound, run_app
    from tui.serve.mcp import Guarded

    given = read_token(options.token_file)
    token = given or secrets.token_urlsafe(32)

    def ready(url: str) -> None:
        if options.json:
            emit({"url": url + PATH} | ({} if given else {"token": token}))
        else:
            note(f"serving at {url}{PATH}" + ("" if given else f"\ntoken: {token}"))

    app = Guarded(http_app(sdk_server(tools)), Access(token, local=True))
    return await run_app(app, bound("127.0.0.1", options.http), ready, lifespan="on")


def _document(name: str, found: Inspected) -> dict[str, Any]:
    """What a server offers, as JSON."""
    return {
        "name": name,
        "tools": [
            {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "risk": tool.traits.risk,
            }
            for tool in found.offered.tools
        ],
        "notes": found.offered.notes,
        "changes": [{"name": each.key, "new": each.new, "diff": each.diff} for each in found.changes],
        "pinned": not found.first,
    }


def _port(text: str) -> int:
    """An option's value: a port, 0 for any free one."""
    if not text.isdecimal() or len(text) > 5 or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _words(text: str) -> list[str]:
    """An option's value: a command line, quoted as for a shell."""
    import shlex

    try:
        return shlex.split(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no command line: {error}") from error
