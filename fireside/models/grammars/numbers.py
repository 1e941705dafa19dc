"""Numbers within bounds, and multiples, as nodes over their decimal digits."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

from fireside.errors import ToolError
from fireside.models.grammars.nodes import (
    EMPTY,
    Chars,
    Impossible,
    Lexeme,
    Literal,
    Node,
    Repeat,
    Rule,
    either,
    optional,
    sequence,
)

_MOST_DIGITS = 15  # significant digits that every double holds exactly (IEEE 754, binary64)
_DECIMALS = 6  # behind the point, where a number has bounds
_MOST_LISTED = 1000  # multiples that are written out one by one
_LARGEST_REMAINDERS = 64  # multiples of more are written out, those nearest to 0
_DIGIT = Chars(((0x30, 0x39),))
_FIRST_DIGIT = Chars(((0x31, 0x39),))


@dataclass(frozen=True)
class Bounds:
    """Where a number lies. None where there is no bound; `above`, `below`: the bound itself is not meant."""

    low: Fraction | None = None
    high: Fraction | None = None
    above: bool = False
    below: bool = False

    def within(self, other: Bounds) -> Bounds:
        """The numbers that lie in both."""
        low, above = self.low, self.above
        if other.low is not None and (low is None or (other.low, other.above) > (low, above)):
            low, above = other.low, other.above
        high, below = self.high, self.below
        if other.high is not None and (high is None or (other.high, not other.below) < (high, not below)):
            high, below = other.high, other.below
        return Bounds(low, high, above, below)

    def whole(self, step: Fraction) -> tuple[int | None, int | None]:
        """The first and the last of the whole numbers that, times `step`, lie within."""
        low = None if self.low is None else ceil(self.low / step)
        if low is not None and self.above and low * step == self.low:
            low += 1
        high = None if self.high is None else floor(self.high / step)
        if high is not None and self.below and high * step == self.high:
            high -= 1
        return low, high

    @property
    def empty(self) -> bool:
        """Whether no number lies within."""
        if self.low is None or self.high is None:
            return False
        return self.low > self.high or (self.low == self.high and (self.above or self.below))


def integers(bounds: Bounds) -> Node:
    """The integers within `bounds`: of 15 digits at most, unless a bound has more. Raises ToolError: there are none."""
    low, high = bounds.whole(Fraction(1))
    if low is None and high is None:
        return Lexeme(either(["0", sequence(optional(Literal("-")), _positive())]))
    low, high = _ends(low, high, 10**_MOST_DIGITS)
    options: list[Node] = []
    if high >= 0:
        options += _whole(max(low, 0), high)
    if low < 0:
        options.append(sequence("-", either(_whole(max(1, -high), -low))))
    return Lexeme(either(options))


def decimals(bounds: Bounds) -> Node:
    """The numbers within `bounds`. Raises ToolError: there are none that can be written with 15 digits."""
    if bounds.low is None and bounds.high is None:
        return Lexeme(sequence(optional(Literal("-")), _unsigned()))
    if bounds.low == 0 and not bounds.above and bounds.high is None:
        return Lexeme(_unsigned())
    if bounds.low is not None and bounds.low == bounds.high and not bounds.empty:
        return Literal(_shortest(bounds.low))
    options: list[Node] = []
    most = _DECIMALS
    for places in range(_MOST_DIGITS):
        low, high = bounds.whole(Fraction(1, 10**places))
        if low is None or high is None:
            low, high = _ends(low, high, 10**_MOST_DIGITS, strict=False)
        if places > most:
            break
        if not options:
            most = max(most, places + 2)  # the bounds are so close that fewer places leave nothing between them
        if low <= high:
            if high >= 0:
                options += _pointed(max(low, 0), high, places)
            if low < 0:
                options += [sequence("-", part) for part in _pointed(max(1, -high), -low, places)]
    if not options:
        raise Impossible("no number of 15 digits lies between the schema's bounds, so no value can match it")
    return Lexeme(either(options))


def multiples(step: Fraction, bounds: Bounds, *, whole: bool) -> Node:
    """The multiples of `step` within `bounds`; whole: only integers.

    A step with a fraction must be exact in binary (0.5, 0.25), or the bounds leave few multiples. Raises ToolError.
    """
    if whole:
        step = Fraction(step.numerator)  # of a fraction in lowest terms, the least multiple that is whole
    if step == 1:
        return integers(bounds)
    first, last = bounds.whole(step)
    if first is not None and last is not None and last - first < _MOST_LISTED:
        texts = [_shortest(number * step) for number in range(first, last + 1) if _divides(number * step, step)]
        if not texts:
            raise Impossible("no multiple of the schema's multipleOf lies within its bounds, so no value can match it")
        return Lexeme(either(texts))
    if step.denominator & (step.denominator - 1):
        raise ToolError(
            f"the schema's multipleOf {float(step):g} is not exact in binary, so programs differ about its multiples",
            "count in a smaller unit, such as cents, or give bounds with fewer than 1000 multiples between them",
        )
    places = step.denominator.bit_length() - 1
    scaled = int(step * 10**places)
    zeros = 0
    while scaled % 10 == 0:
        scaled, zeros = scaled // 10, zeros + 1
    if scaled > _LARGEST_REMAINDERS or places > 3:
        low, high = _ends(first, last, _MOST_LISTED // 2)
        low, high = max(low, min(-_MOST_LISTED // 2, high - _MOST_LISTED)), high
        near = sorted(range(low, high + 1), key=abs)[:_MOST_LISTED]
        return Lexeme(either([_shortest(number * step) for number in near]))
    low, high = _ends(first, last, 10**9)
    return _Multiples(scaled, zeros, places).between(int(low * step * 10**places), int(high * step * 10**places))


class _Multiples:
    """Digits whose value is a multiple of a step with a few remainders: rules that remember the remainder.

    step: of the digits that are not always 0. zeros: how many 0 come at the end. places: digits behind the point.
    """

    def __init__(self, step: int, zeros: int, places: int) -> None:
        self._step, self._zeros, self._places = step, zeros, places
        self._rules: dict[tuple[str, str, int, bool, bool], Node | None] = {}

    def between(self, low: int, high: int) -> Node:
        """The multiples from `low` to `high`."""
        options: list[Node] = []
        if low <= 0 <= high:
            options.append(Literal("0"))
        if high > 0:
            options += self._lengths(max(low, 1), high)
        if low < 0:
            options += [sequence("-", part) for part in self._lengths(max(1, -high), -low)]
        return either(options)

    def _lengths(self, low: int, high: int) -> list[Node]:
        return [part for a, b in _same_length(low, high, self._places) if (part := self._rule(a, b, 0, True, True))]

    def _rule(self, low: str, high: str, remainder: int, at_low: bool, at_high: bool) -> Node | None:
        """Digits as long as `low` and `high`; at_low, at_high: whether the digits so far are those of the bound."""
        if low.startswith("."):
            part = self._rule(low[1:], high[1:], remainder, at_low, at_high)
            return sequence(".", part) if part else None
        digits = len(low) - low.count(".")
        if not digits:
            return EMPTY if remainder == 0 else None
        if not at_low:
            low = "".join("." if each == "." else "0" for each in low)
        if not at_high:
            high = "".join("." if each == "." else "9" for each in high)
        key = (low, high, remainder, at_low, at_high)
        if key in self._rules:
            return self._rules[key]
        by_rule: dict[Node, list[tuple[int, int]]] = {}
        for digit in range(int(low[0]) if at_low else 0, (int(high[0]) if at_high else 9) + 1):
            # The last zeros are 0 and leave the remainder as it is.
            if digits <= self._zeros:
                after = remainder if digit == 0 else -1
            else:
                after = (remainder * 10 + digit) % self._step
            rest = None
            if after >= 0:
                left, right = at_low and digit == int(low[0]), at_high and digit == int(high[0])
                rest = self._rule(low[1:], high[1:], after, left, right)
            if rest is not None:
                by_rule.setdefault(rest, []).append((0x30 + digit, 0x30 + digit))
        if not by_rule:
            self._rules[key] = None
            return None
        rule = Rule("multiple", either([sequence(Chars(tuple(codes)), rest) for rest, codes in by_rule.items()]))
        self._rules[key] = rule
        return rule


def _ends(low: int | None, high: int | None, reach: int, *, strict: bool = True) -> tuple[int, int]:
    """`low` and `high`, with an end `reach` from 0, or from the other end, where one is open."""
    if low is None:
        low = -(reach - 1) if high is None else min(-(reach - 1), high - reach)
    if high is None:
        high = max(reach - 1, low + reach)
    if strict and low > high:
        raise Impossible("the schema's bounds leave no number between them, so no value can match it")
    return low, high


def _positive() -> Node:
    return sequence(_FIRST_DIGIT, Repeat(_DIGIT, 0, _MOST_DIGITS - 1))


def _unsigned() -> Node:
    fraction = sequence(".", Repeat(_DIGIT, 1, _MOST_DIGITS))
    exponent = sequence(Chars(((0x45, 0x45), (0x65, 0x65))), optional(Chars(((0x2B, 0x2B), (0x2D, 0x2D)))))
    return sequence(either(["0", _positive()]), optional(fraction), optional(sequence(exponent, Repeat(_DIGIT, 1, 2))))


def _whole(low: int, high: int) -> list[Node]:
    return [_between(a, b) for a, b in _same_length(low, high, 0)]


def _pointed(low: int, high: int, places: int) -> list[Node]:
    """The numbers low / 10**places to high / 10**places with exactly that many digits behind the point."""
    if places:
        high = min(high, 10**_MOST_DIGITS - 1)
    return [_between(a, b) for a, b in _same_length(low, high, places)] if low <= high else []


def _same_length(low: int, high: int, places: int) -> list[tuple[str, str]]:
    """The range from `low` to `high` in ranges of numbers with equally many digits, the point set."""
    parts = []
    for length in range(max(len(str(low)), places + 1), max(len(str(high)), places + 1) + 1):
        first = max(low, 10 ** (length - 1) if length > places + 1 else 0)
        last = min(high, 10**length - 1)
        if first <= last:
            a, b = str(first).zfill(length), str(last).zfill(length)
            if places:
                a, b = f"{a[:-places]}.{a[-places:]}", f"{b[:-places]}.{b[-places:]}"
            parts.append((a, b))
    return parts


def _between(low: str, high: str) -> Node:
    """The digits from `low` to `high`, which are equally long."""
    if low == high:
        return Literal(low)
    if low[0] == high[0]:
        return sequence(low[0], _between(low[1:], high[1:]))
    first, last = int(low[0]), int(high[0])
    if not low[1:].strip("0.") and not high[1:].strip("9."):
        return sequence(_digits(first, last), _any(low[1:]))
    options = [sequence(low[0], _at_least(low[1:])), sequence(high[0], _at_most(high[1:]))]
    if first + 1 < last:
        options.append(sequence(_digits(first + 1, last - 1), _any(low[1:])))
    return either(options)


def _at_least(low: str) -> Node:
    if not low.strip("0."):
        return _any(low)
    if low[0] == ".":
        return sequence(".", _at_least(low[1:]))
    same = sequence(low[0], _at_least(low[1:]))
    return same if low[0] == "9" else either([same, sequence(_digits(int(low[0]) + 1, 9), _any(low[1:]))])


def _at_most(high: str) -> Node:
    if not high.strip("9."):
        return _any(high)
    if high[0] == ".":
        return sequence(".", _at_most(high[1:]))
    same = sequence(high[0], _at_most(high[1:]))
    return same if high[0] == "0" else either([same, sequence(_digits(0, int(high[0]) - 1), _any(high[1:]))])


def _any(like: str) -> Node:
    """Any digits where `like` has digits."""
    whole, point, fraction = like.partition(".")
    parts: list[Node | str] = [Repeat(_DIGIT, len(whole), len(whole))] if whole else []
    if point:
        parts += [".", Repeat(_DIGIT, len(fraction), len(fraction))]
    return sequence(*parts) if parts else EMPTY


def _digits(first: int, last: int) -> Node:
    return Chars(((0x30 + first, 0x30 + last),))


def _shortest(number: Fraction) -> str:
    """`number` as JSON."""
    if number.denominator == 1:
        return str(number.numerator)
    text = format(Decimal(number.numerator) / Decimal(number.denominator), "f")
    return text if Fraction(text) == number else repr(float(number))


def _divides(number: Fraction, step: Fraction) -> bool:
    """Whether doubles, too, say that `number` is a multiple of `step`."""
    if step.denominator == 1:
        return True
    quotient = (number.numerator if number.denominator == 1 else float(number)) / float(step)
    return quotient == int(quotient)
