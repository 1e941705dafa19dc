"""`fireside tools`: what the assistant can do."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tui.commands.actions import add_action
from tui.console import emit, say


def add_parser(subparsers: Any) -> None:
    """Add the `tools` subcommand."""
    parser = subparsers.add_parser("tools", help="what the assistant may do")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    add_action(actions, "list", show_list, "every tool with its arguments")


def show_list(options: argparse.Namespace) -> int:
    """Print every built-in tool; nothing is run."""
    from agents.builtin import builtin_tools

    tools = builtin_tools(Path.cwd(), lambda query: [])
    if options.json:
        emit([{"name": tool.name, "description": tool.description, "parameters": tool.parameters} for tool in tools])
        return 0
    for tool in tools:
        say(f"{tool.name}({', '.join(tool.parameters.get('properties', {}))})\n    {tool.description}")
    return 0
