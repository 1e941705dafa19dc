"""A blend of adapters by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tui.adapters_screen.blend import LARGEST, STEP, moved, slider, spec_of, toggled


def test_a_blend_is_written_as_the_chat_takes_it() -> None:
    assert spec_of({"a": 0.7, "b": 0.3}) == "a:0.7+b:0.3"
    assert spec_of({"a": 0.0, "b": 1.0}) == "b:1"
    assert spec_of({"a": 0.0}) is None
    assert spec_of({}) is None


def test_an_adapter_goes_in_as_it_was_trained_and_out_again() -> None:
    assert toggled({"b": 0.3}, "a") == {"b": 0.3, "a": 1.0}
    assert toggled({"a": 0.3, "b": 1.0}, "a") == {"b": 1.0}


@given(st.lists(st.integers(-40, 40), max_size=20))
def test_a_scale_moves_by_steps_and_stays_between_0_and_the_largest(steps: list[int]) -> None:
    blend: dict[str, float] = {"a": 1.0}
    for step in steps:
        before, blend = blend["a"], moved(blend, "a", step)
        assert 0 <= blend["a"] <= LARGEST
        if 0 < blend["a"] < LARGEST:
            assert abs(blend["a"] - before - step * STEP) < 1e-9


@given(st.floats(0, LARGEST), st.integers(1, 40))
def test_a_slider_has_its_cells_and_one_knob(scale: float, cells: int) -> None:
    drawn = slider(scale, cells)
    assert len(drawn) == cells
    assert drawn.count("●") == 1


def test_the_knob_stands_at_both_ends() -> None:
    assert (slider(0, 4), slider(LARGEST, 4)) == ("●───", "━━━●")
