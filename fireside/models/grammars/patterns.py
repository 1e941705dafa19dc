"""Regular expressions of JSON schemas (ECMA-262, the common part with Python's) as nodes, and as automata."""

from __future__ import annotations

import re
from itertools import pairwise

from fireside.errors import ToolError
from fireside.models.grammars.automata import (
    ANY,
    JSON_CHARACTERS,
    Automaton,
    Ranges,
    both,
    holds,
    ranges_of,
    without,
)
from fireside.models.grammars.machine import Machine, State, accepting, following
from fireside.models.grammars.nodes import (
    EMPTY,
    Chars,
    Impossible,
    Literal,
    Node,
    Repeat,
    either,
    sequence,
)

MOST_STATES = 1000
_MOST_REPEATS = 1000
_ASCII: Ranges = ((0, 127),)
# \d, \w and \s mean ASCII in ECMA-262 and Unicode in Python; what both agree on is written.
_CLASSES: dict[str, Ranges] = {
    "d": ((0x30, 0x39),),
    "w": ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)),
    "s": ((0x09, 0x0D), (0x20, 0x20)),
}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v"}
_LINE_ENDS: Ranges = ((0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029))
_QUANTIFIER = re.compile(r"\{(\d+)(,?)(\d*)\}")
_SHORT_CLASS = re.compile(r"\\[dwsDWS]")
_HEX = re.compile(r"[0-9A-Fa-f]{2}|[0-9A-Fa-f]{4}")
_ANYTHING = Repeat(Chars(ANY), 0, None)


def parsed(pattern: str) -> Node:
    """Nodes for the whole texts in which `pattern` is found. Raises ToolError naming what is not supported."""
    parser = _Parser(pattern)
    node = parser.alternatives(outermost=True)
    if parser.rest:
        raise parser.refused("an unmatched )")
    return node


def automaton_of(pattern: Node, alphabet: Ranges = JSON_CHARACTERS) -> Automaton:
    """The automaton of the texts of `alphabet` that `pattern`, which is not recursive, matches.

    Raises Impossible: there are none; ToolError: it is too big.
    """
    machine = Machine(pattern)
    states: list[State] = [machine.start]
    numbers = {machine.start: 0}
    steps: list[list[tuple[int, int, int]]] = []
    for state in states:  # grows on the way
        found = []
        for first, last in _atoms([following(stack) for stack in state], alphabet):
            after = machine.step(state, chr(first))
            if after not in numbers:
                numbers[after] = len(states)
                states.append(after)
            found.append((first, last, numbers[after]))
        steps.append(found)
        _limit(len(states))
    return _trimmed(steps, [accepting(state) for state in states])


def intersected(one: Automaton, other: Automaton) -> Automaton:
    """The automaton of the texts that both accept. Raises ToolError: there are none, or it is too big."""
    if one.free or other.free:
        return other if one.free else one
    pairs = [(0, 0)]
    numbers = {(0, 0): 0}
    steps: list[list[tuple[int, int, int]]] = []
    for a, b in pairs:  # grows on the way
        found = []
        for first, last, left in one.steps[a]:
            for begin, end, right in other.steps[b]:
                if max(first, begin) <= min(last, end):
                    if (left, right) not in numbers:
                        numbers[left, right] = len(pairs)
                        pairs.append((left, right))
                    found.append((max(first, begin), min(last, end), numbers[left, right]))
        steps.append(found)
        _limit(len(pairs))
    return _trimmed(steps, [bool(one.accepting >> a & other.accepting >> b & 1) for a, b in pairs])


def _limit(states: int) -> None:
    if states > MOST_STATES:
        raise ToolError(f"a pattern of the schema needs more than {MOST_STATES} states", "use a simpler pattern")


def _atoms(sets: list[Ranges], alphabet: Ranges) -> list[tuple[int, int]]:
    """The characters of `sets` that are in `alphabet`, in ranges whose characters are all in the same sets."""
    begins = sorted({place for ranges in sets for first, last in ranges for place in (first, last + 1)})
    every = both(ranges_of(pair for ranges in sets for pair in ranges), alphabet)
    atoms = []
    for first, last in every:
        cuts = [first, *(place for place in begins if first < place <= last), last + 1]
        atoms += [(begin, end - 1) for begin, end in pairwise(cuts)]
    return atoms


def _trimmed(steps: list[list[tuple[int, int, int]]], accepts: list[bool]) -> Automaton:
    """The automaton without the states that no ending can be reached from, and with touching ranges joined."""
    alive = {number for number, accept in enumerate(accepts) if accept}
    while True:
        more = {number for number, found in enumerate(steps) if any(step[2] in alive for step in found)}
        if more <= alive:
            break
        alive |= more
    if 0 not in alive:
        raise Impossible("a pattern of the schema matches no text that JSON can hold, so no value can match it")
    numbers = {old: new for new, old in enumerate(sorted(alive))}
    kept = []
    for old in sorted(alive):
        by_target: dict[int, list[tuple[int, int]]] = {}
        for first, last, target in steps[old]:
            if target in alive:
                by_target.setdefault(numbers[target], []).append((first, last))
        kept.append(tuple(sorted((*pair, to) for to, pairs in by_target.items() for pair in ranges_of(pairs))))
    return Automaton(tuple(kept), sum(1 << numbers[number] for number in alive if accepts[number]))


class _Parser:
    """Reads one pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self.rest = pattern

    def refused(self, what: str) -> ToolError:
        """The error for something that is not supported, or is no regular expression."""
        return ToolError(
            f"the pattern {self._pattern!r} holds {what}, which is not supported",
            "use a simpler pattern, or leave it out",
        )

    def alternatives(self, *, outermost: bool = False) -> Node:
        """Alternatives up to the end or a closing parenthesis. Anchors can be at the ends of the outermost ones."""
        options = []
        while True:
            anchored = outermost and self._take("^")
            parts = self._parts()
            closed = outermost and self._take("$")
            if outermost:
                parts = [*([] if anchored else [_ANYTHING]), *parts, *([] if closed else [_ANYTHING])]
            options.append(sequence(*parts) if parts else EMPTY)
            if not self._take("|"):
                return either(options)

    def _take(self, text: str) -> bool:
        if self.rest.startswith(text):
            self.rest = self.rest[len(text) :]
            return True
        return False

    def _next(self) -> str:
        if not self.rest:
            raise self.refused("something unfinished")
        character, self.rest = self.rest[0], self.rest[1:]
        return character

    def _parts(self) -> list[Node]:
        parts: list[Node] = []
        while self.rest and self.rest[0] not in "|)":
            if self.rest == "$" or self.rest.startswith("$|"):
                break
            parts.append(self._repeated(self._atom()))
        return parts

    def _atom(self) -> Node:
        character = self._next()
        if character == "(":
            if self._take("?") and not self._take(":"):
                raise self.refused(f"(?{self.rest[:1]}")
            inner = self.alternatives()
            if not self._take(")"):
                raise self.refused("an unmatched (")
            return inner
        if character == "[":
            return Chars(self._class())
        if character == ".":
            return Chars(without(ANY, _LINE_ENDS))
        if character == "\\":
            escaped = self._escape()
            if not both(escaped, JSON_CHARACTERS):
                raise self.refused("a character that JSON is not written with here")
            return Chars(escaped)
        if character in "^$":
            raise self.refused(f"{character} within it")
        if character in "*+?":
            raise self.refused(f"{character} without something to repeat")
        if character == "{" and _QUANTIFIER.match("{0" + self.rest):
            raise self.refused("{,}")  # a repetition in Python, three characters in ECMA-262
        if not holds(JSON_CHARACTERS, ord(character)):
            raise self.refused("a character that JSON is not written with here")
        return Literal(character)

    def _repeated(self, part: Node) -> Node:
        bounds = self._bounds()
        if bounds is None:
            return part
        self._take("?")  # lazy: the same texts
        if self.rest[:1] in ("*", "+", "?") or _QUANTIFIER.match(self.rest):
            raise self.refused("a repetition of a repetition")
        least, most = bounds
        if max(least, most or 0) > _MOST_REPEATS:
            raise self.refused(f"more than {_MOST_REPEATS} repetitions")
        if most is not None and most < least:
            raise self.refused("a repetition whose most is below its least")
        return Repeat(part, least, most)

    def _bounds(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._take(sign):
                return bounds
        found = _QUANTIFIER.match(self.rest)
        if found is None:
            return None
        self.rest = self.rest[found.end() :]
        least, comma, most = found.groups()
        return int(least), int(most) if most else None if comma else int(least)

    def _class(self) -> Ranges:
        inverted = self._take("^")
        if self.rest.startswith("]"):
            raise self.refused("an empty class")
        ranges: list[tuple[int, int]] = []
        ascii_only = False
        while not self._take("]"):
            ascii_only = ascii_only or _SHORT_CLASS.match(self.rest) is not None
            first = self._member()
            if self.rest.startswith("-") and not self.rest.startswith("-]"):
                self._take("-")
                last = self._member()
                if len(first) != 1 or len(last) != 1 or first[0][0] != first[0][1] or last[0][0] < first[0][0]:
                    raise self.refused("a class with a wrong range")
                ranges.append((first[0][0], last[0][1]))
            else:
                ranges += first
        found = ranges_of(ranges)
        if inverted:
            found = both(without(ANY, found), _ASCII) if ascii_only else without(ANY, found)
        if not both(found, JSON_CHARACTERS):
            raise self.refused("a class of characters that JSON is not written with here")
        return found

    def _member(self) -> Ranges:
        character = self._next()
        if character == "\\":
            if self._take("b"):
                return ((8, 8),)
            return self._escape()
        return ((ord(character), ord(character)),)

    def _escape(self) -> Ranges:
        character = self._next()
        if character in _CLASSES:
            return _CLASSES[character]
        if character.lower() in _CLASSES:
            return both(without(ANY, _CLASSES[character.lower()]), _ASCII)
        if character in "xu":
            digits = self.rest[: 2 if character == "x" else 4]
            self.rest = self.rest[len(digits) :]
            if not _HEX.fullmatch(digits):
                raise self.refused(f"\\{character} without its digits")
            character = chr(int(digits, 16))
        elif character in _CONTROLS:
            character = _CONTROLS[character]
        elif character.isalnum():
            raise self.refused(f"\\{character}")
        return ((ord(character), ord(character)),)
