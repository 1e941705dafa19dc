"""Holds a reply to a constraint, token by token: which tokens may come next, so that it ends as promised and in time.

What a grammar allows comes from llguidance, as a mask over the vocabulary. That the reply also ends within its token
budget is kept by an invariant: there always is a known way to an end that fits into the tokens left. A token is allowed
if it cannot make the way longer than that; where none is, the first token of the known way is the only one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from fireside.errors import ModelError
from fireside.models.constraints import Choice, Constraint, Gbnf, Held, JsonSchema, Lazy, Tagged
from fireside.models.grammars.closing import Closing
from fireside.models.grammars.gbnf import grammar_of_gbnf
from fireside.models.grammars.json_schema import grammar_of_schema
from fireside.models.grammars.lark import lark_of
from fireside.models.grammars.machine import Machine, State
from fireside.models.grammars.nodes import Lexeme, Literal, Marker, Node, Repeat, either, sequence
from fireside.models.vocabulary import Vocabulary

if TYPE_CHECKING:
    import numpy as np
    from llguidance import LLMatcher
    from numpy.typing import NDArray

__all__ = ["ConstraintState", "Vocabulary"]

_MOST_DEPTH = 32  # of JSON within JSON, where a schema is recursive: parsers and validators recurse, too
_FEW = 64  # tokens that are looked at one by one where there is little slack
_NARROW = 16  # tokens of slack that are little: the known way is looked up then
_LEAST_CODES = {2: 0x80, 3: 0x800, 4: 0x10000}  # of UTF-8 characters by their number of bytes


class ConstraintState:
    """A constraint and how much of it has been written. One for each reply."""

    def __init__(self, vocabulary: Vocabulary, constraint: Constraint, max_tokens: int) -> None:
        """max_tokens: within which the reply ends.

        Raises ToolError (a schema or a grammar that is not supported) and ModelError (one whose shortest text does not
        fit into `max_tokens`, or that is too large).
        """
        self._vocabulary = vocabulary
        self._limit = max_tokens
        self._lazy = isinstance(constraint, Lazy)
        self._triggers = [text.encode() for text in constraint.triggers] if isinstance(constraint, Lazy) else []
        if self._lazy and not all(self._triggers or [b""]):
            raise ModelError("the constraint has no trigger, or an empty one, to begin at", "name its triggers")
        self._grammar = Grammar.of(vocabulary, constraint.then if isinstance(constraint, Lazy) else constraint)
        self._text = b""  # while it is free
        self._lengths: list[int] = []  # of the text, before each of its tokens
        self._held: _Held | None = None
        if not self._lazy:
            self._held = _Held(vocabulary, self._grammar, max_tokens, b"")
            needed = len(self._held.way())
            if needed > max_tokens:
                raise ModelError(
                    f"the shortest reply under the constraint has {needed} tokens, and max_tokens is {max_tokens}",
                    f"raise max_tokens to {needed} or more",
                )

    @property
    def ended(self) -> bool:
        """Whether the reply is complete and nothing more can, or may, follow: it ends with "stop"."""
        return self._held is not None and self._held.ended

    @property
    def may_end(self) -> bool:
        """Whether the reply is complete as it is; the model may end its turn here, or write more."""
        return self._held is None or self._held.may_end

    def restrict(self, logits: NDArray[np.float32], remaining: int) -> None:
        """Set the logits of tokens that cannot come next to -inf, in place.

        logits: float32 (vocabulary or more), writable. remaining: tokens that may still be written, this one included.
        """
        if self._held is not None:
            self._held.restrict(logits, remaining)
            return
        for token in self._misleading(remaining):
            logits[token] = float("-inf")

    def allows(self, token: int) -> bool:
        """Whether the constraint, budget aside, lets `token` come next."""
        if self._held is not None:
            return self._held.allows(token)
        return token not in self._misleading(self._limit)

    def accept(self, token: int) -> None:
        """`token` was written. Raises ModelError where it could not come next."""
        if self._held is not None:
            self._held.accept(token)
            return
        self._lengths.append(len(self._text))
        piece = self._vocabulary.tokenizer.decode_bytes([token])
        text = self._text + piece
        longest = max(map(len, self._triggers))
        begin = max(len(self._text) - longest + 1, 0)
        found = [(at + len(each), at) for each in self._triggers if (at := text.find(each, begin)) >= 0]
        self._text = text
        if found:
            end = min(found, key=lambda place: place[1])[0]
            self._held = _Held(self._vocabulary, self._grammar, self._limit - len(self._lengths), text[end:])

    def rollback(self, count: int) -> None:
        """Take back the last `count` tokens."""
        if self._held is not None:
            held = min(count, self._held.length)
            self._held.rollback(held)
            count -= held
        if count:
            self._held = None
            self._text = self._text[: self._lengths[-count]]
            del self._lengths[-count:]

    def forced(self, limit: int) -> list[int]:
        """The next tokens, at most `limit`, that the constraint leaves no choice about; often none."""
        return self._held.forced(limit) if self._held is not None else []

    def _misleading(self, remaining: int) -> list[int]:
        """While the text is free: tokens that complete a trigger and go on as `then` cannot, or would end too late."""
        short = remaining - 1 < self._grammar.closing.least
        found = []
        for trigger in self._triggers:
            known = [pair for pair in self._vocabulary.completing(trigger, within=True) if pair[1] or short]
            for begun in range(1, len(trigger)):
                if self._text.endswith(trigger[:begun]):
                    known += self._vocabulary.completing(trigger[begun:], within=False)
            found += [token for token, rest in known if self._grammar.cost(rest) > remaining - 1]
        return found


@dataclass(eq=False)
class Grammar:
    """A constraint made ready for a vocabulary; used by many replies."""

    vocabulary: Vocabulary
    root: Node
    matcher: LLMatcher
    machine: Machine
    closing: Closing

    @classmethod
    def of(cls, vocabulary: Vocabulary, constraint: Held) -> Grammar:
        """The grammar of `constraint`, from the vocabulary's cache. Raises ToolError and ModelError."""
        return vocabulary.remembered(repr(constraint), lambda: cls._built(vocabulary, constraint))

    @classmethod
    def _built(cls, vocabulary: Vocabulary, constraint: Held) -> Grammar:
        from llguidance import LLMatcher

        root = _root(constraint, vocabulary)
        matcher = LLMatcher(vocabulary.tokenizer, LLMatcher.grammar_from_lark(lark_of(root)), log_level=0)
        if matcher.is_error():
            raise ModelError(f"the constraint is too large: {matcher.get_error()[:200]}", "use a simpler one")
        closing = Closing(root, vocabulary.fewest)
        if closing.least == float("inf"):
            raise ModelError("the model has no tokens for some text of the constraint", "use other characters")
        return cls(vocabulary, root, matcher, Machine(root), closing)

    @cached_property
    def _growths(self) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """The tokens by how much longer they can make the way to an end, at most, and by how much."""
        growths = self.vocabulary.weights(self.closing.growths())
        order = growths.argsort()
        return order, growths[order]

    @property
    def most_growth(self) -> float:
        """The most that any token can."""
        return float(self._growths[1][-1])

    def growing(self, slack: float) -> NDArray[np.intp]:
        """The tokens that may make the way to an end longer by more than `slack`."""
        order, growths = self._growths
        return order[growths.searchsorted(slack, side="right") :]

    def cost(self, text: bytes) -> float:
        """Tokens that are needed after `text`, at most; infinite where the grammar does not begin with it."""
        state, rest = _read(self.machine, self.machine.start, text)
        return self.cost_of(state, rest) if state else float("inf")

    def cost_of(self, state: State, begun: bytes) -> float:
        """Tokens that are needed from `state` on, where `begun` has been written of a further character."""
        if not begun:
            return self.closing.cost(state)
        found = self.completed(state, begun)
        return len(found[0]) + self.closing.cost(found[1]) if found else float("inf")

    def completed(self, state: State, begun: bytes) -> tuple[bytes, State] | None:
        """The rest of the character that `begun` begins, on the shortest way to an end, and the state behind it."""
        low, high = _possible(begun)
        found = self.closing.completed(self.machine, state, low, high)
        return (found[0].encode()[len(begun) :], found[1]) if found else None


class _Held:
    """A text that follows a grammar from its first token on."""

    def __init__(self, vocabulary: Vocabulary, grammar: Grammar, limit: int, begun: bytes) -> None:
        """begun: what has been written already, in the same token as a trigger. limit: tokens that may follow."""
        self._vocabulary, self._grammar, self._limit = vocabulary, grammar, limit
        self._matcher = grammar.matcher.deep_copy()
        self._tokens: list[int] = []
        self._closed = False  # by a token that ends the turn
        # What the machine has read, after each token: the state, and the bytes of a character that is begun.
        self._states: list[tuple[State, bytes]] = [_read(grammar.machine, grammar.machine.start, begun)]
        self._ways: dict[int, list[int]] = {}  # by the number of tokens written
        if begun and not self._matcher.consume_tokens(vocabulary.spell(begun)):
            raise ModelError("the reply went on from its trigger in a way that the constraint does not allow")

    @property
    def length(self) -> int:
        """Tokens written."""
        return len(self._tokens)

    @property
    def may_end(self) -> bool:
        return self._closed or self._matcher.is_accepting()

    @property
    def ended(self) -> bool:
        if self._closed:
            return True
        if self._matcher.is_stopped():
            self._refuse_error()
            return True
        return len(self._tokens) >= self._limit and self._matcher.is_accepting()

    def restrict(self, logits: NDArray[np.float32], remaining: int) -> None:
        bias = self._vocabulary.bias(self._matcher)
        self._refuse_error()
        slack = self._slack(remaining)
        if slack is not None:
            growing = self._grammar.growing(slack)
            doubtful = growing[bias[growing] == 0]
            bias[doubtful] = float("-inf")
            narrow = slack < _NARROW
            if narrow and len(doubtful) <= _FEW and slack > float("-inf"):
                bias[[token for token in doubtful.tolist() if self._fits(token, remaining)]] = 0
            if narrow or bias.max() < 0:
                bias[self.way()[:1] or list(self._vocabulary.ends)] = 0
        logits[: len(bias)] += bias[: len(logits)]
        logits[len(bias) :] = float("-inf")

    def allows(self, token: int) -> bool:
        if token in self._vocabulary.ends:
            return self.may_end
        return bool(self._matcher.validate_tokens([token]))

    def accept(self, token: int) -> None:
        place = len(self._tokens)
        if token in self._vocabulary.ends and self._matcher.is_accepting():
            self._closed = True
        elif not self._matcher.consume_token(token):
            piece = self._vocabulary.tokenizer.decode_bytes([token])
            raise ModelError(f"the constraint does not allow {piece!r} here", "ask again")
        self._tokens.append(token)
        way = self._ways.get(place)
        if way and way[0] == token:
            self._ways[place + 1] = way[1:]

    def rollback(self, count: int) -> None:
        if not count:
            return
        self._matcher.rollback(count - self._closed)
        self._closed = False
        del self._tokens[-count:]
        del self._states[len(self._tokens) + 1 :]
        self._ways = {place: way for place, way in self._ways.items() if place <= len(self._tokens)}

    def forced(self, limit: int) -> list[int]:
        return list(self._matcher.compute_ff_tokens()[:limit]) if not self._matcher.is_stopped() else []

    def way(self) -> list[int]:
        """A way to an end, as tokens: the shortest from here, or what is left of the one that has been taken."""
        place = len(self._tokens)
        if place in self._ways:
            return self._ways[place]
        state, begun = self._read()
        first = b""
        if begun and (found := self._grammar.completed(state, begun)):
            first, state = found
        text = first + "".join(self._grammar.closing.pieces(state)).encode()
        self._ways[place] = min(self._vocabulary.spell(text), self._vocabulary.spell_short(text), key=len)
        return self._ways[place]

    def _refuse_error(self) -> None:
        if self._matcher.is_error():
            raise ModelError(
                f"the constraint became too complex on the way: {self._matcher.get_error()[:200]}", "use a simpler one"
            )

    def _slack(self, remaining: int) -> float | None:
        """By how many tokens the next one may make the way to an end longer; None where it does not matter.

        -inf where only the way itself is left, since too many arrays and objects are open.
        """
        if remaining - 1 >= self._grammar.closing.worst:
            return None
        state, _ = self._read()  # of a character that is begun, each byte counts as a whole one: see `growths`
        if self._grammar.closing.depth(state) >= _MOST_DEPTH:
            return float("-inf")
        slack = remaining - 1 - self._grammar.closing.highest(state)
        return slack if slack < self._grammar.most_growth else None

    def _fits(self, token: int, remaining: int) -> bool:
        """Whether the way to an end fits into what is left after `token`."""
        state, begun = self._read()
        piece = self._vocabulary.tokenizer.decode_bytes([token])
        state, begun = _read(self._grammar.machine, state, begun + piece)
        return bool(state) and self._grammar.cost_of(state, begun) <= remaining - 1

    def _read(self) -> tuple[State, bytes]:
        """The machine's state after all tokens, and the bytes of a character that is begun."""
        while len(self._states) <= len(self._tokens):
            state, begun = self._states[-1]
            token = self._tokens[len(self._states) - 1]
            if self._closed and len(self._states) == len(self._tokens):
                piece = b""
            else:
                piece = self._vocabulary.tokenizer.decode_bytes([token])
            self._states.append(_read(self._grammar.machine, state, begun + piece))
        return self._states[-1]


def _root(constraint: Held, vocabulary: Vocabulary) -> Node:
    match constraint:
        case JsonSchema(schema):
            return grammar_of_schema(schema)
        case Gbnf(grammar):
            return grammar_of_gbnf(grammar)
        case Choice(texts):
            if not texts:
                raise ModelError("there is nothing to choose from: the constraint lists no texts", "list some texts")
            return Lexeme(either(texts))
        case Tagged(schema, opening, closing, most):
            value = sequence(grammar_of_schema(schema), "\n", _tag(closing, vocabulary))
            return sequence(value, Repeat(sequence("\n", _tag(opening, vocabulary), "\n", value), 0, most - 1))


def _tag(text: str, vocabulary: Vocabulary) -> Literal:
    token = vocabulary.special(text)
    return Literal(text) if token is None else Marker(text, token)


def _read(machine: Machine, state: State, data: bytes) -> tuple[State, bytes]:
    """The state after the whole characters of `data`, and the bytes behind them."""
    try:
        text, rest = data.decode(), b""
    except UnicodeDecodeError as error:
        if error.end < len(data) or error.reason != "unexpected end of data":
            return frozenset(), b""
        text, rest = data[: error.start].decode(), data[error.start :]
    return machine.read(state, text), rest


def _possible(begun: bytes) -> tuple[int, int]:
    """The first and the last character that begin with these bytes of UTF-8."""
    length = 4 if begun[0] >= 0xF0 else 3 if begun[0] >= 0xE0 else 2
    value = begun[0] & (0x7F >> length)
    for byte in begun[1:]:
        value = value << 6 | byte & 0x3F
    bits = 6 * (length - len(begun))
    low, high = value << bits, (value + 1 << bits) - 1
    return max(low, _LEAST_CODES[length]), min(high, 0x10FFFF)
