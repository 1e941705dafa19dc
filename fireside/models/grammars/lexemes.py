"""Cuts a grammar into the pieces that llguidance's lexer reads, so that the lexer's greed never changes the grammar.

The lexer takes the longest text that any piece matches, and never goes back. That is right as long as no piece, where
it ends and another may follow, could be taken for the beginning of a longer one. Where that cannot be shown, every
character becomes a piece of its own, which is slower (some 2 ms a token) and always right.
"""

from __future__ import annotations

from fireside.errors import FiresideError
from fireside.models.grammars.automata import ANY, Automaton, Ranges, both, ranges_of
from fireside.models.grammars.nodes import (
    Chars,
    Either,
    Lexeme,
    Literal,
    Node,
    Repeat,
    Rule,
    Sequence,
    children,
    nullable_nodes,
    walk,
)
from fireside.models.grammars.patterns import automaton_of

_LARGEST = 5000  # nodes of a piece
_MOST_PIECES = 60


def with_lexemes(root: Node) -> Node:
    """The grammar `root`, of characters, literals and rules, with its pieces marked as lexemes."""
    sizes = _sizes(root)
    if root in sizes:
        return Lexeme(root)
    cut = _Cut(sizes).whole(root)
    return cut if _exact(cut) else _Cut({}).whole(root)


def _sizes(root: Node) -> dict[Node, int]:
    """The nodes that are not recursive, and how large they are once written out."""
    sizes: dict[Node, int] = {}
    changed = True
    while changed:
        changed = False
        for node in walk(root):
            if node not in sizes and all(each in sizes for each in children(node)):
                size = 1 + sum(sizes[each] for each in children(node))
                size += len(node.text) if isinstance(node, Literal) else 0
                if size <= _LARGEST:
                    sizes[node] = size
                    changed = True
    return sizes


class _Cut:
    """Builds a grammar anew, with the nodes in `sizes` as pieces; without any, with every character as one."""

    def __init__(self, sizes: dict[Node, int]) -> None:
        self._sizes = sizes
        self._rules: dict[Rule, Rule] = {}
        self._waiting: list[Rule] = []

    def whole(self, root: Node) -> Node:
        built = self._node(root)
        while self._waiting:
            rule = self._waiting.pop()
            self._rules[rule].body = self._node(rule.body)
        return built

    def _node(self, node: Node) -> Node:
        if node in self._sizes:
            return Lexeme(node)
        match node:
            case Rule(name):
                if node not in self._rules:
                    self._rules[node] = Rule(name)
                    self._waiting.append(node)
                return self._rules[node]
            case Sequence(parts):
                return Sequence(tuple(map(self._node, parts)))
            case Either(options):
                return Either(tuple(map(self._node, options)))
            case Repeat(part, least, most):
                return Repeat(self._node(part), least, most)
            case Literal(text) if len(text) > 1:
                return Sequence(tuple(map(Literal, text)))
            case _:
                return node


def _exact(root: Node) -> bool:
    """Whether no piece can be taken for the beginning of a longer one where it ends."""
    pieces = [node for node in walk(root) if isinstance(node, Lexeme)]
    if len(pieces) > _MOST_PIECES:
        return False
    try:
        automata = {piece: automaton_of(piece, ANY) for piece in pieces}
    except FiresideError:
        return False
    follow = _follow(root, {piece: _first(automata[piece]) for piece in pieces})
    return not any(
        _goes_on(automata[one], automata[other], follow[one]) for one in pieces if follow[one] for other in pieces
    )


def _first(automaton: Automaton) -> Ranges:
    return ranges_of((first, last) for first, last, _ in automaton.steps[0])


def _follow(root: Node, first: dict[Node, Ranges]) -> dict[Node, Ranges]:
    """For each piece, the characters that can come right after it (the FOLLOW sets of parsing)."""
    nodes = list(walk(root))
    empty = nullable_nodes(root)
    begins: dict[Node, Ranges] = {node: first.get(node, ()) for node in nodes}
    after: dict[Node, Ranges] = dict.fromkeys(nodes, ())
    inside = {below for piece in first for below in walk(piece)} - first.keys()

    def widen(sets: dict[Node, Ranges], node: Node, more: Ranges) -> bool:
        joined = ranges_of((*sets[node], *more))
        grown = joined != sets[node]
        sets[node] = joined
        return grown

    changed = True
    while changed:
        changed = False
        for node in nodes:
            if node in inside or node in first:
                continue
            parts = children(node)
            if isinstance(node, Literal | Chars):
                own = ((ord(node.text[0]), ord(node.text[0])),) if isinstance(node, Literal) else node.ranges
                changed |= bool(own) and widen(begins, node, own)
                continue
            if isinstance(node, Sequence):
                behind = after[node]
                for part in reversed(parts):
                    changed |= widen(after, part, behind)
                    behind = ranges_of((*begins[part], *behind)) if part in empty else begins[part]
                seen: list[tuple[int, int]] = []
                for part in parts:
                    seen += begins[part]
                    if part not in empty:
                        break
                changed |= widen(begins, node, tuple(seen))
                continue
            for part in parts:
                again = begins[part] if isinstance(node, Repeat) and node.most != 1 else ()
                changed |= widen(after, part, (*after[node], *again))
                changed |= widen(begins, node, begins[part])
    return after


def _goes_on(one: Automaton, other: Automaton, follow: Ranges) -> bool:
    """Whether a text of `one` with a character of `follow` behind it can be the beginning of a text of `other`."""
    seen = {(0, 0)}
    todo = [(0, 0)]
    while todo:
        left, right = todo.pop()
        if one.accepting >> left & 1 and (left, right) != (0, 0):
            ahead = ranges_of((first, last) for first, last, _ in other.steps[right])
            if both(ahead, follow):
                return True
        for first, last, left_after in one.steps[left]:
            for begin, end, right_after in other.steps[right]:
                if max(first, begin) <= min(last, end) and (left_after, right_after) not in seen:
                    seen.add((left_after, right_after))
                    todo.append((left_after, right_after))
    return False
