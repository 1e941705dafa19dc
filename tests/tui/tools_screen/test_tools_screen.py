"""The screen of tools: risks, what asks, rules that are dropped, servers, traces."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from one_screen import HeldAlone, OneScreen
from pytest_textual_snapshot import SVGImageExtension  # type: ignore[import-untyped]  # it ships no types
from screen_text import shown, shows
from syrupy.assertion import SnapshotAssertion

from agents.approval import Decision, Rule
from agents.remembered import everything, remember
from agents.tools import Risk, Traits, tool_from_function
from tui.theme import DARK, LIGHT
from tui.tools_screen.entries import Entry
from tui.tools_screen.screen import ToolsScreen


@pytest.fixture
def held(tmp_path: Path) -> HeldAlone:
    """A chat with a folder, and rules for it and for another."""
    found = HeldAlone()
    found.folder = tmp_path / "cabin"
    found.folder.mkdir()
    found.use_tools(True)
    remember(Rule("shell", "deny"), found.folder)
    remember(Rule("web.read", "allow", {"url": "https://example.org/*"}), found.folder)
    remember(Rule("now", "deny"), tmp_path)
    return found


def down_to(pilot: Any, name: str) -> None:
    """Put the mark on a line."""
    options = pilot.app.screen.query_one("#listed")
    options.highlighted = options.get_option_index(name)


async def test_every_tool_is_told_with_its_risk_and_whether_it_asks(held: HeldAlone) -> None:
    async with OneScreen(ToolsScreen(held)).run_test(size=(120, 40)) as pilot:
        await shows(pilot, "Tools (on)", "○ calculator", "● shell", "never runs", "Rules in cabin")
        assert "deny now" not in shown(pilot.app)
        down_to(pilot, "shell")
        await shows(pilot, "It runs a program.", "never runs here: a rule denies it", "deny shell")
        await pilot.press("enter")
        await shows(pilot, "✗ a rule denies shell; drop the rule first")


async def test_a_tool_may_run_unasked_in_this_conversation_and_asks_again(held: HeldAlone) -> None:
    async with OneScreen(ToolsScreen(held)).run_test(size=(120, 40)) as pilot:
        await shows(pilot, "○ calculator")
        down_to(pilot, "calculator")
        await pilot.press("enter")
        await shows(pilot, "calculator runs without asking in this conversation", "runs unasked")
        assert held.allowed == {"calculator"}
        await pilot.press("space")
        await shows(pilot, "calculator asks again")
        assert held.allowed == set()


async def test_a_rule_of_this_folder_is_dropped_and_others_stay(held: HeldAlone) -> None:
    async with OneScreen(ToolsScreen(held)).run_test(size=(120, 40)) as pilot:
        await shows(pilot, "Rules in cabin")
        await pilot.press("home", "d")
        await shows(pilot, "✗ mark a rule to drop it")
        number = next(each.id for each in everything() if each.rule.tool == "shell")
        down_to(pilot, f"rule {number}")
        await shows(pilot, "d drops it")
        await pilot.press("d")
        await shows(pilot, "dropped: deny shell")
        assert "never runs" not in shown(pilot.app)
    assert sorted(each.rule.tool for each in everything()) == ["now", "web.read"]


async def test_tools_are_switched_off_and_on(held: HeldAlone) -> None:
    async with OneScreen(ToolsScreen(held)).run_test(size=(120, 40)) as pilot:
        await shows(pilot, "Tools (on)")
        await pilot.press("o")
        await shows(pilot, "Tools (off)", "tools are off")
        assert held.tools == ()
        await pilot.press("o")
        await shows(pilot, "Tools (on)", "the assistant may use tools")
        assert held.tools


async def test_a_server_is_started_and_one_that_dies_is_a_line(tmp_path: Path) -> None:
    from agents.mcp.servers import Server, add_server

    add_server("broken", Server(command=(sys.executable, "-c", "raise SystemExit(3)")))
    held = HeldAlone()
    async with OneScreen(ToolsScreen(held)).run_test(size=(120, 40)) as pilot:
        await shows(pilot, "MCP servers", "○ broken")
        down_to(pilot, "server broken")
        await shows(pilot, "does not run", "enter starts it")
        await pilot.press("enter")
        await shows(pilot, "✗ ")
        assert "Traceback" not in shown(pilot.app)
        assert held.servers.names == []
    await held.servers.close()


async def test_the_traces_are_reached_and_their_absence_is_told(held: HeldAlone) -> None:
    async with OneScreen(ToolsScreen(held)).run_test(size=(120, 40)) as pilot:
        await shows(pilot, "○ calculator")
        await pilot.press("t")
        await shows(pilot, "✗ there are no runs yet")
        await pilot.press("escape")
        assert not isinstance(pilot.app.screen, ToolsScreen)


def _four() -> list[Entry]:
    def look(path: str) -> str:
        """Look at a file.

        Args:
            path: which one
        """
        return ""

    kinds: list[tuple[Risk, Decision]] = [
        ("reads", "allow"), ("writes", "ask"), ("executes", "deny"), ("network", "ask"),
    ]  # fmt: skip
    found = [
        Entry(
            f"{risk}.file", "tool", tool_from_function(look, Traits(risk=risk, untrusted=risk == "network"), risk),
            decision, offered=True, rules=("allow files.read path=notes/*",),
        )
        for risk, decision in kinds
    ]  # fmt: skip
    return [*found, Entry("server weather", "server", offered=True), Entry("server mail", "server")]


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=["dark", "light"])
async def test_it_looks_as_it_did(theme: Any, monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion) -> None:
    monkeypatch.setattr("tui.tools_screen.screen.entries", lambda held, notes: _four())
    async with OneScreen(ToolsScreen(HeldAlone()), theme).run_test(size=(100, 26)) as pilot:
        await shows(pilot, "◆ network.file")
        await pilot.press("j", "j", "j")
        await shows(pilot, "somebody else's words")
        assert pilot.app.export_screenshot() == snapshot.use_extension(SVGImageExtension)


async def test_it_stands_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch, snapshot: SnapshotAssertion) -> None:
    monkeypatch.setattr("tui.tools_screen.screen.entries", lambda held, notes: _four())
    async with OneScreen(ToolsScreen(HeldAlone())).run_test(size=(120, 40)) as pilot:
        await shows(pilot, "◆ network.file")
        for size in ((60, 20), (30, 8), (60, 20)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        await shows(pilot, "runs unasked")
        assert pilot.app.export_screenshot() == snapshot.use_extension(SVGImageExtension)


async def test_slash_tools_alone_opens_it(chat_with: Callable[..., Any]) -> None:
    async with chat_with() as chat:
        await chat.write("/tools")
        await chat.shows("Tools (off)")
        await chat.pilot.press("o")
        await chat.shows("Tools (on)")
        await chat.pilot.press("escape")
        await chat.until(lambda: chat.app.screen is chat.screen)
        assert chat.session.tools
