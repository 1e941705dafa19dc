"""`fireside tools`: what the assistant can do, and the person's own files of tools."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.commands.actions import add_action
from tui.commands.rules import add_rules
from tui.console import emit, note, say

if TYPE_CHECKING:
    from agents.builtin.from_files import TrustedFile
    from agents.tools import Tool


def add_parser(subparsers: Any) -> None:
    """Add the `tools` subcommand."""
    parser = subparsers.add_parser("tools", help="what the assistant may do", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add_action(actions, "list", show_list, "every tool with its arguments")
    add = add_action(actions, "add", _add, "trust a file of tools (.py) or a skill (.md), or a folder of them")
    add.add_argument("path", type=Path, metavar="FILE_OR_FOLDER", help="its Python code will run as you, unconfined")
    remove = add_action(actions, "remove", _remove, "trust a file no longer; the file itself stays")
    remove.add_argument("name", metavar="NAME")
    show = add_action(actions, "show", _show, "one tool in full")
    show.add_argument("name", metavar="NAME")
    add_rules(actions)


def show_list(options: argparse.Namespace) -> int:
    """Print every tool; none is run."""
    tools = _every_tool()
    if options.json:
        emit([_document(tool) for tool in tools])
        return 0
    for tool in tools:
        say(f"{tool.name}({', '.join(tool.parameters.get('properties', {}))})\n    {tool.description}")
    return 0


def _add(options: argparse.Namespace) -> int:
    from agents.builtin.from_files import trust

    added = trust(options.path)
    if options.json:
        emit({"added": [vars(each) for each in added]})
        return 0
    for each in added:
        say(f"{each.name}: {each.path} is trusted as it is now (sha256 {each.sha256[:16]}...)")
    return 0


def _remove(options: argparse.Namespace) -> int:
    from agents.builtin.from_files import distrust

    removed = distrust(options.name)
    if options.json:
        emit({"removed": vars(removed)})
    else:
        say(f"{removed.path} is no longer trusted")
    return 0


def _show(options: argparse.Namespace) -> int:
    from agents.builtin.from_files import state_of, trusted_files
    from fireside.errors import ToolError, did_you_mean

    for each in trusted_files():
        if each.name == options.name:
            return _show_file(each, state_of(each), options.json)
    tools = {tool.name: tool for tool in _every_tool()}
    if options.name not in tools:
        raise ToolError(
            f"there is no tool {options.name!r}", did_you_mean(options.name, tools, "see fireside tools list")
        )
    tool = tools[options.name]
    if options.json:
        emit(_document(tool))
        return 0
    say(f"{tool.name} ({tool.traits.risk})\n{tool.description}")
    for name, schema in tool.parameters.get("properties", {}).items():
        say(f"    {name}: {schema.get('description') or schema.get('type', 'any')}")
    return 0


def _show_file(each: TrustedFile, state: str, json: bool) -> int:
    if json:
        emit({**vars(each), "state": state})
    else:
        say(f"{each.name}: {each.path}\n{state}, sha256 {each.sha256}")
    return 0


def _every_tool() -> tuple[Tool, ...]:
    """Every tool there can be, whatever it needs. What is left out is a line on stderr."""
    from tui.offered import every_tool

    async def nobody(question: str, options: tuple[str, ...]) -> str:
        return ""

    return every_tool(Path.cwd(), lambda query: [], nobody, note)


def _document(tool: Tool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "risk": tool.traits.risk,
    }
