"""What an MCP server defines as tools of ours: namespaced `SERVER.NAME`, bounded, and called over its connection."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.mcp.arguments import valid_arguments
from agents.mcp.connection import Connection
from agents.mcp.definitions import Definition, safe_description, safe_schema, shortest_arguments
from agents.mcp.listing import listed, pages
from agents.mcp.pins import Change
from agents.mcp.quoted import LONGEST, quoted
from agents.mcp.results import text_of_call, text_of_prompt, text_of_resource
from agents.mcp.servers import Server
from agents.tools import Risk, Tool, Traits, tool_from_function
from fireside.errors import ToolError
from fireside.text import for_terminal_line

_CHECK_S = 10.0


@dataclass(frozen=True)
class Offered:
    """What servers offer for a turn. notes: a line each on what was left out, and why, for the person."""

    tools: tuple[Tool, ...] = ()
    notes: tuple[str, ...] = ()


def offered_tools(connection: Connection, definitions: Sequence[Definition], changed: Sequence[Change]) -> Offered:
    """Our tools for these definitions, without those that changed and those no model can be held to.

    May take seconds: a schema can be made so that checking it takes its time, and the budget for that is ten.
    """
    until = time.monotonic() + _CHECK_S
    name = connection.name
    waiting = {change.key for change in changed}
    caller = _Caller(connection, {each.key: each.sha256 for each in definitions})
    tools, notes = [], []
    for each in definitions:
        if for_terminal_line(each.key) in waiting:
            continue
        try:
            if time.monotonic() > until:
                raise ToolError("the schemas before it took too long to check")
            tools.append(_tool(caller, each))
        except ToolError as error:
            reason = for_terminal_line(error.message, LONGEST)
            notes.append(f"{name}: left out {for_terminal_line(each.key, 80)!r}: {reason}")
    if connection.capabilities.resources is not None:
        tools += [tool for tool in _resource_tools(caller) if tool.name not in {each.name for each in tools}]
    if waiting:
        shown = ", ".join(sorted(waiting))
        notes.append(f"{name}: left out, new or changed since you approved it: {shown} (fireside mcp approve {name})")
    return Offered(tuple(tools), tuple(notes))


def _tool(caller: _Caller, definition: Definition) -> Tool:
    """The definition as a tool. Raises ToolError saying why it cannot be one."""
    schema = safe_schema(definition)

    async def run(**arguments: Any) -> str:
        return await caller.call(definition, arguments)

    name = f"{caller.name}.{definition.key}"

    def validate(arguments: Mapping[str, Any]) -> dict[str, Any]:
        return valid_arguments(name, schema, arguments)

    validate(shortest_arguments(schema))  # a tool that no call could ever fit is not offered
    return Tool(
        name,
        safe_description(definition, caller.name),
        schema,
        (),
        run,
        validate,
        traits_of(name, caller.server, definition.hints),
    )


def traits_of(name: str, server: Server, hints: Mapping[str, Any]) -> Traits:
    """The most that a call can do. What a server says of itself counts only where the person trusts it."""
    risk: Risk = "network"
    reads = hints.get("readOnlyHint") is True
    if server.trust_hints and hints.get("openWorldHint") is False:
        risk = "reads" if reads else "writes"

    def preview(arguments: Mapping[str, Any]) -> str:
        return f"{name} of {server.place}\n{json.dumps(dict(arguments), ensure_ascii=False, indent=1)}"

    return Traits(
        risk, untrusted=True, timeout_s=server.timeout_s, sequential=not (server.trust_hints and reads), preview=preview
    )


def _resource_tools(caller: _Caller) -> list[Tool]:
    """Two tools in our own words, with nothing of the server's in their definitions."""

    async def list_resources() -> str:
        """List what the MCP server has to read: addresses and names."""
        return await caller.list_resources()

    async def read_resource(uri: str) -> str:
        """Read one of the resources that list_resources names.

        Args:
            uri: the resource's address, as it was listed
        """
        return await caller.read_resource(uri)

    traits = traits_of(f"{caller.name}.read_resource", caller.server, {})
    return [tool_from_function(each, traits, caller.name) for each in (list_resources, read_resource)]


class _Caller:
    """Calls what one server offers, and starts it once more where it died since."""

    def __init__(self, connection: Connection, approved: Mapping[str, str]) -> None:
        """approved: the hash of each definition, by key: what a server that was started again must still offer."""
        self.name, self.server = connection.name, connection.server
        self._connection, self._approved = connection, approved
        self._starting = asyncio.Lock()

    async def call(self, definition: Definition, arguments: dict[str, Any]) -> str:
        """Call the tool, or fill in the prompt. Raises ToolError: with what it says where it failed."""
        from mcp_types import (
            CallToolRequest,
            CallToolRequestParams,
            CallToolResult,
            GetPromptRequest,
            GetPromptRequestParams,
            GetPromptResult,
        )

        if definition.kind == "prompt":
            prompt = GetPromptRequestParams(name=definition.name, arguments=arguments)
            return text_of_prompt(await self._ask(GetPromptRequest(params=prompt), GetPromptResult))
        params = CallToolRequestParams(name=definition.name, arguments=arguments)
        result = await self._ask(CallToolRequest(params=params), CallToolResult)
        text = text_of_call(result)
        if result.is_error:
            raise ToolError(f"{self.name}.{definition.name} failed: {quoted(text)}")
        return text

    async def list_resources(self) -> str:
        """Every resource and template, a line each."""
        from mcp_types import (
            ListResourcesRequest,
            ListResourcesResult,
            ListResourceTemplatesRequest,
            ListResourceTemplatesResult,
        )

        await self._alive()
        found = await pages(self._connection, ListResourcesRequest, ListResourcesResult)
        lines = [f"{each.uri} {each.name}" for page in found for each in page.resources]
        found = await pages(self._connection, ListResourceTemplatesRequest, ListResourceTemplatesResult)
        lines += [f"{each.uri_template} {each.name}" for page in found for each in page.resource_templates]
        return "\n".join(for_terminal_line(line) for line in lines) or "there are none"

    async def read_resource(self, uri: str) -> str:
        """The text of one resource."""
        from mcp_types import ReadResourceRequest, ReadResourceRequestParams, ReadResourceResult

        request = ReadResourceRequest(params=ReadResourceRequestParams(uri=uri))
        return text_of_resource(await self._ask(request, ReadResourceResult))

    async def _ask(self, request: Any, answer: Any) -> Any:
        await self._alive()
        return await self._connection.request(request, answer, self.server.timeout_s)

    async def _alive(self) -> None:
        """Start a server that died, once, and see that it still offers what was approved. Raises ToolError."""
        async with self._starting:
            if self._connection.alive:
                return
            await self._connection.open()
            now = {each.key: each.sha256 for each in await listed(self._connection)}
            if any(now.get(key, sha256) != sha256 for key, sha256 in self._approved.items()):
                await self._connection.close()
                raise ToolError(
                    f"the MCP server {self.name} was started again and offers something else now",
                    f"look at it: fireside mcp approve {self.name}",
                )
