"""A tool call that waits for the person: what they are shown of it, and the lasting rule that their answer makes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agents.approval import Decision, Rule, as_text, decide
from agents.remembered import rules_for
from fireside.text import for_terminal_line
from tui.event_lines import RISKS

if TYPE_CHECKING:
    from agents.events import ApprovalAsked
    from agents.tools import Tool

_EXACT = ("executes", "network")
_SPECIAL = re.compile(r"([*?[])")


def lasting_rule(asked: ApprovalAsked, decision: Decision) -> Rule:
    """The rule that "always here" or "never here" makes: for the tool; but what runs a program or talks to others is
    allowed with exactly these arguments only, since the next command is another one."""
    if decision == "deny" or asked.risk not in _EXACT:
        return Rule(asked.call.name, decision)
    exactly = {name: _SPECIAL.sub(r"[\1]", as_text(value)) for name, value in asked.call.arguments.items()}
    return Rule(asked.call.name, decision, exactly, exactly=True)


def decided_in_turn(asked: ApprovalAsked, tools: Sequence[Tool], made: Sequence[Rule], folder: Path | None) -> Decision:
    """What the rules say that the person has made for `folder` since the turn began. Raises StorageError.

    A call that was asked about in spite of older rules stays a question.
    """
    tool = next((tool for tool in tools if tool.name == asked.call.name), None)
    if tool is None or not made:
        return "ask"
    decision = decide(tool, asked.call.arguments, made, asked.sources).decision
    if decision != "allow":
        return decision
    # Another rule of the folder may want to be asked every time.
    return decide(tool, asked.call.arguments, rules_for(folder), asked.sources).decision


def risk_line(asked: ApprovalAsked) -> str:
    """The most that the tool can do."""
    return RISKS[asked.risk]


def sources_line(asked: ApprovalAsked) -> str:
    """A warning, where what was read may be behind the call; empty where nothing was."""
    if not asked.sources:
        return ""
    return for_terminal_line(
        f"Careful: this may come from what was read, not from you: {', '.join(asked.sources)}", 500
    )


def rule_line(rule: Rule) -> str:
    """A rule in one line: `allow shell argv=git status*`."""
    patterns = [f"{name}={pattern}" for name, pattern in rule.arguments.items()]
    only = ["and nothing else"] if rule.exactly else []
    return for_terminal_line(" ".join([rule.decision, rule.tool, *patterns, *only]), 300)
