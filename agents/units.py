"""Arithmetic with units, exact: quantities are fractions of base units, and what does not fit together is an error.

The base units are metre, kilogram, second, bit and kelvin. Factors are exact by definition: the international yard and
pound of 1959 (0.9144 m, 0.45359237 kg), the US liquid gallon (231 cubic inches), the nautical mile (1852 m), the day of
86,400 s and the Julian year (365.25 days); SI prefixes for data are powers of 1000, IEC ones of 1024 (IEC 80000-13).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from agents.calculator import written
from fireside.errors import ToolError, did_you_mean

Dimension = tuple[int, int, int, int, int]
"""The powers of length, mass, time, data and temperature."""

_BASE = ("m", "kg", "s", "bit", "K")
_NONE: Dimension = (0, 0, 0, 0, 0)
_LONGEST_EXPRESSION = 400
_DEEPEST = 30
_LARGEST_POWER = 12
_LARGEST_BITS = 8000


@dataclass(frozen=True)
class Quantity:
    """A number of base units. value: in base units. dimension: what it measures."""

    value: Fraction
    dimension: Dimension = _NONE


def _table() -> dict[str, Quantity]:
    table: dict[str, Quantity] = {}

    def add(names: str, value: Fraction | int | str, **powers: int) -> None:
        dimension = tuple(powers.get(name, 0) for name in ("length", "mass", "time", "data", "temperature"))
        for name in names.split():
            table[name] = Quantity(Fraction(value), dimension)  # type: ignore[arg-type] # five of them

    foot, pound, gallon = Fraction(3048, 10000), Fraction(45359237, 10**8), Fraction(231) * Fraction(254, 10000) ** 3
    for names, value in (
        ("m metre metres meter meters", 1), ("km kilometre kilometres kilometer kilometers", 1000), ("dm", "0.1"),
        ("cm centimetre centimetres centimeter centimeters", "0.01"),
        ("mm millimetre millimetres millimeter millimeters", "0.001"), ("um µm μm micron microns", "1e-6"),
        ("nm", "1e-9"), ("in inch inches", foot / 12), ("ft foot feet", foot), ("yd yard yards", foot * 3),
        ("mi mile miles", foot * 5280), ("nmi", 1852),
    ):  # fmt: skip
        add(names, value, length=1)
    for names, value in (
        ("kg kilogram kilograms kilo kilos", 1), ("g gram grams", "0.001"), ("mg milligram milligrams", "1e-6"),
        ("ug µg μg", "1e-9"), ("t tonne tonnes", 1000), ("lb lbs pound pounds", pound), ("oz ounce ounces", pound / 16),
        ("stone", pound * 14),
    ):  # fmt: skip
        add(names, value, mass=1)
    for names, value in (
        ("s sec second seconds", 1), ("ms millisecond milliseconds", "0.001"), ("us µs μs", "1e-6"), ("ns", "1e-9"),
        ("min minute minutes", 60), ("h hr hour hours", 3600), ("d day days", 86400), ("week weeks", 604800),
        ("year years", 31557600),
    ):  # fmt: skip
        add(names, value, time=1)
    for power, letter in enumerate("kMGTP", 1):
        add(f"{letter}bit", 1000**power, data=1)
        add(f"{letter}B", 8 * 1000**power, data=1)
        add(f"{letter.upper()}ibit", 1024**power, data=1)
        add(f"{letter.upper()}iB", 8 * 1024**power, data=1)
        add(f"{letter}bps", 1000**power, data=1, time=-1)
    add("bit bits", 1, data=1)
    add("B byte bytes", 8, data=1)
    add("KB", 8000, data=1)
    add("K kelvin", 1, temperature=1)
    add("ha hectare hectares", 10_000, length=2)
    add("acre acres", 43_560 * foot**2, length=2)
    add("sqm", 1, length=2)
    add("sqft", foot**2, length=2)
    for names, value in (
        ("l L litre litres liter liters", "0.001"), ("dl", "0.0001"), ("cl", "0.00001"), ("ml mL", "0.000001"),
        ("gal gallon gallons", gallon), ("qt quart quarts", gallon / 4), ("pt pint pints", gallon / 8),
        ("cup cups", gallon / 16), ("floz", gallon / 128), ("tbsp", gallon / 256), ("tsp", gallon / 768),
    ):  # fmt: skip
        add(names, value, length=3)
    for names, value in (
        ("kmh kph", Fraction(5, 18)),
        ("mph", foot * 5280 / 3600),
        ("kn knot knots", Fraction(1852, 3600)),
    ):
        add(names, value, length=1, time=-1)
    return table


UNITS = _table()
"""Every unit by its names; Celsius and Fahrenheit, which do not begin at zero, are apart."""

# Degrees: what 0 of them is in kelvin, and how large one is.
_DEGREES = {
    "C": (Fraction("273.15"), Fraction(1)),
    "F": (Fraction(45967, 180), Fraction(5, 9)),
    "K": (Fraction(0), Fraction(1)),
}
_DEGREE_NAMES = {
    **dict.fromkeys(("c", "°c", "celsius", "degc"), "C"),
    **dict.fromkeys(("f", "°f", "fahrenheit", "degf"), "F"),
    **dict.fromkeys(("k", "kelvin"), "K"),
}
_NUMBER = r"(?:\d[\d_]*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_TEMPERATURE = re.compile(
    rf"(-?{_NUMBER})\s*(?:degrees?\s+)?(°?[A-Za-z]+)\s+(?:in|to|into|as)\s+(?:degrees?\s+)?(°?[A-Za-z]+)"
)
_CONVERSION = re.compile(r"(.*\S)\s+(?:in|to|into|as)\s+((?:[^\W\d_]|\().*)")
_UNFINISHED = re.compile(r"[^\W\d_]\s+(?:in|to|into|as)\Z")
# A fraction that is written without spaces belongs together: 1/2 ft is half a foot.
_TOKEN = re.compile(rf"\s*(?:(\d+/\d+(?![\d.]))|({_NUMBER})|([^\W\d_²³]+)|(\*\*|[-+*/^()%²³]))")
_WORD = re.compile(r"°?[^\W\d_²³]+")


def names_units(expression: str) -> bool:
    """Whether a unit is named in the expression."""
    # min(3, 4) is the smaller number, 3 min are minutes.
    without_numbers = re.sub(rf"\bmin\s*\(|{_NUMBER}", " ", expression)
    return any(word in UNITS or word.lower() in _DEGREE_NAMES for word in _WORD.findall(without_numbers) if word != "e")


def calculate_with_units(expression: str) -> str:
    """The value of an expression with units, such as "3 ft in cm", "5 km / 20 min in km/h" or "32 F in C".

    Without a unit to convert to, the value is in the first unit that measures the same, or in base units. A number
    before a unit binds tighter than `/`. Raises ToolError for what is not understood, or does not fit together.
    """
    text = (
        re.sub(r"(?<=\d),(?=\d{3}(?:\D|$))", "", expression.strip().rstrip("=? ")).replace("×", "*").replace("÷", "/")
    )
    text = text.replace("−", "-").replace("·", "*")
    if len(text) > _LONGEST_EXPRESSION:
        raise ToolError("the expression is too long")
    temperature = _TEMPERATURE.fullmatch(text)
    if temperature:
        names = [_DEGREE_NAMES.get(temperature[index].lower()) for index in (2, 3)]
        if names[0] and names[1]:
            return f"{written(_converted(Fraction(temperature[1]), names[0], names[1]))} {names[1]}"
    conversion = _CONVERSION.fullmatch(text)
    if conversion is None and _UNFINISHED.search(text):
        raise ToolError(f"{text!r} does not say what to convert to")
    source, wanted = (conversion[1], conversion[2].strip()) if conversion else (text, "")
    quantity, used = _read(source)
    if not wanted:
        wanted = next((name for name in used if UNITS[name].dimension == quantity.dimension), "")
        if not wanted:
            return f"{written(quantity.value)} {_described(quantity.dimension)}".strip()
    target, _ = _read(wanted)
    if target.dimension != quantity.dimension:
        raise ToolError(
            f"{source!r} is in {_described(quantity.dimension) or 'no unit'}, "
            f"{wanted!r} in {_described(target.dimension) or 'no unit'}: they do not measure the same"
        )
    if target.value == 0:
        raise ToolError("the expression divides by zero")
    return f"{written(_bounded(quantity.value / target.value))} {wanted}"


def _converted(value: Fraction, source: str, target: str) -> Fraction:
    (zero, size), (other_zero, other_size) = _DEGREES[source], _DEGREES[target]
    return (value * size + zero - other_zero) / other_size


def _described(dimension: Dimension) -> str:
    """The dimension in base units: m/s^2."""
    above = [_power(name, power) for name, power in zip(_BASE, dimension, strict=True) if power > 0]
    below = [_power(name, -power) for name, power in zip(_BASE, dimension, strict=True) if power < 0]
    return "/".join(["*".join(above) or ("1" if below else ""), *below])


def _power(name: str, power: int) -> str:
    return name if power == 1 else f"{name}^{power}"


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > _LARGEST_BITS:
        raise ToolError("the result is too large")
    return value


def _read(text: str) -> tuple[Quantity, tuple[str, ...]]:
    """The quantity that `text` stands for, and the units named in it."""
    tokens: list[str] = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise ToolError(f"{text!r} is not arithmetic with units: {text[at:].strip()[:20]!r} is not understood")
        tokens.append(match.group().strip())
        at = match.end()
    reading = _Reading(text, tokens)
    try:
        quantity = reading.sum(0)
    except ZeroDivisionError:
        raise ToolError("the expression divides by zero") from None
    if reading.rest():
        raise ToolError(f"{text!r} is not arithmetic with units")
    return quantity, tuple(reading.used)


class _Reading:
    """Recursive descent over tokens: sums of products of powers, a number and its units bound together."""

    def __init__(self, text: str, tokens: list[str]) -> None:
        self._text, self._tokens, self._at = text, tokens, 0
        self.used: list[str] = []

    def rest(self) -> str:
        """The token that comes next, "" at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def sum(self, depth: int) -> Quantity:
        """Terms with + and - between them; they measure the same."""
        if depth > _DEEPEST:
            raise ToolError("the expression has too many brackets")
        total = self._product(depth)
        while self.rest() in ("+", "-") and self.rest():
            sign = 1 if self._next() == "+" else -1
            term = self._product(depth)
            if term.dimension != total.dimension:
                names = [_described(each.dimension) or "a plain number" for each in (total, term)]
                raise ToolError(f"{names[0]} and {names[1]} cannot be added")
            total = Quantity(_bounded(total.value + sign * term.value), total.dimension)
        return total

    def _product(self, depth: int) -> Quantity:
        product = self._bound(depth)
        while self.rest() in ("*", "/", "of") and self.rest():
            power = -1 if self._next() == "/" else 1
            product = _times(product, self._bound(depth), power)
        return product

    def _bound(self, depth: int) -> Quantity:
        """A number with its units behind it, or units side by side."""
        if self.rest() in ("-", "+") and self.rest():
            sign = -1 if self._next() == "-" else 1
            bound = self._bound(depth + 1) if depth < _DEEPEST else self._failed()
            return Quantity(sign * bound.value, bound.dimension)
        bound = self._raised(depth)
        while self.rest() and (self.rest() == "(" or self.rest()[0].isalpha()) and self.rest() != "of":
            bound = _times(bound, self._raised(depth), 1)
        return bound

    def _raised(self, depth: int) -> Quantity:
        base = self._single(depth)
        token = self.rest()
        if token in ("²", "³"):
            self._next()
            return _to_the(base, 2 if token == "²" else 3)
        if token in ("^", "**"):
            self._next()
            sign = -1 if self.rest() == "-" and self._next() else 1
            exponent = self._next()
            if not exponent.isdigit() or int(exponent) > _LARGEST_POWER:
                raise ToolError(f"units take whole powers up to {_LARGEST_POWER}")
            return _to_the(base, sign * int(exponent))
        return base

    def _single(self, depth: int) -> Quantity:
        token = self._next()
        if token == "(":
            inner = self.sum(depth + 1)
            if self._next() != ")":
                self._failed()
            return inner
        if token[0].isdigit() or token[0] == ".":
            if "e" in token.lower() and abs(int(re.split("[eE]", token)[1])) > 300:
                raise ToolError("the result is too large")
            value = Fraction(token.replace("_", ""))
            if self.rest() == "%":
                self._next()
                value /= 100
            return Quantity(_bounded(value))
        if token[0].isalpha():
            unit = self._unit(token)
            # m2 and ft3, as they are typed.
            if self.rest() in ("2", "3"):
                unit = _to_the(unit, int(self._next()))
            return unit
        return self._failed()

    def _unit(self, name: str) -> Quantity:
        for spelled in (name, name.lower() if len(name) > 2 else name):
            if spelled in UNITS:
                self.used.append(spelled)
                return UNITS[spelled]
        if name.lower() in _DEGREE_NAMES:
            raise ToolError(f"degrees {name} can only be converted by themselves, as in 32 F in C")
        raise ToolError(f"the unit {name!r} is not known", did_you_mean(name, UNITS, "write it out, as in kilometres"))

    def _next(self) -> str:
        token = self.rest()
        if not token:
            self._failed()
        self._at += 1
        return token

    def _failed(self) -> Quantity:
        raise ToolError(f"{self._text!r} is not arithmetic with units")


def _times(left: Quantity, right: Quantity, power: int) -> Quantity:
    dimension = tuple(mine + power * other for mine, other in zip(left.dimension, right.dimension, strict=True))
    return Quantity(_bounded(left.value * right.value**power), dimension)  # type: ignore[arg-type] # five of them


def _to_the(base: Quantity, power: int) -> Quantity:
    dimension = tuple(each * power for each in base.dimension)
    return Quantity(_bounded(base.value**power), dimension)  # type: ignore[arg-type] # five of them
