"""How `fireside ask` lets the person decide about a call: on the terminal where there is one, else by denying."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fireside.errors import FiresideError
from fireside.text import for_terminal
from tui.console import note

if TYPE_CHECKING:
    from agents.approval import Rule
    from agents.events import ApprovalAsked
    from agents.loop import Answer, Approve
    from agents.tools import Tool

_SANDBOXED = ("shell", "python")


class YesRefused(FiresideError):
    """--yes cannot stand for a tool that was named."""


def refuse_yes(tools: Sequence[Tool], folder: Path | None) -> None:
    """Raise YesRefused where --yes would let a program run outside the sandbox, or something leave this machine."""
    from agents.sandbox.available import available

    for tool in tools:
        held = tool.name in _SANDBOXED and tool.traits.risk == "executes" and available(folder) is None
        if tool.traits.risk == "network":
            what = f"{tool.name} talks to another machine or program"
        elif tool.traits.risk == "executes" and not held:
            what = f"{tool.name} runs code outside the sandbox"
        else:
            continue
        raise YesRefused(
            f"--yes does not stand for {tool.name}: {what}",
            f"leave --yes out and answer at the terminal, or `fireside tools rules allow {tool.name}`",
        )


def at_terminal(json: bool) -> bool:
    """Whether there is somebody to ask. json: stdout and stderr are read by a program."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty() and not json


def terminal_approver(interactive: bool, tools: Sequence[Tool], folder: Path | None) -> Approve:
    """Asks, showing exactly what would be done; `f` and `v` remember the answer for `folder`."""
    from agents.remembered import remember
    from tui.approving import decided_in_turn, lasting_rule, risk_line, rule_line, sources_line

    made: list[Rule] = []

    async def approve(asked: ApprovalAsked) -> Answer:
        call = f"{asked.call.name}({', '.join(f'{key}={value!r}' for key, value in asked.call.arguments.items())})"
        if not interactive:
            why = f"denied: {call}; {sources_line(asked)}" if asked.sources else f"denied: {call}; allow it with --yes"
            note(why)
            return "deny"
        decided = decided_in_turn(asked, tools, made, folder)
        if decided != "ask":
            return "once" if decided == "allow" else "deny"
        note(f"The model wants to run {call}")
        for line in (*for_terminal(asked.preview).splitlines(), risk_line(asked), asked.reason, sources_line(asked)):
            if line:
                note(f"  {line}")
        here = "" if folder is None else "[f]or ever in this folder, ne[v]er in it, "
        sys.stderr.write(f"Allow? [y]es, [a]lways in this turn, {here}[N]o: ")
        sys.stderr.flush()
        answer = (await typed_line()).strip().lower()[:1]
        if folder is not None and answer in ("f", "v"):
            rule = lasting_rule(asked, "allow" if answer == "f" else "deny")
            remember(rule, folder)
            made.append(rule)
            note(f"remembered for {folder}: {rule_line(rule)}")
            return "once" if answer == "f" else "deny"
        return "once" if answer == "y" else "always" if answer == "a" else "deny"

    return approve


async def typed_line() -> str:
    """The next line of stdin. No thread waits for it: at Ctrl-C the process would wait for the thread."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sys.stdin)
    return sys.stdin.readline()
