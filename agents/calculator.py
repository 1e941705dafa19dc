"""Exact arithmetic on an expression the model wrote: parsed, never evaluated as Python, and bounded."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from fractions import Fraction

from fireside.errors import ToolError

_LONGEST_EXPRESSION = 400
_MOST_DIGITS = 2000
_BINARY: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: lambda left, right: Fraction(left // right),
    ast.Mod: operator.mod,
}
_FUNCTIONS: dict[str, Callable[..., Fraction]] = {
    "abs": abs,
    "min": min,
    "max": max,
    "round": lambda value, digits=Fraction(0): _rounded(value, digits),
    "sqrt": lambda value: _root(value),
}
_CONSTANTS = {"pi": Fraction(math.pi), "e": Fraction(math.e)}
_NUMBER = re.compile(r"\d[\d_]*(?:\.\d*)?(?:[eE][+-]?\d+)?")
_MOST_PLACES = 100
_WORDS = _FUNCTIONS.keys() | _CONSTANTS.keys()
_UNDERSTOOD = "only numbers, + - * / // % **, brackets, sqrt, abs, min, max, round, pi and e are understood"


def calculate(expression: str) -> str:
    """The value of an arithmetic expression, exact where it has a finite decimal form, else to 15 significant digits.

    Knows + - * / // % ** (also ^, ×, ÷), brackets, percentages ("15% of 80"), thousands separators (1,000), sqrt,
    abs, min, max, round, pi and e. Raises ToolError for anything else, a division by zero, and numbers too large.
    """
    if len(expression) > _LONGEST_EXPRESSION:
        raise ToolError("the expression is too long")
    text = _normalised(expression)
    # Python warns on stderr about odd literals ("1or 2", "'\\d'") while it parses them: they are refused before.
    if re.search(r"[^\w\s.,+\-*/%()]", text) or set(re.findall(r"[^\W\d]\w*", _NUMBER.sub(" ", text))) - _WORDS:
        raise ToolError(_UNDERSTOOD)
    try:
        tree = ast.parse(text, mode="eval")
        return written(_value(tree.body))
    except (SyntaxError, RecursionError, MemoryError):
        raise ToolError(f"{expression!r} is not an arithmetic expression") from None
    except ZeroDivisionError:
        raise ToolError("the expression divides by zero") from None
    except (OverflowError, ValueError, TypeError) as error:
        raise ToolError(f"cannot work that out: {error}") from None


def _normalised(expression: str) -> str:
    """The expression in Python's notation."""
    text = expression.strip().rstrip("=? ").replace("^", "**").replace("×", "*").replace("÷", "/").replace("−", "-")
    # In max(100,200) the comma separates arguments.
    if not re.search(r"(?:min|max|round)\s*\(", text):
        text = re.sub(r"(?<=\d),(?=\d{3}(?:\D|$))", "", text)
    text = re.sub(r"(\d+(?:\.\d+)?)\s*%(?!\s*[\d(.])", r"(\1/100)", text)
    return re.sub(r"\bof\b", "*", text)


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=bool()):
            raise ToolError("only numbers can be calculated")
        case ast.Constant(value=int() | float() as number):
            return Fraction(str(number))
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_value(left), _value(right))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _bounded(_BINARY[type(op)](_value(left), _value(right)))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(_value(argument) for argument in arguments))
    raise ToolError(_UNDERSTOOD)


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        return Fraction(float(base) ** float(exponent)) if base >= 0 else _no_real_value()
    digits = abs(exponent) * max(len(str(abs(base.numerator))), len(str(base.denominator)))
    if digits > _MOST_DIGITS:
        raise ToolError("the result is too large")
    return Fraction(base**exponent.numerator)


def _rounded(value: Fraction, digits: Fraction) -> Fraction:
    if abs(digits) > _MOST_PLACES:
        raise ToolError(f"round takes at most {_MOST_PLACES} places")
    return Fraction(round(value, int(digits)))


def _root(value: Fraction) -> Fraction:
    if value < 0:
        return _no_real_value()
    numerator, denominator = math.isqrt(value.numerator), math.isqrt(value.denominator)
    exact = Fraction(numerator, denominator)
    return exact if exact * exact == value else Fraction(math.sqrt(value))


def _no_real_value() -> Fraction:
    raise ToolError("that has no real value")


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > _MOST_DIGITS * 4:
        raise ToolError("the result is too large")
    return value


def written(value: Fraction) -> str:
    """A finite decimal exactly (up to 30 places), anything else to 15 significant digits."""
    if value.denominator == 1:
        return str(value.numerator)
    for places in range(1, 31):
        scaled = value * 10**places
        if scaled.denominator == 1:
            sign = "-" if scaled < 0 else ""
            digits = str(abs(scaled.numerator)).rjust(places + 1, "0")
            return f"{sign}{digits[:-places]}.{digits[-places:]}"
    return f"{float(value):.15g}"
