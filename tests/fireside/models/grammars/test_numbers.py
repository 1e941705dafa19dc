from __future__ import annotations

import json
import random
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import jsonschema
import pytest

from fireside.errors import ToolError
from fireside.models.grammars.nodes import Node
from fireside.models.grammars.numbers import Bounds, decimals, integers, multiples

RandomText = Callable[[Node, random.Random], str]
Accepts = Callable[[Node, str], bool]


def bounds(low: float | None = None, high: float | None = None, *, open_: bool = False) -> Bounds:
    low_fraction, high_fraction = (None if end is None else Fraction(str(end)) for end in (low, high))
    return Bounds(low_fraction, high_fraction, above=open_, below=open_)


def schema_of(within: Bounds, **more: Any) -> dict[str, Any]:
    names = ("exclusiveMinimum" if within.above else "minimum", "exclusiveMaximum" if within.below else "maximum")
    ends = zip(names, (within.low, within.high), strict=True)
    return {**{name: float(end) if end.denominator > 1 else int(end) for name, end in ends if end is not None}, **more}


@pytest.mark.parametrize(
    "within",
    [
        bounds(3, 12),
        bounds(-5, 5),
        bounds(0),
        bounds(None, -7),
        bounds(100, 100),
        bounds(-1000, -10, open_=True),
        bounds(7, 123_456, open_=True),
        bounds(10**16),
        bounds(999, 1001),
        bounds(-0.5, 1.5),
        bounds(),
    ],
)
def test_integers_within_bounds(within: Bounds, random_text: RandomText, accepts: Accepts) -> None:
    node, schema = integers(within), schema_of(within, type="integer")
    chance = random.Random(1)
    for _ in range(100):
        jsonschema.validate(json.loads(random_text(node, chance)), schema)
    near = [int(end) + step for end in (within.low, within.high) if end is not None for step in (-2, -1, 0, 1, 2)]
    for value in [*near, 0, 1, -1]:
        assert accepts(node, str(value)) == jsonschema.Draft202012Validator(schema).is_valid(value), value
    for text in ("00", "01", "-0", "1.0", "+1", "1e2", ""):
        assert not accepts(node, text)


@pytest.mark.parametrize(
    "within",
    [
        bounds(0, 1),
        bounds(0.5, 2.25, open_=True),
        bounds(-1.5),
        bounds(None, 1e300),
        bounds(0, open_=True),
        bounds(0),
        bounds(1e-7, 2e-7),
        bounds(0.1, 0.30000000000000004, open_=True),
        bounds(-3, -2.5),
        bounds(1e15, 1e16, open_=True),
        bounds(99.9, 100.1),
        bounds(2.5, 2.5),
        bounds(-1e-3, 1e-3, open_=True),
        bounds(),
    ],
)
def test_decimals_within_bounds(within: Bounds, random_text: RandomText, accepts: Accepts) -> None:
    node, schema = decimals(within), schema_of(within, type="number")
    chance = random.Random(2)
    values = {json.loads(random_text(node, chance)) for _ in range(150)}
    for value in values:
        jsonschema.validate(value, schema)
    assert len(values) > 20 or within.low == within.high
    for text in ("00", "1.", ".5", "+1", "01.5", "1e", "NaN", "1e400"):
        assert not accepts(node, text)


@pytest.mark.parametrize(
    ("step", "within", "whole"),
    [
        (3, bounds(), True),
        (7, bounds(10, 100_000), True),
        (10, bounds(0), True),
        (60, bounds(0), True),
        (86_400, bounds(), True),
        (0.5, bounds(), False),
        (0.25, bounds(-3, 9), False),
        (0.01, bounds(0, 1), False),
        (1.5, bounds(), True),
        (0.125, bounds(1), False),
        (2, bounds(None, -4), True),
        (12, bounds(500, 505), True),
        (1, bounds(2, 4), True),
        (5, bounds(-20, None, open_=True), False),
    ],
)
def test_multiples(step: float, within: Bounds, whole: bool, random_text: RandomText) -> None:
    schema = schema_of(within, type="integer" if whole else "number", multipleOf=step)
    node = multiples(Fraction(str(step)), within, whole=whole)
    chance = random.Random(3)
    for _ in range(60):
        jsonschema.validate(json.loads(random_text(node, chance)), schema)


def test_each_multiple_in_bounds_can_be_written(accepts: Accepts) -> None:
    node = multiples(Fraction(7), bounds(-30, 2_000), whole=True)
    assert [value for value in range(-42, 2_010, 29) if accepts(node, str(value))] == [
        value for value in range(-42, 2_010, 29) if value % 7 == 0 and -30 <= value <= 2_000
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: integers(bounds(0.2, 0.8)), "bounds leave no number"),
        (lambda: multiples(Fraction(12), bounds(505, 509), whole=True), "no multiple"),
        (lambda: multiples(Fraction("0.01"), bounds(0), whole=False), "multipleOf 0.01 is not exact in binary"),
    ],
)
def test_what_cannot_be_written_is_refused(make: Callable[[], Node], message: str) -> None:
    with pytest.raises(ToolError, match=message):
        make()
