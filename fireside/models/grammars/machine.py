"""Reads a text by a grammar, character by character, and knows all that may still follow.

It is a nondeterministic pushdown automaton: a state is the set of stacks of nodes still to come, as in llama.cpp's
grammars. The token masks come from llguidance, which is faster by far; this one answers what llguidance cannot: how
the text comes to its end in the shortest way.
"""

from __future__ import annotations

from typing import TypeAlias

from fireside.models.grammars.automata import ESCAPES, UNESCAPES, Ranges, holds, ranges_of, without
from fireside.models.grammars.nodes import (
    Chars,
    Distinct,
    Either,
    Lexeme,
    Literal,
    Node,
    Repeat,
    Rule,
    Sequence,
    Text,
)

# How far the topmost node has come: characters of a Literal, rounds of a Repeat, the values (as bits) of a Distinct,
# for a Text (state, characters, 0 before the quote, 1 in the string, 2 after a backslash); else 0.
Progress: TypeAlias = "int | tuple[int, int, int]"
Stack: TypeAlias = "tuple[Node, Progress, Stack] | None"
State: TypeAlias = frozenset["Stack"]

_START = (0, 0, 0)
_QUOTE: Ranges = ((0x22, 0x22),)
_BACKSLASH: Ranges = ((0x5C, 0x5C),)


class Machine:
    """Reads texts of the grammar `root`, which has no left recursion."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self._opened: dict[Stack, State] = {}

    @property
    def start(self) -> State:
        """The state before the first character."""
        return self._open((self._root, progress_of(self._root), None))

    def step(self, state: State, character: str) -> State:
        """The state after `character`; empty where it cannot follow."""
        code = ord(character)
        if len(state) == 1:
            (stack,) = state
            after = _consume(stack, character, code) if stack is not None else ()
            return self._open(after[0]) if len(after) == 1 else self._merged(after)
        return self._merged([one for stack in state if stack is not None for one in _consume(stack, character, code)])

    def read(self, state: State, text: str) -> State:
        """The state after all of `text`; empty where it cannot follow."""
        for character in text:
            state = self.step(state, character)
            if not state:
                break
        return state

    def _merged(self, stacks: list[Stack] | tuple[Stack, ...]) -> State:
        return frozenset().union(*(self._open(stack) for stack in stacks)) if stacks else frozenset()

    def _open(self, stack: Stack) -> State:
        """The stacks with a character on top that `stack` stands for; None among them where it can be empty."""
        if stack is None:
            return frozenset((None,))
        if isinstance(stack[0], Text) and stack[1] != _START:
            return frozenset((stack,))
        known = self._opened.get(stack)
        if known is None:
            ready: set[Stack] = set()
            seen: set[Stack] = set()
            todo: list[Stack] = [stack]
            while todo:
                each = todo.pop()
                if each is None:
                    ready.add(None)
                elif each not in seen:
                    seen.add(each)
                    opened = _opened(each)
                    if opened is None:
                        ready.add(each)
                    else:
                        todo.extend(opened)
            known = self._opened[stack] = frozenset(ready)
        return known


def progress_of(node: Node) -> Progress:
    """The progress of a node that nothing of has been read."""
    return _START if isinstance(node, Text) else 0


def accepting(state: State) -> bool:
    """Whether the text can end here."""
    return None in state


def following(stack: Stack) -> Ranges:
    """The characters that can come next by a stack of a state."""
    return ranges_of(pair for ranges in choices(stack) for pair in ranges)


def choices(stack: Stack) -> list[Ranges]:
    """The same in groups; all of a group lead to the same state."""
    if stack is None:
        return []
    node, progress, _ = stack
    match node:
        case Literal(text):
            assert isinstance(progress, int)
            code = ord(text[progress])
            return [((code, code),)]
        case Chars(ranges):
            return [ranges]
        case Text():
            assert isinstance(progress, tuple)
            return _choices_in_text(node, *progress)
        case _:
            raise AssertionError(node)


def _choices_in_text(node: Text, state: int, count: int, mode: int) -> list[Ranges]:
    if mode == 0:
        return [_QUOTE]
    if mode == 2:
        return [((ord(escape[1]), ord(escape[1])),) for escape in escapes(node, state, count)]
    found = [_QUOTE] if count >= node.least and node.automaton.accepting >> state & 1 else []
    if escapes(node, state, count):
        found.append(_BACKSLASH)
    for first, last, _ in node.automaton.steps[state]:
        if taken(node, state, count, first) is not None:
            found.append(without(((max(first, 0x20), last),), (*_QUOTE, *_BACKSLASH)) if last >= 0x20 else ())
    return [ranges for ranges in found if ranges]


def _opened(stack: tuple[Node, Progress, Stack]) -> list[Stack] | None:
    """The stacks that stand for `stack` one level deeper; None where its top is a character."""
    node, progress, rest = stack
    match node:
        case Literal(text):
            return None if progress != len(text) else [rest]
        case Chars():
            return None
        case Text():
            return None
        case Sequence(parts):
            for part in reversed(parts):
                rest = (part, progress_of(part), rest)
            return [rest]
        case Either(options):
            return [(option, progress_of(option), rest) for option in options]
        case Lexeme(part):
            return [(part, progress_of(part), rest)]
        case Rule():
            return [(node.body, progress_of(node.body), rest)]
        case Repeat(part, least, most):
            assert isinstance(progress, int)
            opened: list[Stack] = [rest] if progress >= least else []
            if most is None or progress < most:
                # Without an end, rounds beyond the least are all the same.
                after = progress + 1 if most is not None else min(progress + 1, least)
                opened.append((part, progress_of(part), (node, after, rest)))
            return opened
        case Distinct(values, least, most):
            assert isinstance(progress, int)
            written = progress.bit_count()
            opened = [rest] if written >= least else []
            if written < most:
                for number, value in enumerate(values):
                    if not progress >> number & 1:
                        each = Literal(f", {value}" if progress else value)
                        opened.append((each, 0, (node, progress | 1 << number, rest)))
            return opened


def _consume(stack: tuple[Node, Progress, Stack], character: str, code: int) -> tuple[Stack, ...]:
    """The stacks after `character`, none where the top of `stack` is another one."""
    node, progress, rest = stack
    match node:
        case Literal(text):
            assert isinstance(progress, int)
            if text[progress] != character:
                return ()
            return ((node, progress + 1, rest),) if progress + 1 < len(text) else (rest,)
        case Chars(ranges):
            return (rest,) if holds(ranges, code) else ()
        case Text():
            assert isinstance(progress, tuple)
            return _consume_text(node, progress, rest, character, code)
        case _:
            raise AssertionError(node)


def _consume_text(
    node: Text, progress: tuple[int, int, int], rest: Stack, character: str, code: int
) -> tuple[Stack, ...]:
    state, count, mode = progress
    if mode == 0:
        return ((node, (0, 0, 1), rest),) if character == '"' else ()
    if mode == 1:
        if character == '"':
            return (rest,) if count >= node.least and node.automaton.accepting >> state & 1 else ()
        if character == "\\":
            return ((node, (state, count, 2), rest),) if escapes(node, state, count) else ()
        if code < 0x20:
            return ()
    else:
        if character not in UNESCAPES:
            return ()
        code = ord(UNESCAPES[character])
    after = taken(node, state, count, code)
    return ((node, (*after, 1), rest),) if after is not None else ()


def taken(node: Text, state: int, count: int, code: int) -> tuple[int, int] | None:
    """State and length of the string after one more character; None where it cannot be, or leads to no ending."""
    if node.most is not None and count >= node.most:
        return None
    following_state = node.automaton.next(state, code)
    if following_state is None:
        return None
    # Without a most, lengths beyond the least are all the same.
    count = count + 1 if node.most is not None else min(count + 1, node.least)
    if node.automaton.free:
        return following_state, count
    left = None if node.most is None else node.most - count
    if node.automaton.distance(following_state, max(node.least - count, 0), left) is None:
        return None
    return following_state, count


def escapes(node: Text, state: int, count: int) -> list[str]:
    """The escapes that can come next within the string."""
    return [escape for plain, escape in ESCAPES.items() if taken(node, state, count, ord(plain)) is not None]
