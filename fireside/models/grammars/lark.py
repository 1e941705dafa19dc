"""Writes a grammar's nodes in the Lark dialect that llguidance reads (its docs/syntax.md and docs/parametric.md)."""

from __future__ import annotations

import json

from fireside.models.grammars.automata import ESCAPES, Ranges, both, holds, without
from fireside.models.grammars.nodes import (
    Chars,
    Distinct,
    Either,
    Lexeme,
    Literal,
    Marker,
    Node,
    Repeat,
    Rule,
    Sequence,
    Text,
    either,
)

# A character of a JSON string, as `automata.JSON_CHARACTERS` has them; llguidance knows the class and is quick with it.
_CHARACTER = r'([^"\\\x00-\x1F\x7F]|\\["\\bfnrt])'
_RAW: Ranges = ((0x20, 0x21), (0x23, 0x5B), (0x5D, 0x7E), (0x80, 0xD7FF), (0xE000, 0x10FFFF))


def lark_of(root: Node) -> str:
    """The grammar `root` in llguidance's Lark dialect."""
    return _Writer().whole(root)


class _Writer:
    def __init__(self) -> None:
        self._lines: list[str] = []
        self._names: dict[Rule | Distinct, str] = {}
        self._terminals: dict[str, str] = {}
        self._lexemes: dict[Node, str] = {}
        self._waiting: list[Rule | Distinct] = []

    def whole(self, root: Node) -> str:
        self._lines.append(f"start: {self._expression(root)}")
        while self._waiting:
            node = self._waiting.pop()
            name = self._names[node]
            if isinstance(node, Distinct):
                self._distinct(name, node)
            else:
                self._lines.append(f"{name}: {self._expression(node.body)}")
        return "\n".join([*self._lines, *(f"{name}: {text}" for text, name in self._terminals.items())]) + "\n"

    def _expression(self, node: Node) -> str:
        match node:
            case Marker(text, token):
                return f"({_quoted(text)} | <[{token}]>)"
            case Literal(text):
                return _quoted(text)
            case Sequence(parts):
                return " ".join(self._operand(part) for part in parts if not _is_empty(part)) or '""'
            case Either(options):
                return " | ".join(self._operand(option) for option in options)
            case Repeat(part, least, most):
                return f"{self._operand(part)}{_times(least, most)}"
            case Rule() | Distinct():
                name = self._names.get(node)
                if name is None:
                    name = self._names[node] = f"rule{len(self._names)}"
                    self._waiting.append(node)
                return name if isinstance(node, Rule) else f"{name}::0"
            case Chars() | Lexeme() | Text():
                if node not in self._lexemes:
                    self._lexemes[node] = self._terminal(_text(node) if isinstance(node, Text) else f"/{regex(node)}/")
                return self._lexemes[node]

    def _operand(self, node: Node) -> str:
        text = self._expression(node)
        return f"({text})" if isinstance(node, Sequence | Either | Repeat) else text

    def _terminal(self, text: str) -> str:
        return self._terminals.setdefault(text, f"T{len(self._terminals)}")

    def _distinct(self, name: str, node: Distinct) -> None:
        """Which values have been written is kept in the rule's parameter, a bit for each."""
        first = [f"{_quoted(value)} {name}x::set_bit({bit})" for bit, value in enumerate(node.values)]
        if node.least == 0:
            first.append('""')
        self._lines.append(f"{name}::_: " + "\n | ".join(first))
        further = [f'"" %if bit_count_ge(_, {node.least})']
        further += [
            f"{_quoted(f', {value}')} {name}x::set_bit({bit}) %if and(bit_clear({bit}), bit_count_lt(_, {node.most}))"
            for bit, value in enumerate(node.values)
        ]
        self._lines.append(f"{name}x::_: " + "\n | ".join(further))


def regex(node: Node) -> str:
    """A node without rules as a regular expression."""
    match node:
        case Literal(text):
            return "".join(_code(ord(character)) for character in text)
        case Chars(ranges):
            return _class(ranges)
        case Sequence(parts):
            return "".join(_group(part) if isinstance(part, Either) else regex(part) for part in parts)
        case Either(options):
            return "|".join(regex(option) for option in options)
        case Repeat(part, least, most):
            return f"{_group(part)}{_times(least, most)}"
        case Lexeme(part):
            return _group(part)
        case Rule():
            return _group(node.body)
        case _:
            raise AssertionError(node)


def _group(node: Node) -> str:
    return regex(node) if isinstance(node, Chars) else f"({regex(node)})"


def _text(node: Text) -> str:
    """The terminal of a JSON string."""
    times = _times(node.least, node.most)
    parts = [f'/"{_CHARACTER}{times}"/'] if not node.patterns or (node.least, node.most) != (0, None) else []
    parts += [f'/"({regex(_escaped(pattern))})"/' for pattern in node.patterns]
    return " & ".join(parts)


def _escaped(node: Node) -> Node:
    """`node`, of plain characters, as the characters stand in a JSON string."""
    match node:
        case Literal(text):
            return Literal("".join(ESCAPES.get(character, character) for character in text))
        case Chars(ranges):
            ways: list[Node] = [Chars(raw)] if (raw := both(ranges, _RAW)) else []
            ways += [Literal(escape) for plain, escape in ESCAPES.items() if holds(ranges, ord(plain))]
            return either(ways)
        case Sequence(parts):
            return Sequence(tuple(_escaped(part) for part in parts))
        case Either(options):
            return Either(tuple(_escaped(option) for option in options))
        case Repeat(part, least, most):
            return Repeat(_escaped(part), least, most)
        case _:
            raise AssertionError(node)


def _is_empty(node: Node) -> bool:
    return isinstance(node, Literal) and not node.text


def _times(least: int, most: int | None) -> str:
    match least, most:
        case 0, None:
            return "*"
        case 1, None:
            return "+"
        case 0, 1:
            return "?"
    return f"{{{least},{'' if most is None else most}}}"


def _quoted(text: str) -> str:
    """A Lark string, or a regular expression where a string cannot hold the text."""
    if text and not text.isprintable():
        return f"/{''.join(_code(ord(character)) for character in text)}/"
    return json.dumps(text, ensure_ascii=False)


def _class(ranges: Ranges) -> str:
    outside = without(((0, 0x10FFFF),), ranges)
    # Large sets are shorter, and quicker in llguidance, told by what is not in them.
    inverted = ranges[-1][1] == 0x10FFFF and len(outside) <= len(ranges)
    parts = [
        _code(first) if first == last else f"{_code(first)}-{_code(last)}"
        for first, last in (outside if inverted else ranges)
        if not (inverted and (first, last) == (0xD800, 0xDFFF))  # UTF-8 has no surrogates
    ]
    if inverted and not parts:
        return "(?s:.)"
    return f"[{'^' if inverted else ''}{''.join(parts)}]"


def _code(code: int) -> str:
    character = chr(code)
    return character if character.isascii() and character.isalnum() else f"\\x{{{code:X}}}"
