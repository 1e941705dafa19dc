"""The time of a run, from some of its steps."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from tiny_training import EXAMPLES, HELD_BACK, MACHINE, config_of, write_tiny_llama

from finetune.choices import choose
from finetune.plan.load import work_of
from finetune.shape import shape_of

with warnings.catch_warnings():
    # trl and transformers warn about each other's coming changes when imported.
    warnings.simplefilter("ignore")
    from finetune.plan.calibration import calibrate, foretold


def test_time_follows_from_the_rate() -> None:
    config = config_of(training={"epochs": 3})
    work = work_of(config, EXAMPLES, HELD_BACK, packed=False)
    told = foretold(config, work, loading=5.0, tokens_per_s=10.0, steps=4)
    assert told.training == pytest.approx(work.tokens * 3 / 10)
    # Before training and after each epoch; reading takes half as long as training.
    assert told.evaluating == pytest.approx(4 * work.held_back_tokens * 0.5 / 10)
    assert told.total == pytest.approx(5 + told.training + told.evaluating + told.proving)
    often = config_of(training={"epochs": 3, "evaluate_every": 1})
    assert foretold(often, work, 5.0, 10.0, 4).evaluating == pytest.approx(7 * work.held_back_tokens * 0.5 / 10)
    # Of six steps, behind the fourth, and behind the last.
    seldom = config_of(training={"epochs": 3, "evaluate_every": 4})
    assert foretold(seldom, work, 5.0, 10.0, 4).evaluating == pytest.approx(3 * work.held_back_tokens * 0.5 / 10)


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning", "ignore::DeprecationWarning")
def test_some_real_steps_are_trained_and_nothing_is_kept(tmp_path: Path, method: str) -> None:
    base = write_tiny_llama(tmp_path / "base")
    before = {file.name: file.read_bytes() for file in base.path.iterdir()}
    config = config_of(method=method)
    work = work_of(config, EXAMPLES, HELD_BACK, packed=False)
    choices = choose(MACHINE, config, shape_of(base), [len(example.input_ids) for example in EXAMPLES])
    folder = tmp_path / "plan"
    folder.mkdir()
    told = calibrate(config, choices, base, EXAMPLES, HELD_BACK, work, folder)
    # The tiny run is over before the time is up: all of its steps but the first were measured.
    assert told.measured_steps == work.steps - 1
    assert told.tokens_per_s > 0
    assert told.loading > 0
    assert {file.name: file.read_bytes() for file in base.path.iterdir()} == before
