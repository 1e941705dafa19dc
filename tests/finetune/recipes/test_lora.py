"""Each way of training an adapter, on a tiny model: it learns, the base stays as it was, and what is saved says it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tiny_training
from tiny_base import write_tiny_base
from tiny_training import EXAMPLES, HELD_BACK, Watch, config_of

from finetune.base import Base
from finetune.config import RunConfig
from finetune.trained import Trained
from finetune.weights import load, load_dequantised

tiny_training.import_what_trains()

from finetune.recipes import lora  # noqa: E402

# peft asks transformers by names that it will drop.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return tiny_training.write_tiny_llama(tmp_path_factory.mktemp("tiny"))


@dataclass
class Run:
    trained: Trained
    watch: Watch
    run: Path
    build: Path
    config: RunConfig


def train(base: Base, folder: Path, config: RunConfig) -> Run:
    run, build, watch = folder / "run", folder / "run" / "build", Watch()
    build.mkdir(parents=True)
    trained = lora.train(
        config, tiny_training.choices_for(config, base), base, EXAMPLES, HELD_BACK, run, build, watch.attached
    )
    return Run(trained, watch, run, build, config)


@pytest.fixture(scope="module")
def plain(base: Base, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Plain LoRA, for comparison."""
    return train(base, tmp_path_factory.mktemp("plain"), config_of())


def frozen(model: Any) -> dict[str, Any]:
    """Every weight of the base by transformers' name."""
    return {
        name.removeprefix("base_model.model.").replace(".base_layer", ""): weight
        for name, weight in model.named_parameters()
        if "lora_" not in name
    }


METHODS = {
    "plain": config_of(),
    "rslora": config_of({"rslora": True}),
    "dropout": config_of({"dropout": 0.2}),
    "pissa": config_of({"init": "pissa"}),
    "pissa-rslora": config_of({"init": "pissa", "rslora": True}),
    "plus": config_of({"plus": 4.0}, {"learning_rate": 2e-3}),
    "neftune": config_of(training={"neftune": 1.0}),
    "nf4": config_of(weights="nf4"),
    "loftq": config_of({"init": "loftq"}, weights="nf4"),
    "int8": config_of(weights="int8"),
    "adamw_8bit": config_of(training={"optimizer": "adamw_8bit"}),
}


@pytest.mark.parametrize("method", METHODS)
def test_it_learns_over_a_base_that_stays_and_what_is_saved_says_it(base: Base, tmp_path: Path, method: str) -> None:
    import torch
    from peft import PeftModel

    run = train(base, tmp_path, METHODS[method])
    assert len(run.watch.losses) == 6
    assert run.watch.after < 0.95 * run.watch.before

    before, after = frozen(load(base, run.config.weights)), frozen(run.trained.model)
    assert before.keys() == after.keys()
    for name, weight in before.items():
        assert weight.dtype == after[name].dtype
        assert torch.equal(weight, after[name]), name

    # Over the base as the run saw it, in plain float32: what the export is compared with.
    tokens = torch.tensor([EXAMPLES[1].input_ids])
    seen = load_dequantised(base, run.config.weights)
    with torch.no_grad():
        bare = seen(tokens).logits
        saved = PeftModel.from_pretrained(seen, str(run.build)).eval()(tokens).logits
        given = run.trained.model(tokens).logits
        trained = run.watch.trainer.model(tokens).logits
    assert torch.allclose(saved, given, atol=1e-4)
    assert torch.allclose(trained, given, atol=1e-4)
    assert (saved - bare).abs().max() > 0.1
    assert sorted(item.name for item in run.build.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    settings = json.loads((run.build / "adapter_config.json").read_text("utf-8"))
    assert settings["base_model_name_or_path"] == "tiny"
    assert settings["init_lora_weights"] is True
    assert settings["use_rslora"] is run.config.lora.rslora


@pytest.mark.parametrize("weights", ["plain", "nf4"])
def test_dora_ends_with_a_whole_model(base: Base, tmp_path: Path, weights: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    run = train(base, tmp_path, config_of({"dora": True}, weights=weights))
    assert run.trained.whole
    assert run.watch.after < 0.95 * run.watch.before
    before, after = frozen(load(base, run.config.weights)), frozen(run.watch.trainer.model)
    assert all(torch.equal(weight, after[name]) for name, weight in before.items())
    tokens = torch.tensor([EXAMPLES[1].input_ids])
    kept = AutoModelForCausalLM.from_pretrained(str(run.build))
    with torch.no_grad():
        trained = run.watch.trainer.model(tokens).logits
        assert torch.allclose(run.trained.model(tokens).logits, trained, atol=1e-4)
        assert torch.allclose(kept(tokens).logits, trained, atol=1e-4)
    assert {type(layer).__name__ for layer in kept.modules()}.isdisjoint({"Linear4bit", "Linear8bitLt"})
    assert (run.build / "dora" / "adapter_model.safetensors").is_file()


def test_the_same_seed_gives_the_same_adapter(base: Base, tmp_path: Path) -> None:
    config = config_of({"dropout": 0.1}, {"neftune": 1.0})
    runs = [train(base, tmp_path / name, config) for name in ("one", "two")]
    other = train(base, tmp_path / "other", config.model_copy(update={"seed": 1}))
    one, two, three = [(run.build / "adapter_model.safetensors").read_bytes() for run in (*runs, other)]
    assert one == two
    assert one != three


def test_what_is_trained_is_written_down(base: Base, tmp_path: Path) -> None:
    run = train(base, tmp_path, config_of({"target_modules": ["q_proj", "down_proj"]}, weights="nf4"))
    told = json.loads((run.run / "trainable.json").read_text("utf-8"))
    assert told["trainable"] == 2 * (4 * (64 + 64) + 4 * (128 + 64))
    # Embeddings, two blocks (attention, feed-forward, norms), the last norm, and the adapter.
    assert told["total"] == 48 * 64 + 2 * (64 * (64 + 32 + 32 + 64) + 3 * 64 * 128 + 128) + 64 + told["trainable"]
    assert told["share"] == told["trainable"] / told["total"]
    assert len(told["modules"]) == 8
    assert all("q_proj.lora_" in name or "down_proj.lora_" in name for name in told["modules"])


def test_loftq_begins_nearer_to_the_whole_weights(base: Base, tmp_path: Path, plain: Run) -> None:
    whole = plain.watch.before
    rounded = train(base, tmp_path / "nf4", config_of(weights="nf4")).watch.before
    loftq = train(base, tmp_path / "loftq", config_of({"init": "loftq", "rank": 16}, weights="nf4")).watch.before
    assert abs(loftq - whole) < abs(rounded - whole)


def test_lora_plus_lets_b_learn_faster(base: Base, tmp_path: Path) -> None:
    groups = train(base, tmp_path, config_of({"plus": 4.0})).watch.trainer.optimizer.param_groups
    rates = {group["initial_lr"] for group in groups if group["params"]}
    assert rates == {5e-3, 2e-2}


def test_noise_on_the_embeddings_is_there_in_training_alone(base: Base, tmp_path: Path, plain: Run) -> None:
    noisy = train(base, tmp_path, config_of(training={"neftune": 5.0})).watch
    assert noisy.losses[0] != pytest.approx(plain.watch.losses[0], rel=1e-3)
    assert noisy.before == pytest.approx(plain.watch.before, rel=1e-5)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0, 0.5, 1, 1, 1, 1]),
        ("linear", [0, 0.5, 1, 0.75, 0.5, 0.25]),
        ("cosine", [0, 0.5, 1, 0.85355, 0.5, 0.14645]),
    ],
)
def test_the_rate_rises_and_follows_its_schedule(
    base: Base, tmp_path: Path, schedule: str, expected: list[float]
) -> None:
    rates = train(base, tmp_path, config_of(training={"schedule": schedule, "warmup": 0.3})).watch.rates
    assert rates == pytest.approx([5e-3 * share for share in expected], rel=1e-4)


def test_accumulated_batches_make_the_step_of_one_large_batch(base: Base, tmp_path: Path, plain: Run) -> None:
    two = train(base, tmp_path, config_of(training={"batch_size": 2, "accumulation": 2})).watch
    assert two.losses == pytest.approx(plain.watch.losses, rel=1e-4)
    assert two.after == pytest.approx(plain.watch.after, rel=1e-4)


def test_activations_computed_twice_give_the_same_adapter(base: Base, tmp_path: Path, plain: Run) -> None:
    twice = train(base, tmp_path, config_of(training={"checkpointing": "on"})).watch
    assert twice.losses == pytest.approx(plain.watch.losses, rel=1e-5)
    assert twice.trainer.model.get_base_model().is_activation_checkpointing


def test_long_gradients_are_shortened(base: Base, tmp_path: Path, plain: Run) -> None:
    held = train(base, tmp_path, config_of(training={"max_gradient_norm": 1e-9}))
    # AdamW's own epsilon is then as large as the gradients.
    assert held.watch.before > held.watch.after > plain.watch.after


def test_weight_decay_pulls_to_zero(base: Base, tmp_path: Path, plain: Run) -> None:
    import torch

    def length(run: Run) -> float:
        weights = [weight.detach() for name, weight in run.trained.model.named_parameters() if "lora_A" in name]
        return float(torch.cat([weight.flatten() for weight in weights]).norm())

    assert length(train(base, tmp_path, config_of(training={"weight_decay": 0.9}))) < length(plain)


def test_packed_rows_train_each_example_as_if_it_were_alone(base: Base, tmp_path: Path) -> None:
    training = {"epochs": 1, "max_length": 32, "packing": "on", "batch_size": 8, "learning_rate": 1e-6}
    packed = train(base, tmp_path / "packed", config_of(training=training)).watch
    apart = train(base, tmp_path / "apart", config_of(training={**training, "packing": "off"})).watch
    assert packed.losses == pytest.approx(apart.losses, rel=1e-4)
    assert len(packed.trainer.train_dataset) < len(EXAMPLES)
    assert sorted(packed.trainer.step_examples) == list(range(len(EXAMPLES)))


def test_a_base_in_gguf_is_trained_in_four_bits(tmp_path: Path) -> None:
    from finetune.base import find_base

    base = find_base(str(write_tiny_base(tmp_path / "tiny.gguf")))
    run = train(base, tmp_path, config_of(weights="nf4", training={"learning_rate": 2e-2}))
    assert run.watch.after < run.watch.before
    kinds = [type(layer).__name__ for layer in run.trained.model.modules()]
    assert kinds.count("Linear4bit") == 2 * 2 * 7  # bitsandbytes' own and peft's around it, in two blocks of seven


@pytest.mark.engine
def test_the_bundled_model_is_trained_in_four_bits(tmp_path: Path) -> None:
    from finetune.base import find_base

    config = config_of(weights="nf4", training={"epochs": 1})
    run = train(find_base("smollm2-135m"), tmp_path, config)
    assert len(run.watch.losses) == 2
    assert run.watch.after < run.watch.before
    assert json.loads((run.run / "trainable.json").read_text("utf-8"))["total"] > 134_000_000
