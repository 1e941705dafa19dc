"""Sampling presets by name."""

from __future__ import annotations

import pytest

from fireside.errors import FiresideError
from fireside.stories.presets import PRESETS, preset


def test_a_preset_is_found_by_its_name() -> None:
    assert len({each.name for each in PRESETS}) == len(PRESETS)
    assert [preset(each.name) for each in PRESETS] == list(PRESETS)
    assert preset("no-repeats").sampling.dry_multiplier
    assert preset("surprising").sampling.xtc_probability


def test_another_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(FiresideError, match="no preset livley") as refused:
        preset("livley")
    assert refused.value.hint == "did you mean lively?"
