"""A blend of adapters: which are applied and how strongly, as sliders; nothing of a terminal but text."""

from __future__ import annotations

from collections.abc import Mapping

from fireside.models.adapters import SEPARATOR

STEP = 0.05
LARGEST = 1.5

Blend = Mapping[str, float]
"""Scales by the adapters' names, in the order they were taken in; 0 is kept in the list, and applied as nothing."""


def moved(blend: Blend, name: str, steps: int) -> dict[str, float]:
    """The blend with one scale moved by so many steps of 0.05, from 0 to 1.5; one that is not in begins at 0."""
    scale = round((blend.get(name, 0.0) / STEP) + steps) * STEP
    return {**blend, name: round(min(max(scale, 0.0), LARGEST), 2)}


def toggled(blend: Blend, name: str) -> dict[str, float]:
    """The blend without `name`, or with it as strong as it was trained."""
    if name in blend:
        return {each: scale for each, scale in blend.items() if each != name}
    return {**blend, name: 1.0}


def spec_of(blend: Blend) -> str | None:
    """As the chat takes it, `a:0.7+b:0.3`; None where nothing is applied."""
    return SEPARATOR.join(f"{name}:{scale:g}" for name, scale in blend.items() if scale) or None


def slider(scale: float, cells: int) -> str:
    """A slider of so many cells with its knob, `━━━━━●────`."""
    knob = round((cells - 1) * min(max(scale / LARGEST, 0.0), 1.0))
    return "━" * knob + "●" + "─" * (cells - 1 - knob)
