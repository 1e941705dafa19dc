from __future__ import annotations

import json
import random
import re
from collections.abc import Callable

import pytest

from fireside.errors import ToolError
from fireside.models.grammars.formats import FORMATS
from fireside.models.grammars.nodes import Node, Text
from fireside.models.grammars.patterns import automaton_of, intersected, parsed

RandomText = Callable[[Node, random.Random], str]
Accepts = Callable[[Node, str], bool]

PATTERNS = [
    "^[a-z]{3,5}$",
    "abc",
    "^a|b$",
    "^(foo|ba[rz])+\\d*$",
    "^\\S+@\\S+\\.\\w{2,}$",
    "^[^\\s/]{1,10}$",
    "a{2}(b|c)*d",
    "^$",
    "^\\$[0-9]+\\.\\d{2}$",
    "[A-Z][0-9]",
    '^"\\\\"$',
    "é|ü",
    "^(?:ab?c)*?$",
    "^[\\w.-]+$",
    "^\\x41\\u00e9[\\t\\n]$",
    "^[^\\W]+$",
    "^\\D\\S\\W$",
    "x{0}y",
    "^[a\\-z\\]]+$",
    "^a.c$",
]


@pytest.mark.parametrize("pattern", [*PATTERNS, *FORMATS.values()])
def test_texts_match_their_pattern(pattern: str, random_text: RandomText, accepts: Accepts) -> None:
    node = parsed(pattern)
    text = Text(automaton_of(node), 0, 40, (node,))
    chance = random.Random(pattern)
    for _ in range(15):
        written = random_text(text, chance)
        assert re.search(pattern, json.loads(written)), written
        assert accepts(text, written)
        changed = list(json.loads(written)) or [" "]
        changed[chance.randrange(len(changed))] = chance.choice("a0-é \n")
        if accepts(text, json.dumps("".join(changed), ensure_ascii=False)):
            assert re.search(pattern, "".join(changed))


def test_an_ending_is_the_shortest_of_the_lengths_asked_for() -> None:
    automaton = automaton_of(parsed("^(aaa)+$|^b{10}$"))
    assert automaton.ending(0, 0, None) == "aaa"
    assert automaton.ending(0, 4, None) == "aaaaaa"
    assert automaton.ending(0, 10, 11) == "b" * 10
    assert automaton.ending(0, 11, 11) is None
    assert automaton.ending(0, 13, None) == "a" * 15


def test_two_patterns_at_once() -> None:
    both = intersected(automaton_of(parsed("^[a-m]+$")), automaton_of(parsed("^[k-z]{2}")))
    assert both.ending(0, 0, None) == "kk"
    with pytest.raises(ToolError, match="matches no text"):
        intersected(automaton_of(parsed("^a")), automaton_of(parsed("^b")))


@pytest.mark.parametrize(
    "pattern",
    [
        "a(?=b)",
        "(?<!a)b",
        "(a",
        "a)",
        "\\bfoo",
        "(^a)",
        "a$b",
        "a**",
        "[",
        "[]",
        "x{3,1}",
        "\\1",
        "a{,3}",
        "[z-a]",
        "(?P<n>a)",
        "a++",
        "\\p{L}",
        "*",
        "\\",
        "\\x1",
        "a{2000}",
        "[\\d-z]",
        "\x01",
        "\\x01",
        "[\\x00-\\x07]",
        "\\ud800",
    ],
)
def test_what_is_not_supported_is_named(pattern: str) -> None:
    with pytest.raises(ToolError, match=r"^the pattern .* holds "):
        parsed(pattern)


def test_a_pattern_that_is_too_large_is_refused() -> None:
    with pytest.raises(ToolError, match="more than 1000 states"):
        automaton_of(parsed("^(a|b)*a(a|b){12}$"))


def test_dates_are_those_of_the_calendar() -> None:
    date = re.compile(FORMATS["date"])
    assert [
        day
        for day in (
            "2024-02-29",
            "2023-02-29",
            "1900-02-29",
            "2000-02-29",
            "2024-04-31",
            "0000-01-01",
            "2024-13-01",
            "2024-12-31",
            "0001-01-01",
        )
        if date.search(day)
    ] == ["2024-02-29", "2000-02-29", "2024-12-31", "0001-01-01"]
