"""The MCP servers of an open chat: started by name, kept while the chat is, ended one by one or all."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from mcp_world import by_hand, scripted, tool

from agents.tools import run_tool
from fireside.errors import ToolError
from tui.servers import Servers


async def test_servers_run_until_they_are_dropped(tmp_path: Path) -> None:
    by_hand(tmp_path, "weather", tool("forecast"))
    servers = Servers()
    assert servers.tools == ()
    try:
        assert await servers.use("weather") == ()
        assert await servers.use("weather") == ()
        assert servers.names == ["weather"]
        (forecast,) = [tool for tool in servers.tools if tool.name == "weather.forecast"]
        # The tools may be called from other tasks than the one that started the server.
        assert await asyncio.create_task(run_tool(forecast, {})) == "called forecast"
        assert await servers.drop("weather")
        assert not await servers.drop("weather")
        assert servers.tools == ()
        with pytest.raises(ToolError):
            await run_tool(forecast, {})
        await servers.use("weather")
    finally:
        await servers.close()
    assert servers.names == []


async def test_a_server_that_cannot_be_started_is_one_error_and_leaves_nothing(tmp_path: Path) -> None:
    scripted(tmp_path, "broken", "raise SystemExit(3)")
    servers = Servers()
    for name in ("broken", "unknown"):
        with pytest.raises(ToolError, match=name):
            await servers.use(name)
    assert servers.names == []
    await servers.close()


async def test_a_start_that_is_given_up_ends_the_server(tmp_path: Path) -> None:
    scripted(tmp_path, "slow", "import time\ntime.sleep(60)")
    servers = Servers()
    starting = asyncio.create_task(servers.use("slow"))
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert servers.names == []
