"""Reads grammars in GBNF, llama.cpp's notation (its grammars/README.md): all of it but references to single tokens."""

from __future__ import annotations

import re

from fireside.errors import ModelError
from fireside.models.grammars.automata import ANY, Ranges, both, ranges_of, without
from fireside.models.grammars.lexemes import with_lexemes
from fireside.models.grammars.nodes import (
    EMPTY,
    Chars,
    Literal,
    Node,
    Repeat,
    Rule,
    either,
    refuse_left_recursion,
    sequence,
    without_dead,
)

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"(?:[ \t]|#[^\r\n]*)*")
_SPACE_AND_LINES = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*)*")
_REPEAT = re.compile(r"\{[ \t]*(\d+)[ \t]*(?:(,)[ \t]*(\d*)[ \t]*)?\}")
_ESCAPE = re.compile(r'\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([trn"\\\[\]\-/]))')
_CONTROLS = {"t": "\t", "r": "\r", "n": "\n"}
_MOST_REPEATS = 10_000
_MOST_NESTED = 100
_LONGEST = 500_000  # characters


def grammar_of_gbnf(text: str) -> Node:
    """The texts that the rule `root` of a grammar matches.

    Raises ModelError: not GBNF, a rule that is missing, or one that begins with itself (llama.cpp refuses that, too).
    """
    if len(text) > _LONGEST:
        raise ModelError(f"the grammar has {len(text)} characters; {_LONGEST} are supported", "use a smaller grammar")
    rules = _Reader(text).rules()
    if "root" not in rules:
        raise ModelError("the grammar has no rule named root", "call the rule for the whole text root")
    refuse_left_recursion(rules["root"])
    root = without_dead(rules["root"])
    if root is None:
        raise ModelError("the grammar's root never comes to an end", "give its recursion a way out")
    return with_lexemes(root)


class _Reader:
    """Reads one grammar from front to back."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._rules: dict[str, Rule] = {}
        self._defined: set[str] = set()
        self._nested = 0

    def rules(self) -> dict[str, Rule]:
        """All rules by their names."""
        self._skip(_SPACE_AND_LINES)
        while self._place < len(self._text):
            name = self._name()
            self._skip(_SPACE)
            if not self._take("::="):
                raise self._wrong("there should be ::=")
            self._skip(_SPACE_AND_LINES)
            self._rule(name).body = self._alternatives()
            self._defined.add(name)
            if self._place < len(self._text) and self._text[self._place] not in "\r\n":
                raise self._wrong("this does not belong here")
            self._skip(_SPACE_AND_LINES)
        for name in self._rules:
            if name not in self._defined:
                raise ModelError(f"the grammar uses the rule {name!r}, which it does not define", "define it with ::=")
        return self._rules

    def _rule(self, name: str) -> Rule:
        return self._rules.setdefault(name, Rule(name))

    def _alternatives(self) -> Node:
        options = [self._sequence()]
        while self._take("|"):
            self._skip(_SPACE_AND_LINES)
            options.append(self._sequence())
        return either(options)

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while (character := self._text[self._place : self._place + 1]) and character not in "|)\r\n":
            if character == '"':
                part: Node = self._literal()
            elif character == "[":
                part = Chars(self._class())
            elif character == ".":
                self._place += 1
                part = Chars(ANY)
            elif character == "(":
                part = self._group()
            elif character in "<!":
                raise self._wrong("single tokens (<...>) are not supported")
            else:
                part = self._rule(self._name())
            self._skip_inside()
            parts.append(self._repeated(part))
            self._skip_inside()
        return sequence(*parts) if parts else EMPTY

    def _group(self) -> Node:
        self._place += 1
        self._nested += 1
        if self._nested > _MOST_NESTED:
            raise self._wrong("parentheses are nested too deeply")
        self._skip(_SPACE_AND_LINES)
        inner = self._alternatives()
        if not self._take(")"):
            raise self._wrong("there should be )")
        self._nested -= 1
        return inner

    def _repeated(self, part: Node) -> Node:
        for sign, least, most in (("*", 0, None), ("+", 1, None), ("?", 0, 1)):
            if self._take(sign):
                return Repeat(part, least, most)
        found = _REPEAT.match(self._text, self._place)
        if found is None:
            if self._text.startswith("{", self._place):
                raise self._wrong("this is no repetition")
            return part
        least = int(found[1])
        most = int(found[3]) if found[3] else None if found[2] else least
        if max(least, most or 0) > _MOST_REPEATS or (most is not None and most < least):
            raise self._wrong(f"a repetition goes from the least to the most, up to {_MOST_REPEATS}")
        self._place = found.end()
        return EMPTY if most == 0 else Repeat(part, least, most)

    def _literal(self) -> Literal:
        self._place += 1
        characters = []
        while not self._take('"'):
            characters.append(self._character())
        return Literal("".join(characters))

    def _class(self) -> Ranges:
        begin = self._place
        self._place += 1
        inverted = self._take("^")
        pairs = []
        while not self._take("]"):
            first = last = ord(self._character())
            if self._text.startswith("-", self._place) and not self._text.startswith("-]", self._place):
                self._place += 1
                last = ord(self._character())
            pairs.append((first, last))
        ranges = both(without(ANY, ranges_of(pairs)) if inverted else ranges_of(pairs), ANY)
        if not ranges or any(last < first for first, last in pairs):
            self._place = begin
            raise self._wrong("this class holds no character")
        return ranges

    def _character(self) -> str:
        """The next character of a literal or a class."""
        if self._text.startswith("\\", self._place):
            found = _ESCAPE.match(self._text, self._place)
            if found is None:
                raise self._wrong("this escape is not supported")
            self._place = found.end()
            digits = found[1] or found[2] or found[3]
            if digits is None:
                return _CONTROLS.get(found[4], found[4])
            code = int(digits, 16)
            if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
                raise self._wrong("this escape is no character")
            return chr(code)
        if self._place >= len(self._text):
            raise self._wrong("the grammar ends within a text or a class")
        self._place += 1
        return self._text[self._place - 1]

    def _name(self) -> str:
        found = _NAME.match(self._text, self._place)
        if found is None:
            raise self._wrong("there should be a name")
        self._place = found.end()
        return found[0]

    def _take(self, text: str) -> bool:
        if self._text.startswith(text, self._place):
            self._place += len(text)
            return True
        return False

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self._text, self._place)
        self._place = found.end() if found else self._place

    def _skip_inside(self) -> None:
        """Spaces; within parentheses lines, too."""
        self._skip(_SPACE_AND_LINES if self._nested else _SPACE)

    def _wrong(self, what: str) -> ModelError:
        line = self._text.count("\n", 0, self._place) + 1
        near = self._text[self._place : self._place + 20].split("\n")[0]
        return ModelError(
            f"the grammar cannot be read: line {line}, at {near!r}: {what}", "see llama.cpp's GBNF notation"
        )
