"""Metrics in TensorBoard's files, where it is installed; they hold the same numbers as the run's own file."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_base import write_tiny_base
from tiny_runs import lines, made_examples, tiny_config, train

from finetune.tracking import tracker_environment

pytestmark = pytest.mark.filterwarnings("ignore")


def test_tensorboard_gets_what_the_metrics_file_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tmp_path / "run"
    for name, value in tracker_environment(run).items():
        monkeypatch.setenv(name, value)
    config = tiny_config(write_tiny_base(tmp_path / "tiny.gguf"), epochs=1)
    train(config.model_copy(update={"report_to": ["tensorboard"]}), made_examples(6), made_examples(3, seed=1), run)
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    written = lines(run)
    for tag, key in (("train/loss", "loss"), ("eval/loss", "eval_loss"), ("train/grad_norm", "gradient_norm")):
        kept = {event.step: event.value for event in events.Scalars(tag)}
        assert kept == pytest.approx({line["step"]: line[key] for line in written if line[key] is not None}, rel=1e-4)
