from __future__ import annotations

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.units import UNITS, calculate_with_units, names_units
from fireside.errors import ToolError

NUMBERS = st.fractions(min_value=-1000, max_value=1000, max_denominator=100).filter(lambda value: value != 0)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("3 ft in cm", "91.44 cm"), ("5 km / 20 min in km/h", "15 km/h"), ("32 F in C", "0 C"), ("100 C to F", "212 F"),
        ("-40 celsius in fahrenheit", "-40 F"), ("0 C in K", "273.15 K"),
        ("70 degrees fahrenheit to celsius", "21.1111111111111 C"),
        ("5 in in cm", "12.7 cm"), ("3 ft in in", "36 in"), ("5 km + 300 m", "5.3 km"), ("1 mi in km", "1.609344 km"),
        ("2 h 30 min", ""), ("2 h + 30 min in min", "150 min"), ("1 GiB in MB", "1073.741824 MB"),
        ("100 Mbit/s * 1 min in MB", "750 MB"), ("1 acre in m^2", "4046.8564224 m^2"), ("12 ft2 in ft²", "12 ft²"),
        ("1 gal in l", "3.785411784 l"), ("60 mph in km/h", "96.56064 km/h"), ("20% of 150 kg", "30 kg"),
        ("1/2 ft in in", "6 in"), ("72 kg / (1.8 m)^2", "22.2222222222222 kg/m^2"), ("1,000 m in km", "1 km"),
        ("10 m / 2 m", "5"), ("1 year in days", "365.25 days"), ("3 kg * 9.81 m/s^2", "29.43 m*kg/s^2"),
        ("-5 m in cm", "-500 cm"), ("1 / 20 min in 1/h", ""), ("10 Kelvin in K", "10 K"),
        ("1 lb in g", "453.59237 g"),
        ("2 * 3 ft in yd", "2 yd"), ("3 m^-1 * 6 m", "18"), ("1 KB in bytes", "1000 bytes"),
        ("2 MILES in km", "3.218688 km"),
    ],
)  # fmt: skip
def test_values(expression: str, value: str) -> None:
    assert names_units(expression)
    if not value:
        with pytest.raises(ToolError):
            calculate_with_units(expression)
    else:
        assert calculate_with_units(expression) == value


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("3 kg in m", "do not measure the same"), ("3 kg + 2 m", "cannot be added"), ("3 kg + 2", "cannot be added"),
        ("3 furlongs in m", "'furlongs' is not known"), ("3 m in", "what to convert to"), ("(3 m", "not arithmetic"),
        ("3 m $ 2", "not understood"), ("3 m / 0 s", "divides by zero"), ("2 m ^ 99", "whole powers"),
        ("2 C + 3 C", "converted by themselves"), ("5 m in 0 m", "not arithmetic"), ("9e999 m", "too large"),
        ("(" * 50 + "m", "brackets"), ("-" * 200 + "3 m", "not arithmetic"), ("m " * 300, "too long"),
        ("*", "not arithmetic"), ("3 m^m", "whole powers"),
        ("((((1e99 m)^12)^12)^12)^12", "too large"),
        ("3 kilometer per hour", "'per' is not known"), ("1 m in km in cm", "same"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(expression: str, problem: str) -> None:
    with pytest.raises(ToolError, match=problem):
        calculate_with_units(expression)


@given(NUMBERS, st.sampled_from(sorted(UNITS)), st.data())
def test_converting_there_and_back_changes_nothing(value: Fraction, name: str, data: st.DataObject) -> None:
    alike = sorted(other for other in UNITS if UNITS[other].dimension == UNITS[name].dimension)
    other = data.draw(st.sampled_from(alike))
    there = value * UNITS[name].value / UNITS[other].value
    back = calculate_with_units(f"({there.numerator} / {there.denominator}) {other} in {name}")
    number, unit = back.split(" ", 1)
    assert unit == name
    assert float(number) == pytest.approx(float(value), rel=1e-14)


@given(NUMBERS, NUMBERS, st.sampled_from(["m", "kg", "s", "ft", "byte"]))
def test_sums_agree_with_fractions(left: Fraction, right: Fraction, name: str) -> None:
    text = (
        f"({left.numerator} / {left.denominator}) {name} + ({right.numerator} / {right.denominator}) {name} in {name}"
    )
    assert float(calculate_with_units(text).split()[0]) == pytest.approx(float(left + right), rel=1e-14, abs=1e-300)


@given(st.text("0123456789.+-*/^()% mkginftCFsbB", max_size=25))
def test_anything_gives_a_value_or_a_tool_error(text: str) -> None:
    with suppress(ToolError):
        assert calculate_with_units(text)


@pytest.mark.parametrize(
    "expression", ["2 + 3", "sqrt(2)", "min(1, 2)", "max(3, 4)", "15% of 80", "2e5", "pi * e", "round(2.5)"]
)
def test_plain_arithmetic_names_no_units(expression: str) -> None:
    assert not names_units(expression)
