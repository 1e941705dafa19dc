"""A run that was cut off goes on as if it had not been: same losses, same weights; and no torn checkpoint is read."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from tiny_base import write_tiny_base
from tiny_runs import lines, made_examples, tiny_config, train

from finetune.checkpoints import newest, step_of
from finetune.metrics import cut_behind
from finetune.status import METRICS

with warnings.catch_warnings():
    # trl and transformers warn about each other's coming changes when imported.
    warnings.simplefilter("ignore")
    from transformers import TrainerCallback

pytestmark = pytest.mark.filterwarnings("ignore")

EXAMPLES, HELD_BACK = made_examples(9), made_examples(4, seed=1)


class Cut(BaseException):
    """The process ended here."""


class Watching(TrainerCallback):
    """Notes which examples each step had, and cuts the run off behind a step, as Progress has finished with it."""

    trainer: Any

    def __init__(self, last_step: int | None = None) -> None:
        self.last_step = last_step
        self.order: list[list[int]] = []

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.order.append(list(self.trainer.step_examples))

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.last_step:
            raise Cut


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_base(tmp_path_factory.mktemp("base") / "tiny.gguf")


def figures(run: Path) -> list[tuple[Any, ...]]:
    keys = ("step", "loss", "eval_loss", "learning_rate", "gradient_norm")
    return [tuple(line[key] for key in keys) for line in lines(run)]


def weights(trained: Any) -> dict[str, Any]:
    return {name: value.clone() for name, value in trained.model.state_dict().items()}


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    import torch

    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


CONFIGURATIONS = {
    "lora": {},
    "mid-epoch, accumulated": {"accumulation": 2, "checkpoint_every": 2, "schedule": "cosine"},
    "pissa and lora+": {"lora": {"init": "pissa", "plus": 16.0}, "checkpoint_every": 3},
    "dora": {"lora": {"dora": True}, "checkpoint_every": 4, "curriculum": "length"},
    "full": {"checkpoint_every": 4, "weight_decay": 0.1},
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_resumed_run_is_the_uninterrupted_one_step_by_step(base, tmp_path, name):
    config = tiny_config(base, **CONFIGURATIONS[name])
    if name == "full":
        config = config.model_copy(update={"method": "full", "lora": type(config.lora)()})
    whole_order, cut_order, rest_order = Watching(), Watching(7), Watching()
    whole, _ = train(config, EXAMPLES, HELD_BACK, tmp_path / "whole", watching=whole_order)
    with pytest.raises(Cut):
        train(config, EXAMPLES, HELD_BACK, tmp_path / "cut", watching=cut_order)
    checkpoint = newest(tmp_path / "cut")
    assert checkpoint is not None
    step = step_of(checkpoint)
    assert 0 < step < 8
    cut_behind(tmp_path / "cut" / METRICS, step)
    rest, progress = train(config, EXAMPLES, HELD_BACK, tmp_path / "cut", resumed=checkpoint, watching=rest_order)
    assert figures(tmp_path / "cut") == figures(tmp_path / "whole")
    assert cut_order.order[:step] + rest_order.order == whole_order.order
    assert equal(weights(rest), weights(whole))
    assert progress.counts.steps == lines(tmp_path / "whole")[-1]["steps"]
