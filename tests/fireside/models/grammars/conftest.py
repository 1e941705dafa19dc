"""Texts of a grammar, chosen at random; and a vocabulary of single bytes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from fireside.models.grammars.automata import ranges_of
from fireside.models.grammars.lark import lark_of
from fireside.models.grammars.machine import Machine, accepting, following
from fireside.models.grammars.nodes import Node


@pytest.fixture
def random_text() -> Callable[[Node, random.Random], str]:
    return _random_text


def _random_text(root: Node, chance: random.Random) -> str:
    """A text that the machine reads to an end. Grammars that may not come to one are not for this."""
    machine = Machine(root)
    state, text = machine.start, ""
    while not accepting(state) or (len(state) > 1 and chance.random() < 0.8):
        first, last = chance.choice(ranges_of(pair for stack in state for pair in following(stack)))
        character = chr(chance.randint(first, min(last, first + 150)))
        after = machine.step(state, character)
        if after:
            state, text = after, text + character
    return text


@pytest.fixture
def accepts() -> Callable[[Node, str], bool]:
    """Whether a text is one of a grammar; the machine and llguidance must be of one mind."""
    return _accepts


def _accepts(root: Node, text: str) -> bool:
    machine = Machine(root)
    state = machine.read(machine.start, text)
    whole = bool(state) and accepting(state)
    assert _llguidance_accepts(root, text) == whole, text
    return whole


def _llguidance_accepts(root: Node, text: str) -> bool:
    import llguidance

    tokenizer: Any = llguidance.LLTokenizer("byte")
    matcher = llguidance.LLMatcher(tokenizer, llguidance.LLMatcher.grammar_from_lark(lark_of(root)))
    assert not matcher.get_error()
    tokens = tokenizer.tokenize_str(text)
    return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()
