"""What a run chooses by the machine, and what it refuses there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_training import config_of

from finetune.choices import Choice, Machine, activation_bytes, choose, read_choices
from finetune.shape import Shape
from fireside.errors import TrainingError

GIB = 2**30
# SmolLM2-135M.
SHAPE = Shape(134_515_008, 30, 576, 1536, 9, 3, 49_152, {"q_proj": (576, 576)}, "llama")
LAPTOP = Machine(cores=4, memory=8 * GIB)
GPU = replace(LAPTOP, gpu="a card", gpu_memory=24 * GIB, gpu_bfloat16=True, flash_attention=True)
LONG = [500] * 10


def chosen(name: str, machine: Machine = LAPTOP, training: dict[str, Any] | None = None, **rest: Any) -> Choice[Any]:
    choice: Choice[Any] = getattr(choose(machine, config_of(None, training, **rest), SHAPE, LONG), name)
    assert choice.reason
    return choice


def test_a_laptop_computes_in_float32_with_all_its_cores() -> None:
    choices = choose(LAPTOP, config_of(training={"learning_rate": 0.0}), SHAPE, LONG)
    values = {name: choice["value"] for name, choice in choices.as_json().items()}
    assert values == {
        "device": "cpu", "precision": "float32", "path": "fast", "attention": "sdpa", "optimizer": "adamw",
        "learning_rate": 5e-4, "threads": 4, "checkpointing": "off", "packing": "off",
    }  # fmt: skip


def test_sixteen_bits_only_where_they_are_fast() -> None:
    assert chosen("precision", replace(LAPTOP, cpu_bfloat16=True)).value == "bfloat16"
    assert chosen("precision", GPU).value == "bfloat16"
    assert chosen("precision", replace(GPU, gpu_bfloat16=False)).value == "float16"
    assert chosen("precision", GPU, {"precision": "float32"}).value == "float32"


def test_flash_attention_needs_a_gpu_and_sixteen_bits() -> None:
    assert chosen("attention", GPU).value == "flash_attention_2"
    assert chosen("attention", GPU, {"precision": "float32"}).value == "sdpa"
    assert chosen("attention", replace(GPU, flash_attention=False)).value == "sdpa"
    assert chosen("attention", replace(LAPTOP, flash_attention=True)).value == "sdpa"


def test_packed_examples_never_see_each_other_through_flash_attention() -> None:
    assert "see each other" in chosen("attention", GPU, {"packing": "on"}).reason
    assert chosen("attention", GPU, {"packing": "on"}).value == "sdpa"
    assert chosen("attention", GPU, {"packing": "on", "batch_size": 1}).value == "flash_attention_2"


@pytest.mark.parametrize(
    ("machine", "training", "words"),
    [
        (LAPTOP, {"precision": "bfloat16"}, "no instructions"),
        (LAPTOP, {"precision": "float16"}, "a CPU cannot train"),
        (replace(GPU, gpu_bfloat16=False), {"precision": "bfloat16"}, "a card"),
        (LAPTOP, {"optimizer": "paged_adamw_8bit"}, "there is no GPU"),
        (LAPTOP, {"optimizer": "paged_adamw_32bit"}, "there is no GPU"),
    ],
)
def test_what_the_machine_cannot_do_is_refused(machine: Machine, training: dict[str, Any], words: str) -> None:
    with pytest.raises(TrainingError, match=words) as caught:
        choose(machine, config_of(None, training), SHAPE)
    assert "set it to" in (caught.value.hint or "")


def test_the_optimizer_is_the_largest_that_fits() -> None:
    assert chosen("optimizer", method="full").value == "adamw"
    assert chosen("optimizer", replace(LAPTOP, memory=2 * GIB), method="full").value == "adamw_8bit"
    assert chosen("optimizer", replace(GPU, gpu_memory=2 * GIB), method="full").value == "paged_adamw_8bit"
    assert chosen("optimizer", replace(LAPTOP, memory=GIB)).value == "adamw"
    assert chosen("optimizer", GPU, {"optimizer": "paged_adamw_32bit"}).value == "paged_adamw_32bit"


def test_the_rate_suits_the_method_unless_it_is_set() -> None:
    assert chosen("learning_rate", training={"learning_rate": 0.0}).value == 5e-4
    assert chosen("learning_rate", training={"learning_rate": 0.0}, method="full").value == 5e-5
    assert chosen("learning_rate", training={"learning_rate": 1e-3}, method="full").value == 1e-3


def test_activations_are_computed_twice_where_memory_is_short() -> None:
    # 4 examples of 500 tokens.
    needed = activation_bytes(config_of(), SHAPE, 2000)
    assert 2 * GIB < needed < 4 * GIB
    short, padded = replace(LAPTOP, memory=needed), {"method": "full"}
    assert chosen("checkpointing", replace(LAPTOP, memory=3 * needed), **padded).value == "off"
    assert chosen("checkpointing", short, **padded).value == "on"
    assert chosen("checkpointing", short, {"checkpointing": "off"}, **padded).value == "off"
    # The fast path's portions are small whatever the batch.
    assert chosen("checkpointing", short).value == "off"
    assert chosen("checkpointing", replace(GPU, memory=GIB)).value == "off"


def test_rows_are_packed_where_padding_would_be_computed() -> None:
    def packing(config: Any, lengths: list[int]) -> str:
        return choose(LAPTOP, config, SHAPE, lengths).packing.value

    padded = config_of(weights="nf4")
    many = [100] * 10_000
    assert packing(padded, many) == "on"
    assert packing(config_of(), many) == "off"
    assert packing(padded, [1000] * 1000) == "off"
    assert packing(padded, [100] * 100) == "off"
    assert packing(config_of(weights="nf4", training={"curriculum": "length"}), many) == "off"
    assert packing(config_of(training={"packing": "on"}), [5]) == "on"


def test_the_choices_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    choices = choose(GPU, config_of(), SHAPE)
    (tmp_path / "choices.json").write_text(json.dumps(choices.as_json()), "utf-8")
    assert read_choices(tmp_path / "choices.json") == choices
    (tmp_path / "choices.json").write_text("{}", "utf-8")
    with pytest.raises(TrainingError, match=r"choices\.json"):
        read_choices(tmp_path / "choices.json")


@pytest.mark.parametrize(
    ("adapter", "rest", "words"),
    [
        (None, {}, "plain LoRA"),
        ({"dropout": 0.1}, {}, "lora.dropout"),
        ({"dora": True}, {}, "DoRA"),
        (None, {"training": {"neftune": 5.0}}, "neftune"),
        (None, {"training": {"checkpointing": "on"}}, "checkpointing"),
        (None, {"weights": "nf4"}, "nf4"),
        (None, {"method": "full"}, "all weights"),
    ],
)
def test_which_runs_the_fast_path_computes(adapter: Any, rest: dict[str, Any], words: str) -> None:
    config = config_of(adapter, **rest)
    path = choose(LAPTOP, config, SHAPE, LONG).path
    assert path.value == ("fast" if words == "plain LoRA" else "transformers")
    assert words in path.reason
    assert choose(LAPTOP, config, replace(SHAPE, family="gemma3"), LONG).path.value == "transformers"
    assert choose(GPU, config_of(), SHAPE, LONG).path.value == "transformers"
