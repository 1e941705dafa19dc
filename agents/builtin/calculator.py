"""The tool `calculator`: exact arithmetic, with units where there are any."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agents.calculator import calculate
from agents.units import calculate_with_units, names_units


def calculator(expression: Annotated[str, Field(max_length=120)]) -> str:
    """Work out arithmetic exactly: sums, products, percentages, powers, roots; convert units.

    Args:
        expression: the arithmetic to work out, such as 12*(3+4), 15% of 80 or 3 ft in cm

    Examples:
        What is 12*(3+4)? -> {"expression": "12*(3+4)"}
        how much is 20% of 150 -> {"expression": "20% of 150"}
        add 7 and 9.5 -> {"expression": "7 + 9.5"}
        calculate (2 + 8) / 5 -> {"expression": "(2 + 8) / 5"}
        compute 3 to the power of 4 -> {"expression": "3**4"}
        what is 6 times 8 -> {"expression": "6*8"}
        the square root of 2 -> {"expression": "sqrt(2)"}
        convert 5 miles to km -> {"expression": "5 mi in km"}
        how many celsius are 70 fahrenheit -> {"expression": "70 F in C"}
    """
    value = calculate_with_units(expression) if names_units(expression) else calculate(expression)
    return f"{expression.strip()} = {value}"
