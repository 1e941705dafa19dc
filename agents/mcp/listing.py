"""Asks an MCP server for all that it defines, a page at a time, up to a bound."""

from __future__ import annotations

from typing import Any

from agents.mcp.connection import Connection
from agents.mcp.definitions import Definition, of_prompt, of_tool

_MOST_PAGES = 20
_MOST_DEFINITIONS = 256


async def listed(connection: Connection) -> tuple[Definition, ...]:
    """All tools and prompts that the server lists, the first of each name, up to 256. Raises ToolError."""
    from mcp_types import ListPromptsRequest, ListPromptsResult, ListToolsRequest, ListToolsResult

    found: list[Definition] = []
    if connection.capabilities.tools is not None:
        tools = await pages(connection, ListToolsRequest, ListToolsResult)
        found += [of_tool(tool) for page in tools for tool in page.tools]
    if connection.capabilities.prompts is not None:
        prompts = await pages(connection, ListPromptsRequest, ListPromptsResult)
        found += [of_prompt(prompt) for page in prompts for prompt in page.prompts]
    first = {each.key: each for each in reversed(found)}
    return tuple(first.values())[::-1][:_MOST_DEFINITIONS]


async def pages(connection: Connection, request: Any, result: Any) -> list[Any]:
    """A list that comes in pages, up to 20 of them. Raises ToolError."""
    from mcp_types import PaginatedRequestParams

    found: list[Any] = []
    cursor = None
    while not found or (cursor is not None and len(found) < _MOST_PAGES):
        params = PaginatedRequestParams(cursor=cursor)
        found.append(await connection.request(request(params=params), result, connection.server.timeout_s))
        cursor = found[-1].next_cursor
    return found
