"""What the screen of tools lists: every tool with its risk and whether it asks, rules of the folder, MCP servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.text import Text

from agents.approval import Decision, allowing, decide
from agents.remembered import Remembered, everything
from agents.tools import Risk, Tool
from fireside.text import for_terminal, for_terminal_line
from tui.approving import rule_line
from tui.event_lines import RISKS
from tui.held import Held
from tui.listed.screen import heading

RISK_MARKS: dict[Risk, str] = {"reads": "○", "writes": "◐", "executes": "●", "network": "◆"}
RISK_COLOURS: dict[Risk, str] = {"reads": "success", "writes": "caution", "executes": "error", "network": "tool"}
ASKS: dict[Decision, str] = {"allow": "runs unasked", "ask": "asks", "deny": "never runs"}
ASK_COLOURS: dict[Decision, str] = {"allow": "caution", "ask": "muted", "deny": "error"}


@dataclass(frozen=True)
class Entry:
    """A tool, a rule or a server. offered: the assistant has it now (a tool), or it runs (a server)."""

    name: str
    kind: Literal["tool", "rule", "server"]
    tool: Tool | None = None
    decision: Decision = "ask"
    offered: bool = False
    rule: Remembered | None = None
    rules: tuple[str, ...] = ()


def entries(held: Held, notes: list[str]) -> list[Entry]:
    """Everything, tools first. notes: gets a line on each thing that is left out. Raises FiresideError."""
    from agents.mcp.servers import server_names
    from tui.offered import every_tool

    async def nobody(question: str, options: tuple[str, ...]) -> str:
        return ""

    folder = "" if held.folder is None else str(held.folder.resolve())
    kept = [each for each in everything() if each.folder == folder]
    rules = (*allowing(sorted(held.allowed)), *(each.rule for each in kept))
    offered = {tool.name for tool in held.tools}
    known = every_tool(held.folder or Path.cwd(), lambda query: [], nobody, notes.append)
    tools = [*known, *(tool for tool in held.servers.tools if tool.name not in [each.name for each in known])]
    found = [
        Entry(
            tool.name,
            "tool",
            tool,
            decide(tool, {}, rules).decision,
            tool.name in offered,
            rules=tuple(rule_line(each.rule) for each in kept if decides(each, tool)),
        )
        for tool in tools
    ]
    found += [Entry(f"rule {each.id}", "rule", rule=each) for each in kept]
    running = held.servers.names
    found += [Entry(f"server {name}", "server", offered=name in running) for name in server_names()]
    return found


def decides(kept: Remembered, tool: Tool) -> bool:
    """Whether a rule bears on some calls of the tool."""
    from fnmatch import fnmatchcase

    return fnmatchcase(tool.name, kept.rule.tool)


def told(entry: Entry, held: Held, colours: dict[str, str]) -> Text:
    """What the marked line is, in words."""
    if entry.tool is not None:
        return _tool_told(entry, entry.tool, colours)
    if entry.rule is not None:
        text = heading(rule_line(entry.rule.rule), colours)
        where = entry.rule.folder or "chats without a folder"
        text.append(f"holds in {for_terminal_line(where, 200)}\n", colours["foreground"])
        return text.append("d drops it: the person is asked again\n", colours["muted"])
    name = entry.name.partition(" ")[2]
    text = heading(f"MCP server {name}", colours)
    text.append("● runs\n" if entry.offered else "○ does not run\n", colours["success" if entry.offered else "muted"])
    tools = [tool.name for tool in held.servers.tools if tool.name.startswith(f"{name}.")]
    for each in tools:
        text.append(f"  {for_terminal_line(each, 80)}\n", colours["foreground"])
    return text.append("enter ends it\n" if entry.offered else "enter starts it\n", colours["muted"])


def _tool_told(entry: Entry, tool: Tool, colours: dict[str, str]) -> Text:
    risk = tool.traits.risk
    text = heading(tool.name, colours)
    text.append(f"{for_terminal(tool.description)}\n\n", colours["foreground"])
    text.append(f"{RISK_MARKS[risk]} {RISKS[risk]}\n", colours[RISK_COLOURS[risk]])
    if tool.traits.untrusted:
        text.append("! what it brings is somebody else's words\n", colours["caution"])
    said = {
        "allow": "runs without asking in this conversation",
        "ask": "asks before each call",
        "deny": "never runs here: a rule denies it",
    }[entry.decision]
    text.append(f"{said}\n", colours[ASK_COLOURS[entry.decision]])
    text.append("offered now\n" if entry.offered else "not offered now; o turns tools on\n", colours["muted"])
    text.append_text(_listed("arguments", _arguments(tool), colours))
    return text.append_text(_listed("rules here", entry.rules, colours))


def _arguments(tool: Tool) -> Sequence[str]:
    properties = tool.parameters.get("properties", {})
    return [
        for_terminal_line(f"{name}: {schema.get('description') or schema.get('type', 'any')}", 200)
        for name, schema in properties.items()
    ]


def _listed(heading: str, lines: Sequence[str], colours: dict[str, str]) -> Text:
    text = Text()
    if lines:
        text.append(f"\n{heading}\n", colours["muted"])
        for line in lines:
            text.append(f"  {line}\n", colours["foreground"])
    return text
