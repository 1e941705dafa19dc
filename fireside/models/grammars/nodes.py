"""A grammar as nodes: what a constrained reply can consist of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from fireside.errors import ModelError, ToolError
from fireside.models.grammars.automata import Automaton, Ranges


class Impossible(ToolError):
    """No value, or no text, can match."""


@dataclass(frozen=True, eq=False)
class Literal:
    """Exactly `text`."""

    text: str


@dataclass(frozen=True, eq=False)
class Marker(Literal):
    """Exactly `text`, as the token of its own that the model has for it, or spelt out."""

    token: int


@dataclass(frozen=True, eq=False)
class Chars:
    """One character of `ranges`."""

    ranges: Ranges


@dataclass(frozen=True, eq=False)
class Sequence:
    """All of `parts`, one after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Either:
    """One of `options`."""

    options: tuple[Node, ...]


@dataclass(frozen=True, eq=False)
class Repeat:
    """`part`, from `least` to `most` times; `most` is None where there is no end."""

    part: Node
    least: int
    most: int | None


@dataclass(frozen=True, eq=False)
class Text:
    """A JSON string, quotes included, of `least` to `most` characters that all of `patterns` match.

    automaton: the characters that `patterns` allow. patterns: each as nodes of plain characters, for the lexer.
    """

    automaton: Automaton
    least: int
    most: int | None
    patterns: tuple[Node, ...] = ()


@dataclass(frozen=True, eq=False)
class Distinct:
    """`least` to `most` of `values`, no value twice, in any order, with ", " between them. At most 64 values."""

    values: tuple[str, ...]
    least: int
    most: int


@dataclass(frozen=True, eq=False)
class Lexeme:
    """`part`, read as one piece by the lexer: no rules below it, and what follows cannot be taken for more of it."""

    part: Node


@dataclass(eq=False)
class Rule:
    """A node with a name, which can be reached from itself. `body` is set once all of it is known."""

    name: str
    body: Node = field(default_factory=lambda: Literal(""), repr=False)


Node: TypeAlias = Literal | Chars | Sequence | Either | Repeat | Text | Distinct | Lexeme | Rule

EMPTY = Literal("")


def sequence(*parts: Node | str) -> Node:
    """`parts` one after the other; a plain string is meant literally."""
    nodes = tuple(Literal(part) if isinstance(part, str) else part for part in parts)
    return nodes[0] if len(nodes) == 1 else Sequence(nodes)


def either(options: Iterable[Node | str]) -> Node:
    """One of `options`, of which there is at least one."""
    nodes = tuple(Literal(option) if isinstance(option, str) else option for option in options)
    return nodes[0] if len(nodes) == 1 else Either(nodes)


def optional(part: Node) -> Node:
    """`part`, or nothing."""
    return Repeat(part, 0, 1)


def children(node: Node) -> tuple[Node, ...]:
    """The nodes that `node` is made of."""
    match node:
        case Sequence(parts):
            return parts
        case Either(options):
            return options
        case Repeat(part) | Lexeme(part):
            return (part,)
        case Rule():
            return (node.body,)
        case _:
            return ()


def walk(root: Node) -> Iterator[Node]:
    """`root` and all below it, each once; a node comes after the nodes it is made of, but for recursion."""
    seen: set[Node] = {root}
    stack = [(root, iter(children(root)))]
    while stack:
        node, below = stack[-1]
        following = next((each for each in below if each not in seen), None)
        if following is None:
            stack.pop()
            yield node
        else:
            seen.add(following)
            stack.append((following, iter(children(following))))


def nullable_nodes(root: Node) -> set[Node]:
    """The nodes below `root` that can be empty."""
    nodes = list(walk(root))
    empty: set[Node] = set()
    while True:
        before = len(empty)
        for node in nodes:
            match node:
                case Literal(text):
                    can = not text
                case Sequence(parts):
                    can = all(part in empty for part in parts)
                case Either(options):
                    can = any(option in empty for option in options)
                case Repeat(part, least):
                    can = least == 0 or part in empty
                case Distinct(_, least):
                    can = least == 0
                case Lexeme() | Rule():
                    can = children(node)[0] in empty
                case _:
                    can = False
            if can:
                empty.add(node)
        if len(empty) == before:
            return empty


def without_dead(root: Node) -> Node | None:
    """The grammar without what never comes to an end; None where all of it is so."""
    nodes = list(walk(root))
    alive: set[Node] = set()
    while True:
        before = len(alive)
        for node in nodes:
            match node:
                case Either(options):
                    lives = any(option in alive for option in options)
                case Repeat(part, least):
                    lives = least == 0 or part in alive
                case _:
                    lives = all(each in alive for each in children(node))
            if lives:
                alive.add(node)
        if len(alive) == before:
            break
    if len(alive) == len(nodes) or root not in alive:
        return root if root in alive else None
    kept: dict[Node, Node] = {node: Rule(node.name) for node in alive if isinstance(node, Rule)}
    for node in nodes:  # from the bottom up
        if node in alive and not isinstance(node, Rule):
            match node:
                case Either(options):
                    kept[node] = either([kept[option] for option in options if option in alive])
                case Repeat(part, least, most):
                    kept[node] = Repeat(kept[part], least, most) if part in alive else EMPTY
                case Sequence(parts):
                    kept[node] = Sequence(tuple(kept[part] for part in parts))
                case Lexeme(part):
                    kept[node] = Lexeme(kept[part])
                case _:
                    kept[node] = node
    for node in alive:
        rule = kept[node]
        if isinstance(node, Rule) and isinstance(rule, Rule):
            rule.body = kept[node.body]
    return kept[root]


def refuse_left_recursion(root: Node) -> None:
    """Raises ModelError where a rule can begin with itself: it would never come to a character."""
    empty = nullable_nodes(root)
    done: set[Node] = set()
    path: set[Node] = set()
    stack: list[tuple[Node, Iterator[Node]]] = [(root, _first(root, empty))]
    path.add(root)
    while stack:
        node, below = stack[-1]
        following = next((each for each in below if each not in done), None)
        if following is None:
            stack.pop()
            path.discard(node)
            done.add(node)
        elif following in path:
            rule = next(
                (each for each in [following, *reversed([n for n, _ in stack])] if isinstance(each, Rule)), None
            )
            raise ModelError(
                f"the grammar's rule {rule.name if rule else 'root'!r} begins with itself",
                "write the repetition with * or +, or put the recursion last",
            )
        else:
            path.add(following)
            stack.append((following, _first(following, empty)))


def _first(node: Node, empty: set[Node]) -> Iterator[Node]:
    """The nodes that a text of `node` can begin with."""
    if isinstance(node, Sequence):
        for part in node.parts:
            yield part
            if part not in empty:
                return
    else:
        yield from children(node)
