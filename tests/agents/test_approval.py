"""Which calls run, are asked about, or are refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.approval import Rule, allowing, as_text, decide
from agents.tools import Risk, Tool, Traits


def tool(name: str = "write_file", risk: Risk = "writes") -> Tool:
    return Tool(name, "Does.", {"type": "object", "properties": {}}, (), lambda: "", dict, Traits(risk))


def decision(rules: list[Rule], arguments: dict[str, Any] | None = None, *, untrusted: tuple[str, ...] = ()) -> str:
    return decide(tool(), arguments or {}, rules, untrusted).decision


def test_without_a_rule_the_person_is_asked() -> None:
    verdict = decide(tool(), {}, [Rule("read_file", "allow")])
    assert (verdict.decision, verdict.reason) == ("ask", "write_file is not allowed without asking")


def test_the_strongest_of_the_rules_that_match_holds_in_any_order() -> None:
    allow, ask, deny = Rule("write_*", "allow"), Rule("write_file", "ask"), Rule("*", "deny")
    assert decision([allow]) == "allow"
    assert decision([allow, ask]) == decision([ask, allow]) == "ask"
    assert decision([allow, ask, deny]) == decision([deny, ask, allow]) == "deny"


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        ("notes/*", "notes/today.md", True),
        ("notes/*", "other/today.md", False),
        ("notes/*", "Notes/today.md", False),
        ("notes/*", "notes/../secret.md", False),
        ("notes/*", "notes\\..\\secret.md", False),
        ("git status*", ["git", "status", "-s"], True),
        ("git status*", ["git", "push"], False),
        ("git status*", "git status", True),
        ("ls ?", ["ls", "a b"], False),
        ("5", 5, True),
        ("true", True, True),
        ('{"a": 1}', {"a": 1}, True),
    ],
)
def test_arguments_match_as_text(pattern: str, value: Any, matches: bool) -> None:
    rules = [Rule("write_file", "allow", {"argument": pattern})]
    assert decision(rules, {"argument": value}) == ("allow" if matches else "ask")
    assert decision(rules, {"other": value}) == "ask"


def test_a_denied_path_is_denied_by_any_way_that_leads_there() -> None:
    rules = [Rule("*", "allow"), Rule("*", "deny", {"path": "*secret*"})]
    assert decision(rules, {"path": "notes/../secret.md"}) == "deny"


@pytest.mark.parametrize(
    ("risk", "expected"), [("reads", "allow"), ("writes", "ask"), ("executes", "ask"), ("network", "ask")]
)
def test_after_words_from_elsewhere_actions_are_asked_about_again(risk: Risk, expected: str) -> None:
    allowed = allowing(["do"])
    assert decide(tool("do", risk), {}, allowed).decision == "allow"
    verdict = decide(tool("do", risk), {}, allowed, ("page https://a.example", "notes.md"))
    assert verdict.decision == expected
    if expected == "ask":
        assert "page https://a.example, notes.md" in verdict.reason


def test_what_was_read_does_not_soften_a_denial() -> None:
    assert decision([Rule("*", "deny")], untrusted=("a.md",)) == "deny"


@given(st.lists(st.text()))
def test_a_list_of_words_is_one_command_line(words: list[str]) -> None:
    import shlex

    assert shlex.split(as_text(words)) == words
