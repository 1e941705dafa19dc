"""Full fine-tuning trains every weight and leaves a folder that transformers reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_training
from tiny_base import write_tiny_base
from tiny_training import EXAMPLES, HELD_BACK, Watch, config_of

from finetune.base import Base, find_base
from finetune.weights import load

tiny_training.import_what_trains()

from finetune.recipes import full  # noqa: E402

CONFIG = config_of(method="full", training={"learning_rate": 1e-3})


@pytest.fixture(params=["folder", "gguf"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Base:
    if request.param == "gguf":
        return find_base(str(write_tiny_base(tmp_path / "tiny.gguf")))
    return tiny_training.write_tiny_llama(tmp_path / "tiny")


def test_all_weights_learn_and_are_kept(base: Base, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    run, build, watch = tmp_path / "run", tmp_path / "run" / "build", Watch()
    build.mkdir(parents=True)
    choices = tiny_training.choices_for(CONFIG, base)
    trained = full.train(CONFIG, choices, base, EXAMPLES, HELD_BACK, run, build, watch.attached)
    assert trained.whole
    assert not trained.model.training
    assert watch.after < 0.95 * watch.before
    before = dict(load(base).named_parameters())
    after = dict(trained.model.named_parameters())
    assert before.keys() == after.keys()
    assert not any(torch.equal(weight, after[name]) for name, weight in before.items())
    assert json.loads((run / "trainable.json").read_text("utf-8"))["share"] == 1.0

    assert "quantization_config" not in json.loads((build / "config.json").read_text("utf-8"))
    kept = dict(AutoModelForCausalLM.from_pretrained(str(build)).named_parameters())
    assert all(torch.equal(weight, kept[name]) for name, weight in after.items())
