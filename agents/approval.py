"""Decides whether a tool call runs, is asked about, or is refused: rules, and what the context has come to hold."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from agents.tools import Tool

Decision = Literal["allow", "ask", "deny"]

_ACTING = ("writes", "executes", "network")


@dataclass(frozen=True)
class Rule:
    """What the person decided about calls of some tools.

    tool: a tool's name, or a pattern of names (`files.*`). arguments: patterns that the arguments of these names must
    match as text (`{"path": "notes/*"}`, `{"argv": "git status*"}`); a call that lacks one is another call. In a
    pattern * is any text, ? one character, [ab] one of these; in the host of an address, * ends with the host. exactly:
    the call has no other arguments than these.
    """

    tool: str
    decision: Decision
    arguments: Mapping[str, str] = field(default_factory=dict)
    exactly: bool = False


@dataclass(frozen=True)
class Verdict:
    """What happens to a call, and why, in words for the person."""

    decision: Decision
    reason: str


def decide(tool: Tool, arguments: Mapping[str, Any], rules: Sequence[Rule], untrusted: Sequence[str] = ()) -> Verdict:
    """Whether the call runs. Of the rules that match, a "deny" is strongest, then "ask", then "allow"; where none
    matches, the person is asked.

    An argument that can be spelt in several ways is seen as it was written, as the tool takes it (with its defaults),
    and in its one form (`Traits.canonical`): a "deny" or "ask" matches where one of them does, an "allow" where all do.

    untrusted: what came into the context from elsewhere (documents, pages, results of other programs), by name. After
    that, what writes, executes or uses the network is asked about even where it is allowed: the call may be theirs and
    not the person's.
    """
    spellings = _spellings(tool, arguments)
    matching = [rule for rule in rules if _matches(rule, tool.name, spellings, set(arguments))]
    found = {rule.decision: rule for rule in reversed(matching)}
    if "deny" in found:
        return Verdict("deny", f"a rule denies {_shown(found['deny'])}")
    if "ask" in found:
        return Verdict("ask", f"a rule asks about {_shown(found['ask'])} every time")
    if "allow" not in found:
        return Verdict("ask", f"{tool.name} is not allowed without asking")
    if untrusted and tool.traits.risk in _ACTING:
        return Verdict("ask", f"the request may come from what was read, and not from you: {', '.join(untrusted)}")
    return Verdict("allow", f"a rule allows {_shown(found['allow'])}")


def allowing(names: Sequence[str]) -> tuple[Rule, ...]:
    """The rules that allow every call of these tools."""
    return tuple(Rule(name, "allow") for name in names)


def as_text(value: Any) -> str:
    """An argument as a rule's pattern sees it: a list of words as a command line, other values as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return shlex.join(value)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _spellings(tool: Tool, arguments: Mapping[str, Any]) -> dict[str, set[str]]:
    """Each argument as text: as it was written, as the tool takes it, in its one form."""
    forms = [arguments]
    with contextlib.suppress(Exception):  # invalid arguments are refused elsewhere
        forms.append(tool.validate(arguments))
        if tool.traits.canonical is not None:
            forms.append(tool.traits.canonical(forms[-1]))
    spellings: dict[str, set[str]] = {}
    for form in forms:
        for name, value in form.items():
            spellings.setdefault(name, set()).add(as_text(value))
    return spellings


def _matches(rule: Rule, name: str, spellings: Mapping[str, set[str]], given: set[str]) -> bool:
    if not fnmatchcase(name, rule.tool) or (rule.exactly and given != set(rule.arguments)):
        return False
    for argument, pattern in rule.arguments.items():
        texts = spellings.get(argument, set())
        if rule.decision == "allow":
            # A path that climbs out of the folder a pattern names is not allowed by it, and is still denied by it.
            if not texts or any(_climbs(text) or not _fits(text, pattern) for text in texts):
                return False
        elif not any(_fits(text, pattern) for text in texts):
            return False
    return True


def _climbs(text: str) -> bool:
    return ".." in text.replace("\\", "/").split("/")


def _fits(text: str, pattern: str) -> bool:
    """Whether the pattern matches the whole text; of two addresses, scheme, host and the rest each for itself."""
    scheme, found, rest = text.partition("://")
    wanted, asked, pattern_rest = pattern.partition("://")
    if not (found and asked):
        return fnmatchcase(text, pattern)
    (host, slash, path), (host_pattern, _, path_pattern) = rest.partition("/"), pattern_rest.partition("/")
    return (
        fnmatchcase(scheme, wanted)
        and fnmatchcase(host, host_pattern)
        and (fnmatchcase(path, path_pattern) if slash or path_pattern not in ("", "*") else True)
    )


def _shown(rule: Rule) -> str:
    """The rule as the person would say it."""
    only = ["and nothing else"] if rule.exactly else []
    return " ".join([rule.tool, *(f"{name}={pattern}" for name, pattern in rule.arguments.items()), *only])
