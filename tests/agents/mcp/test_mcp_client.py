"""The client against a server of the official SDK, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mcp_world import OVER_HTTP, OVER_STDIO, scripted

from agents.mcp.client import connected
from agents.mcp.offers import traits_of
from agents.mcp.servers import Server, add_server
from agents.tools import Tool, run_tool
from fireside.errors import ToolError


def by_name(tools: tuple[Tool, ...]) -> dict[str, Tool]:
    return {tool.name: tool for tool in tools}


async def test_tools_prompts_and_resources_over_stdio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "x")
    monkeypatch.setenv("CITY_KEY", "y")
    monkeypatch.setenv("LANG", "C.UTF-8")
    scripted(tmp_path, "weather", OVER_STDIO, environment=["CITY_KEY"])
    async with connected(["weather"]) as offered:
        tools = by_name(offered.tools)
        assert offered.notes == ()
        assert set(tools) == {
            *(f"weather.{name}" for name in ("forecast", "table", "environment", "end", "prompt.report")),
            *(f"weather.{name}" for name in ("list_resources", "read_resource")),
        }
        forecast = tools["weather.forecast"]
        assert forecast.description == "(a tool of the MCP server weather) The weather of a city."
        assert await run_tool(forecast, {"city": "Oslo", "days": 2}) == "Oslo: sun for 2 days"
        assert await run_tool(tools["weather.table"], {"city": "Oslo"}) == '{\n  "degrees": 21\n}'
        with pytest.raises(ToolError, match=r"weather.forecast failed: .*no such city"):
            await run_tool(forecast, {"city": "nowhere"})
        with pytest.raises(ToolError, match="days: 'two' is not of type 'integer'"):
            await run_tool(forecast, {"city": "Oslo", "days": "two"})
        assert await run_tool(tools["weather.prompt.report"], {"city": "Rome"}) == (
            "user: Write about the weather in Rome."
        )
        assert await run_tool(tools["weather.list_resources"], {}) == "weather://cities cities"
        assert await run_tool(tools["weather.read_resource"], {"uri": "weather://cities"}) == "Oslo, Rome"
        with pytest.raises(ToolError, match="the MCP server weather refused"):
            await run_tool(tools["weather.read_resource"], {"uri": "weather://none"})
        seen = await run_tool(tools["weather.environment"], {})
        assert set(seen.split()) - {"LC_CTYPE"} == {"CITY_KEY", "HOME", "LANG", "PATH"}


async def test_a_variable_that_a_server_needs_has_to_be_set(tmp_path: Path) -> None:
    scripted(tmp_path, "weather", OVER_STDIO, environment=["CITY_KEY"])
    with pytest.raises(ToolError, match="needs the environment variable CITY_KEY"):
        async with connected(["weather"]):
            pass


def test_hints_count_only_where_the_person_trusts_them() -> None:
    hints = {"readOnlyHint": True, "openWorldHint": False}
    wary, trusting = Server(command=("weather",)), Server(command=("weather",), trust_hints=True)
    traits = traits_of("weather.forecast", wary, hints)
    assert (traits.risk, traits.untrusted, traits.sequential) == ("network", True, True)
    assert traits.preview is not None
    assert traits.preview({"city": "Oslo"}) == 'weather.forecast of ["weather"]\n{\n "city": "Oslo"\n}'
    traits = traits_of("weather.forecast", trusting, hints)
    assert (traits.risk, traits.untrusted, traits.sequential) == ("reads", True, False)
    assert traits_of("weather.forecast", trusting, {"openWorldHint": False}).risk == "writes"
    assert traits_of("weather.forecast", trusting, {"readOnlyHint": True}).risk == "network"
    assert traits_of("weather.forecast", trusting, {}).risk == "network"


@pytest.fixture
def over_http(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    script = tmp_path / "over_http.py"
    script.write_text(OVER_HTTP)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/mcp"
        process.kill()


async def test_over_http_with_a_token(over_http: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add_server("far", Server(url=over_http, token_variable="FAR_TOKEN"))
    with pytest.raises(ToolError, match="needs the environment variable FAR_TOKEN"):
        async with connected(["far"]):
            pass
    monkeypatch.setenv("FAR_TOKEN", "wrong")
    with pytest.raises(ToolError, match=r"the MCP server far did not start: .*HTTP status 401"):
        async with connected(["far"]):
            pass
    monkeypatch.setenv("FAR_TOKEN", "opens-the-door")
    async with connected(["far"]) as offered:
        tools = by_name(offered.tools)
        assert await run_tool(tools["far.forecast"], {"city": "Oslo"}) == "Oslo: sun for 1 days"
        with pytest.raises(ToolError, match="the MCP server far died"):
            await run_tool(tools["far.end"], {})
        with pytest.raises(ToolError, match="the MCP server far did not start"):
            await run_tool(tools["far.forecast"], {"city": "Oslo"})
    assert "opens-the-door" not in (Path(os.environ["FIRESIDE_HOME"]) / "mcp" / "far" / "server.toml").read_text()
