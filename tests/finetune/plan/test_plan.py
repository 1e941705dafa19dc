"""What a run is foretold to take: its work, its memory part by part, its time, and what would make it fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tiny_training import config_of

from finetune.choices import Machine, choose
from finetune.config import RunConfig
from finetune.data.render import IGNORED, Example
from finetune.plan.load import work_of
from finetune.plan.memory import estimate, trained_weights
from finetune.plan.plan import Plan, check_fits, disk_bytes, plan
from finetune.shape import Shape
from fireside.errors import TrainingError

GB = 10**9
LINEAR = {
    "q_proj": (576, 576), "k_proj": (576, 192), "v_proj": (576, 192), "o_proj": (576, 576),
    "gate_proj": (576, 1536), "up_proj": (576, 1536), "down_proj": (1536, 576),
}  # fmt: skip
# SmolLM2-135M.
SHAPE = Shape(134_515_008, 30, 576, 1536, 9, 3, 49_152, LINEAR, "llama")
MACHINE = Machine(cores=2, memory=20 * GB)


def example(length: int, trained: int = 4) -> Example:
    ids = tuple(range(length))
    return Example(ids, (IGNORED,) * (length - trained) + ids[length - trained :], 1)


def planned(config: RunConfig, lengths: list[int], machine: Machine = MACHINE, disk_free: int = 100 * GB) -> Plan:
    examples = [example(length) for length in lengths]
    return plan(config, SHAPE, machine, disk_free, examples, [example(8)])


def test_the_work_counts_tokens_steps_and_the_heaviest_batch() -> None:
    config = config_of(training={"batch_size": 2, "accumulation": 2, "epochs": 3, "packing": "off"})
    examples = [example(length) for length in (10, 20, 30, 40, 50)]
    work = work_of(config, examples, [example(7)], packed=False)
    assert (work.tokens, work.trained, work.held_back_tokens) == (150, 20, 7)
    # Three batches an epoch are two steps of up to two batches.
    assert work.steps == 6
    assert work.batch.rows == 2
    assert work.batch.longest == 50
    assert sum(work.batch.lengths) >= 60


def test_packed_rows_hold_several_examples() -> None:
    config = config_of(training={"batch_size": 2, "epochs": 1, "max_length": 60})
    work = work_of(config, [example(length) for length in (10, 20, 30, 40, 50)], [], packed=True)
    assert work.steps == 2
    assert work.batch.longest <= 60
    assert sum(work.batch.lengths) > 60


def test_an_adapters_weights_are_counted_by_its_layers() -> None:
    config = config_of({"rank": 16})
    assert trained_weights(config, SHAPE) == 4_884_480
    assert trained_weights(config_of({"rank": 8}), SHAPE) == 4_884_480 // 2
    only = config_of({"rank": 4, "target_modules": ["q_proj", "v_proj"]})
    assert trained_weights(only, SHAPE) == 30 * 4 * (576 + 576 + 576 + 192)
    assert trained_weights(config_of(method="full"), SHAPE) == SHAPE.parameters


def memory(config: RunConfig, lengths: list[int]) -> dict[str, int]:
    examples = [example(length) for length in lengths]
    choices = choose(MACHINE, config, SHAPE, lengths)
    work = work_of(config, examples, [], packed=False)
    return dict(estimate(config, choices, SHAPE, work.batch).parts)


def test_memory_grows_with_the_longest_example_and_not_with_how_many_there_are() -> None:
    config = config_of(training={"batch_size": 4, "max_length": 2048})
    # The fast path computes whole examples of up to 1,024 tokens at once, and a longer one alone.
    some, more = memory(config, [1000] * 8), memory(config, [2000] * 8)
    assert more["activations"] != some["activations"]
    assert memory(config, [2000] * 8) == memory(config, [2000] * 80)
    assert memory(config, [1000] * 80) == some
    assert memory(config_of(training={"batch_size": 16}), [1000] * 80)["activations"] == some["activations"]


def test_a_batch_that_goes_through_transformers_costs_by_its_padding() -> None:
    config = config_of({"dropout": 0.1}, {"batch_size": 4, "packing": "off", "checkpointing": "off"})
    padded, even = memory(config, [100, 100, 100, 900]), memory(config, [900] * 4)
    assert padded["activations"] == even["activations"]
    assert even["activations"] > 2 * memory(config, [400] * 4)["activations"]


def test_a_small_adapter_over_short_examples_peaks_while_the_base_is_read() -> None:
    parts = memory(config_of({"rank": 1}, {"batch_size": 1}), [20] * 4)
    assert parts["loading"] == (SHAPE.parameters + 49_152 * 576) * 4
    assert "activations" not in parts


def test_quantised_weights_and_short_examples_peak_in_the_proof() -> None:
    config = config_of().model_copy(update={"weights": "nf4"})
    parts = memory(config, [20] * 4)
    assert parts["proof"] > SHAPE.parameters * 4
    assert "activations" not in parts
    assert "activations" in memory(config, [900] * 4)


@pytest.mark.parametrize(
    ("less", "part"),
    [
        ({"weights": "nf4"}, "weights"),
        ({"lora": {"dropout": 0.1}, "training": {"checkpointing": "on"}}, "activations"),
        ({"lora": {"dropout": 0.1}, "training": {"batch_size": 1}}, "activations"),
        ({"lora": {"rank": 4}}, "optimizer"),
    ],
)
def test_each_way_to_save_saves_where_it_should(less: dict[str, Any], part: str) -> None:
    whole: dict[str, Any] = {
        "lora": {"rank": 64, "dropout": 0.1},
        "training": {"batch_size": 4, "checkpointing": "off"},
        "weights": "plain",
    }
    before = RunConfig.model_validate({"name": "a", "data": "none", **whole})
    merged = {
        key: {**whole[key], **less.get(key, {})} if isinstance(whole[key], dict) else less.get(key, whole[key])
        for key in whole
    }
    after = RunConfig.model_validate({"name": "a", "data": "none", **merged})
    assert memory(after, [900] * 8)[part] < memory(before, [900] * 8)[part]


def test_a_run_that_does_not_fit_is_refused_with_what_would_fit() -> None:
    dropout = {"dropout": 0.1}
    config = config_of(dropout, {"batch_size": 8, "checkpointing": "off"})
    found = planned(config, [1000] * 20, replace(MACHINE, memory=3 * GB))
    assert not found.fits
    assert found.advice
    assert [advice.memory for advice in found.advice] == sorted((a.memory for a in found.advice), reverse=True)
    helps = next(advice for advice in found.advice if advice.fits)
    with pytest.raises(TrainingError, match=r"needs about \d\d\.\d GB of memory, and 3000 MB are free") as failure:
        check_fits(found)
    assert helps.change in (failure.value.hint or "")
    # What is advised is true: with it, the run is taken.
    values: dict[str, Any] = {"batch_size": 1, "accumulation": 8, "checkpointing": "off"}
    if "checkpointing" in helps.change:
        values["checkpointing"] = "on"
    check_fits(planned(config_of(dropout, values), [1000] * 20, replace(MACHINE, memory=3 * GB)))


def test_a_run_that_nothing_makes_fit_says_so() -> None:
    found = planned(config_of(), [1000] * 20, replace(MACHINE, memory=GB // 2))
    assert not any(advice.fits for advice in found.advice)
    with pytest.raises(TrainingError) as failure:
        check_fits(found)
    assert "choose a smaller base" in (failure.value.hint or "")


def test_a_full_disk_is_told_before_anything_is_written() -> None:
    found = planned(config_of(), [100] * 4, disk_free=10_000_000)
    assert not found.fits
    with pytest.raises(TrainingError, match="of disk, and 10 MB are free"):
        check_fits(found)
    assert disk_bytes(config_of(method="full"), SHAPE) > disk_bytes(config_of(), SHAPE)


def test_a_run_with_room_gets_no_advice() -> None:
    found = planned(config_of(), [100] * 4)
    assert found.fits
    assert found.advice == ()
    check_fits(found)
    document = found.as_json()
    assert document["fits"] is True
    assert document["memory"]["low"] < document["memory"]["expected"] < document["memory"]["high"]
