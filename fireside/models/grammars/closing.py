"""The shortest way from where a text is to where a grammar lets it end, and how much further one token can move it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache

from fireside.models.grammars.automata import ESCAPES, Ranges, both, plainest
from fireside.models.grammars.machine import Machine, Progress, Stack, State, choices, escapes
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
    children,
    nullable_nodes,
    walk,
)

_BEGUN = 3  # bytes that a character which is begun can still need
_MOST_PLACES = 20_000  # states times lengths of a string that are looked at one by one


class Closing:
    """What it costs to end the texts of a grammar, in tokens.

    Costs are upper bounds: the fewest tokens of a literal that is begun anywhere; for characters of strings and classes
    a token for each of their UTF-8 bytes.
    """

    def __init__(self, root: Node, fewest: Callable[[bytes], list[float]]) -> None:
        """fewest: how few tokens a text needs from each of its bytes on, and at its end."""
        self._fewest = fewest
        self._nodes = list(walk(root))
        self._empty = nullable_nodes(root)
        self._suffixes: dict[str, list[float]] = {}
        self._costs: dict[Node, float] = dict.fromkeys(self._nodes, math.inf)
        self._known: dict[Stack, float] = {None: 0}
        self._depths: dict[Stack, int] = {None: 0}
        changed = True
        while changed:
            changed = False
            for node in self._nodes:
                cost = self._cost(node)
                if cost < self._costs[node]:
                    self._costs[node] = cost
                    changed = True
        self.least = self._costs[root]
        self.worst = self._worst(root, {}, set())

    def cost(self, state: State) -> float:
        """Tokens that the shortest way from `state` to an end takes at most; infinite where there is none."""
        return min((self._stack_cost(stack) for stack in state), default=math.inf)

    def highest(self, state: State) -> float:
        """The same of the longest of the ways that are still open; the next characters decide which is taken.

        After a token, the shortest way is no longer than this and the growth of the token's bytes (`growths`) together:
        what begins with its first byte is counted here, what begins with a later one is counted there.
        """
        return max(map(self._stack_cost, state))

    def depth(self, state: State) -> int:
        """How many arrays and objects are open, at most."""
        return max(map(self._depth, state))

    def pieces(self, state: State) -> list[str]:
        """The shortest way from `state` to an end: texts to be spelled one by one. None where it can end here."""
        stack = min(state, key=self._stack_cost)
        pieces = []
        while stack is not None:
            node, progress, stack = stack
            pieces += self._shortest(node, progress)
        return [piece for piece in pieces if piece]

    def completed(self, machine: Machine, state: State, low: int, high: int) -> tuple[str, State] | None:
        """The character from `low` to `high` that leads to the shortest way to an end, and the state after it."""
        best: tuple[str, State] | None = None
        for stack in state:
            for ranges in choices(stack):
                if wanted := both(ranges, ((low, high),)):
                    character = plainest(wanted)
                    after = machine.step(frozenset((stack,)), character)
                    if after and (best is None or self.cost(after) < self.cost(best[1])):
                        best = character, after
        return best

    def growths(self) -> list[float]:
        """For each of the 256 bytes, how many tokens it can add to the cost of ending, at most."""
        growths = [0.0] * 128
        beyond = 0.0
        entries: dict[Node, list[tuple[Ranges, float]]] = {}
        for ranges, growth in self._growing(entries):
            if growth > 0:
                for first, last in ranges:
                    for code in range(first, min(last, 127) + 1):
                        growths[code] = max(growths[code], growth)
                    if last > 127:
                        beyond = max(beyond, growth)
        # A character that is begun may end as any other, up to three bytes later.
        return growths + [beyond + _BEGUN] * 128

    def _growing(self, entries: dict[Node, list[tuple[Ranges, float]]]) -> Iterable[tuple[Ranges, float]]:
        for node in self._nodes:
            base = self._costs[node]
            for ranges, after in self._entries(node, entries):
                yield ranges, after - base
            if isinstance(node, Repeat):
                # A round beyond the least was not counted.
                for ranges, after in self._entries(node.part, entries):
                    yield ranges, after
            elif isinstance(node, Distinct):
                yield ((0x2C, 0x2C),), max(self._literal(f", {value}") for value in node.values)
            elif isinstance(node, Text):
                growth = 0 if node.automaton.free else self._text_bounds(node)[1]
                yield ((0x20, 0x10FFFF),), growth
                yield ((0x5C, 0x5C),), growth + 4

    def _entries(self, node: Node, known: dict[Node, list[tuple[Ranges, float]]]) -> list[tuple[Ranges, float]]:
        """The ways `node` can begin: the first characters, and the cost of the rest of `node` after them."""
        if node in known:
            return known[node]
        found: list[tuple[Ranges, float]] = []
        match node:
            case Literal(text) if text:
                found = [(((ord(text[0]), ord(text[0])),), self._literal(text, 1))]
            case Chars(ranges):
                found = [(ranges, 0)]
            case Text():
                found = [(((0x22, 0x22),), self._text(node, (0, 0, 1)))]
            case Sequence(parts):
                for index, part in enumerate(parts):
                    rest = sum(self._costs[each] for each in parts[index + 1 :])
                    found += [(ranges, after + rest) for ranges, after in self._entries(part, known)]
                    if part not in self._empty:
                        break
            case Repeat(part, least):
                rest = self._costs[part] * max(least - 1, 0) if least > 1 else 0
                found = [(ranges, after + rest) for ranges, after in self._entries(part, known)]
            case Distinct(values, least):
                rest = self._distinct(node, 1)
                found = [(((ord(value[0]), ord(value[0])),), self._literal(value, 1) + rest) for value in values]
            case _:
                for each in children(node):
                    found += self._entries(each, known)
        known[node] = found
        return found

    def _stack_cost(self, stack: Stack) -> float:
        known = self._known.get(stack)
        if known is None:
            assert stack is not None
            node, progress, rest = stack
            known = self._known[stack] = self._rest(node, progress) + self._stack_cost(rest)
        return known

    def _depth(self, stack: Stack) -> int:
        known = self._depths.get(stack)
        if known is None:
            assert stack is not None
            node, _, rest = stack
            ends = isinstance(node, Literal) and node.text in ("]", "}")
            known = self._depths[stack] = ends + self._depth(rest)
        return known

    def _rest(self, node: Node, progress: Progress) -> float:
        """The cost of what is left of `node`."""
        if isinstance(progress, tuple):
            assert isinstance(node, Text)
            return self._text(node, progress)
        match node:
            case Literal(text):
                return self._literal(text, progress)
            case Repeat(part, least):
                return self._costs[part] * (least - progress) if progress < least else 0
            case Distinct():
                return self._distinct(node, progress.bit_count())
            case _:
                return self._costs[node]

    def _cost(self, node: Node) -> float:
        """The cost of `node` from those that are known of its parts."""
        match node:
            case Literal(text):
                return self._literal(text)
            case Chars(ranges):
                return len(plainest(ranges).encode())
            case Sequence(parts):
                return sum(self._costs[part] for part in parts)
            case Either(options):
                return min(self._costs[option] for option in options)
            case Repeat(part, least):
                return self._costs[part] * least if least else 0
            case Text():
                return self._text(node, (0, 0, 0))
            case Distinct():
                return self._distinct(node, 0)
            case Lexeme() | Rule():
                return self._costs[children(node)[0]]

    def _shortest(self, node: Node, progress: Progress) -> list[str]:
        """The shortest text of what is left of `node`, in pieces."""
        if isinstance(progress, tuple):
            assert isinstance(node, Text)
            return [_ending(node, progress)]
        match node:
            case Literal(text):
                return [text[progress:]]
            case Chars(ranges):
                return [plainest(ranges)]
            case Sequence(parts):
                return [piece for part in parts for piece in self._start(part)]
            case Either(options):
                return self._start(min(options, key=self._costs.__getitem__))
            case Repeat(part, least):
                return self._start(part) * (least - progress) if progress < least else []
            case Distinct(values, least):
                left = [value for number, value in enumerate(values) if not progress >> number & 1]
                left = sorted(left, key=self._literal)[: max(least - progress.bit_count(), 0)]
                return [value if not progress and not index else f", {value}" for index, value in enumerate(left)]
            case _:
                return self._start(children(node)[0])

    def _start(self, node: Node) -> list[str]:
        return self._shortest(node, (0, 0, 0) if isinstance(node, Text) else 0)

    def _literal(self, text: str, begin: int = 0) -> float:
        """The cost of `text` from `begin` on, or from any place behind that: it never grows while it is written."""
        costs = self._suffixes.get(text)
        if costs is None:
            fewest = self._fewest(text.encode())
            place, highest, costs = len(fewest) - 1, 0.0, [0.0]
            for character in reversed(text):
                size = len(character.encode())
                highest = max(highest, *fewest[place - size : place])
                place -= size
                costs.append(highest)
            costs.reverse()
            self._suffixes[text] = costs
        return costs[begin]

    def _text(self, node: Text, progress: tuple[int, int, int]) -> float:
        _, count, mode = progress
        if node.automaton.free and mode != 2:
            return max(node.least - count, 0) + (2 if mode == 0 else 1)
        return _ending_cost(node, progress)

    def _distinct(self, node: Distinct, written: int) -> float:
        """Which values are left is not looked at: the longest ones are."""
        left = max(node.least - written, 0)
        costs = sorted((self._literal(f", {value}") for value in node.values), reverse=True)
        return sum(costs[:left])

    def _worst(self, node: Node, known: dict[Node, float], path: set[Node]) -> float:
        """The cost of ending `node` from wherever in it that is highest; infinite where it is recursive."""
        if node in known:
            return known[node]
        if node in path:
            return math.inf
        path.add(node)
        worst: float
        match node:
            case Sequence(parts):
                worst, rest = 0, 0.0
                for part in reversed(parts):
                    worst = max(worst, self._worst(part, known, path) + rest)
                    rest += self._costs[part]
            case Repeat(part, least):
                worst = self._worst(part, known, path) + self._costs[part] * max(least - 1, 0)
            case Text():
                worst = self._text_bounds(node)[0]
            case Distinct(values):
                worst = self._distinct(node, 0) + max(self._literal(f", {value}") for value in values)
            case Either() | Lexeme() | Rule():
                worst = max(self._worst(each, known, path) for each in children(node))
            case Chars(ranges):
                worst = self._costs[node] + (_BEGUN if ranges[-1][1] > 127 else 0)
            case _:
                worst = self._costs[node]
        path.discard(node)
        known[node] = worst
        return worst

    def _text_bounds(self, node: Text) -> tuple[float, float]:
        """The highest cost of ending the string from anywhere in it; and the most that one character can add."""
        if node.automaton.free:
            return node.least + 2 + _BEGUN, 0
        seen = {(0, 0)}
        todo = [(0, 0)]
        worst = growth = 0
        while todo:
            state, count = todo.pop()
            cost = _ending_cost(node, (state, count, 1))
            worst = max(worst, cost)
            for each in _after(node, state, count):
                growth = max(growth, _ending_cost(node, (*each, 1)) - cost)
                if each not in seen:
                    seen.add(each)
                    todo.append(each)
            if len(seen) > _MOST_PLACES:
                # No ending passes a state twice once it is long enough; a character is four bytes at most.
                bound = 4 * (node.least + len(node.automaton.steps))
                return bound, bound
        return worst + 1 + _BEGUN, growth


def _after(node: Text, state: int, count: int) -> set[tuple[int, int]]:
    """The states and lengths that one more character of the string can lead to."""
    if node.most is not None and count >= node.most:
        return set()
    after = count + 1 if node.most is not None else min(count + 1, node.least)
    left = None if node.most is None else node.most - after
    return {
        (step[2], after)
        for step in node.automaton.steps[state]
        if node.automaton.distance(step[2], max(node.least - after, 0), left) is not None
    }


def _ending_cost(node: Text, progress: tuple[int, int, int]) -> int:
    """The bytes of the shortest ending of the string, or a few more."""
    state, count, mode = progress
    if mode == 2:
        return len(_ending(node, progress).encode())
    left = None if node.most is None else node.most - count
    distance = node.automaton.distance(state, max(node.least - count, 0), left)
    assert distance is not None  # no state of the machine is without an ending
    return distance * node.automaton.width + (2 if mode == 0 else 1)


@lru_cache(maxsize=4096)
def _ending(node: Text, progress: tuple[int, int, int]) -> str:
    """The shortest text that ends the string."""
    state, count, mode = progress
    if mode == 2:
        endings = []
        for escape in escapes(node, state, count):
            plain = next(character for character, written in ESCAPES.items() if written == escape)
            following_state = node.automaton.next(state, ord(plain)) or 0
            endings.append(escape[1] + _ending(node, (following_state, count + 1, 1)))
        return min(endings, key=len)
    least, most = max(node.least - count, 0), None if node.most is None else node.most - count
    text = node.automaton.ending(state, least, most)
    assert text is not None  # no state of the machine is without one
    return ('"' if mode == 0 else "") + "".join(ESCAPES.get(character, character) for character in text) + '"'
