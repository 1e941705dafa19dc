"""`fireside tools rules`: what was decided about tools for good, in a folder: look, allow, deny, forget."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fireside.errors import FiresideError
from tui.commands.actions import add_action
from tui.console import emit, say

if TYPE_CHECKING:
    from agents.approval import Decision
    from agents.remembered import Remembered


def add_rules(actions: Any) -> None:
    """Add the action `rules` with its own actions to `fireside tools`."""
    parser = actions.add_parser("rules", help="what is allowed or denied for good", description=__doc__)
    inner = parser.add_subparsers(dest="rule_action", required=True, metavar="ACTION")
    add_action(inner, "list", _list, "every rule that is kept, by folder")
    for decision, what in (
        ("allow", "let calls of a tool run without asking"),
        ("deny", "never run calls of a tool"),
    ):
        add = add_action(inner, decision, _decide, what)
        add.add_argument("tool", metavar="TOOL", help="a tool's name, or a pattern: files.*")
        add.add_argument(
            "arguments",
            nargs="*",
            metavar="NAME=PATTERN",
            help="only calls whose argument NAME matches: argv='git status*'",
        )
        add.add_argument("--folder", type=Path, metavar="FOLDER", help="where it holds; without it, without a folder")
        add.set_defaults(decision=decision)
    forget = add_action(inner, "forget", _forget, "drop a rule")
    forget.add_argument("number", type=int, metavar="NUMBER", help="as the list has it")


def _list(options: argparse.Namespace) -> int:
    from agents.remembered import everything

    kept = everything()
    if options.json:
        emit([_document(each) for each in kept])
        return 0
    for each in kept:
        say(_line(each))
    return 0


def _decide(options: argparse.Namespace) -> int:
    from agents.approval import Rule
    from agents.remembered import everything, remember

    decision: Decision = options.decision
    patterns: dict[str, str] = {}
    for written in options.arguments:
        name, equals, pattern = written.partition("=")
        if not (name and equals):
            raise FiresideError(f"{written!r} is no pattern for an argument", "write NAME=PATTERN: path='notes/*'")
        patterns[name] = pattern
    if options.folder is not None and not options.folder.is_dir():
        raise FiresideError(f"{options.folder} is not a folder", "name the folder that is shared with the tools")
    rule = Rule(options.tool, decision, patterns)
    remember(rule, options.folder)
    kept = next(
        each for each in reversed(everything()) if (each.rule.tool, each.rule.arguments) == (rule.tool, patterns)
    )
    if options.json:
        emit(_document(kept))
    else:
        say(_line(kept))
    return 0


def _forget(options: argparse.Namespace) -> int:
    from agents.remembered import forget

    if not forget(options.number):
        raise FiresideError(f"there is no rule {options.number}", "fireside tools rules list shows them")
    if options.json:
        emit({"forgotten": options.number})
    else:
        say(f"rule {options.number} is dropped")
    return 0


def _line(kept: Remembered) -> str:
    from tui.approving import rule_line

    return f"{kept.id:>4}  {rule_line(kept.rule)}\n      in {kept.folder or 'chats without a folder'}"


def _document(kept: Remembered) -> dict[str, Any]:
    return {
        "number": kept.id,
        "folder": kept.folder or None,
        "tool": kept.rule.tool,
        "arguments": dict(kept.rule.arguments),
        "exactly": kept.rule.exactly,
        "decision": kept.rule.decision,
        "decided": kept.decided,
    }
