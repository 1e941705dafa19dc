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


async def test_two_who_ask_at_once_share_one_server(tmp_path: Path) -> None:
    started = counted(tmp_path, "a")
    servers = Servers()
    assert await asyncio.gather(servers.use("a"), servers.use("a")) == [(), ()]
    assert servers.names == ["a"]
    await servers.close()
    (process,) = pids(started)
    assert not Path(f"/proc/{process}").exists()


async def test_one_who_gives_up_does_not_end_what_another_waits_for(tmp_path: Path) -> None:
    started = counted(tmp_path, "a")
    servers = Servers()
    first, second = asyncio.create_task(servers.use("a")), asyncio.create_task(servers.use("a"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == ()
    assert servers.names == ["a"]
    await servers.close()
    assert first.cancelled()
    assert len(pids(started)) == 1


@pytest.mark.parametrize("reached", [False, True])
async def test_a_server_that_starts_can_be_dropped(tmp_path: Path, reached: bool) -> None:
    """reached: its program runs already, and does not answer yet."""
    started = mute(tmp_path, "b")
    servers = Servers()
    starting = asyncio.create_task(servers.use("b"))
    await until_written(started) if reached else await asyncio.sleep(0)
    assert servers.names == []
    assert await servers.drop("b")
    with pytest.raises(ToolError, match="the MCP server b was ended while it started"):
        await starting
    assert not await servers.drop("b")
    await servers.close()
    assert not any(Path(f"/proc/{process}").exists() for process in pids(started))


async def test_nothing_starts_once_the_chat_is_closed(tmp_path: Path) -> None:
    by_hand(tmp_path, "a", tool("go"))
    started = mute(tmp_path, "b")
    servers = Servers()
    await servers.use("a")
    starting = asyncio.create_task(servers.use("b"))
    await until_written(started)
    await asyncio.gather(servers.close(), servers.close())
    with pytest.raises(ToolError, match="ended while it started"):
        await starting
    (process,) = pids(started)
    assert not Path(f"/proc/{process}").exists()
    with pytest.raises(ToolError, match="the chat is closed"):
        await servers.use("a")
    assert (servers.names, servers.tools) == ([], ())


async def test_close_waits_for_a_server_that_is_being_dropped(tmp_path: Path) -> None:
    started = counted(tmp_path, "a")
    servers = Servers()
    await servers.use("a")
    dropping = asyncio.create_task(servers.drop("a"))
    await asyncio.sleep(0)
    await servers.close()
    (process,) = pids(started)
    assert not Path(f"/proc/{process}").exists()
    assert await dropping


def counted(folder: Path, name: str) -> Path:
    """A server that writes its process id into a file when it is started."""
    by_hand(folder, name, tool("go"), script=writes_its_id(folder, name))
    return folder / f"{name}.pids"


def mute(folder: Path, name: str) -> Path:
    """The same, but it never answers."""
    scripted(folder, name, f"import os, time\n{writes_its_id(folder, name)}\ntime.sleep(60)")
    return folder / f"{name}.pids"


def writes_its_id(folder: Path, name: str) -> str:
    return f"with open({str(folder / f'{name}.pids')!r}, 'a') as file: print(os.getpid(), file=file)"


def pids(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


async def until_written(file: Path) -> None:
    async with asyncio.timeout(20):
        while not pids(file):
            await asyncio.sleep(0.01)
