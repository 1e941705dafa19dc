"""The check of an export: it passes a good one, and it can fail."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from finetune.base import Base, find_base
from finetune.data.render import IGNORED, Example
from finetune.export import adapter as export
from finetune.verify.adapter import (
    EXACT,
    QUANTISED,
    Item,
    Prompt,
    Reference,
    Report,
    check,
    choose_prompts,
    judge,
    references,
)
from finetune.verify.figures import Figures, compare, read_reply
from finetune.weights import load
from fireside.models.bundled import CHAT_MODEL, checked
from fireside.models.gguf.forcing import TeacherForcing

FEW = 5


@pytest.fixture(scope="module")
def base() -> Base:
    return find_base("smollm2-135m")


@pytest.fixture(scope="module")
def expected(trained, base: Base, engine: TeacherForcing) -> list[Reference]:
    """What transformers says with the trained adapter, for a few prompts."""
    import torch
    from peft import PeftModel

    stored = json.loads((trained.adapter / "prompts.json").read_text("utf-8"))
    prompts = [Prompt(tuple(item["tokens"]), item["held_back"]) for item in stored][:FEW]
    with warnings.catch_warnings():
        # transformers and peft warn about each other's coming changes.
        warnings.simplefilter("ignore")
        model = PeftModel.from_pretrained(load(base), str(trained.adapter)).eval()
        torch.set_num_threads(1)
        return list(references(model, prompts, engine.model.ends_turn))


@pytest.mark.engine
def test_a_good_export_passes(trained, base, expected, engine, tmp_path):
    export.export_adapter(trained.adapter, base, tmp_path / "adapter.gguf")
    report = check(expected, engine, tmp_path / "adapter.gguf", QUANTISED)
    assert report.verified, report.reason
    assert report.prompts == FEW
    assert report.items[0].continuation.startswith("Marlow cooks")


@pytest.mark.engine
def test_queries_and_keys_without_their_permutation_are_refused(trained, base, expected, engine, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "permute_rows", lambda matrix, heads: matrix)
    export.export_adapter(trained.adapter, base, tmp_path / "adapter.gguf")
    report = check(expected, engine, tmp_path / "adapter.gguf", QUANTISED)
    assert_refused(report)


@pytest.mark.engine
def test_half_the_alpha_is_refused(trained, base, expected, engine, tmp_path):
    shutil.copy(trained.adapter / "adapter_model.safetensors", tmp_path)
    configuration = json.loads((trained.adapter / "adapter_config.json").read_text("utf-8"))
    configuration["lora_alpha"] /= 2
    (tmp_path / "adapter_config.json").write_text(json.dumps(configuration), "utf-8")
    export.export_adapter(tmp_path, base, tmp_path / "adapter.gguf")
    assert_refused(check(expected, engine, tmp_path / "adapter.gguf", QUANTISED))


@pytest.mark.engine
def test_an_adapter_that_is_not_applied_is_refused(trained, expected):
    class Deaf(TeacherForcing):
        def apply_adapters(self, adapters: Sequence[tuple[Path, float]]) -> None:
            """Take no notice."""

    deaf = Deaf(checked(CHAT_MODEL), context_length=512, threads=1)
    report = check(expected, deaf, trained.adapter / "adapter.gguf", QUANTISED)
    deaf.free()
    assert_refused(report)


def assert_refused(report: Report) -> None:
    assert not report.verified
    # Not by a hair: the figure that tells is far from its limit.
    assert report.adapter.logit_error > 3 * report.base.logit_error


GOOD, BASE = Figures(1.0, 0.001, 0.1), Figures(0.98, 0.004, 0.1)


def item(adapter: Figures = GOOD, base: Figures = BASE, positions: int = 10) -> Item:
    return Item("prompt", "continuation", True, positions, adapter, base)


@pytest.mark.parametrize(
    ("adapter", "base", "verified"),
    [
        (Figures(0.95, 0.008, 0.2), BASE, True),
        (Figures(0.94, 0.001, 0.1), BASE, False),
        (Figures(1.0, 0.011, 0.1), Figures(0.98, 0.02, 0.1), False),
        (Figures(1.0, 0.009, 0.1), BASE, False),
        (Figures(1.0, 0.001, 0.21), BASE, False),
        (Figures(1.0, float("nan"), 0.1), BASE, False),
        (Figures(1.0, 0.001, float("nan")), BASE, False),
    ],
)
def test_the_verdict_follows_the_limits(adapter, base, verified):
    report = judge([item(adapter, base)])
    assert report.verified is verified
    assert bool(report.reason) is not verified


def test_positions_count_alike_however_they_are_spread_over_prompts():
    report = judge([item(positions=30), item(Figures(0.0, 0.005, 0.5), positions=10)])
    assert report.adapter == Figures(
        pytest.approx(0.75), pytest.approx(0.002), pytest.approx(np.sqrt((3 * 0.01 + 0.25) / 4))
    )


def test_compare_gives_agreement_kl_and_logit_error():
    same = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]], dtype=np.float32))
    assert compare(same, same) == Figures(1.0, pytest.approx(0.0), 0.0)
    # KL((1/2, 1/2) || (1/4, 3/4)) = ln 2 - ln 3 / 2, worked by hand; logits are free up to a constant.
    reference, candidate = np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]]) + 7
    figures = compare(reference.astype(np.float32), candidate.astype(np.float32))
    assert figures.agreement == 0.0
    assert figures.kl == pytest.approx(np.log(2) - np.log(3) / 2, abs=1e-6)
    assert figures.logit_error == pytest.approx(np.log(3) / 2, abs=1e-6)


def test_prompts_are_the_held_back_ones_first_and_never_more_than_twenty():
    def example(token: int) -> Example:
        return Example((token, token, 9), (IGNORED, IGNORED, 9), token)

    held_back, trained = [example(n) for n in range(3)], [example(n) for n in range(100, 140)]
    chosen = choose_prompts(held_back, trained)
    assert len(chosen) == 20
    assert [prompt.tokens for prompt in chosen[:4]] == [(0, 0), (1, 1), (2, 2), (100, 100)]
    assert [prompt.held_back for prompt in chosen[:4]] == [True, True, True, False]
    assert [prompt.reply for prompt in chosen[:2]] == [(9,), (9,)]
    assert all(prompt.held_back for prompt in choose_prompts([example(n) for n in range(25)], trained))


def test_over_an_exact_base_the_limits_are_tighter_and_rounding_is_no_fault():
    base = Figures(1.0, 6e-6, 0.005)
    assert judge([item(Figures(1.0, 4.9e-5, 0.019), base)], EXACT).verified
    for worse in (
        Figures(0.98, 1e-5, 0.005),
        Figures(1.0, 2e-4, 0.005),
        Figures(1.0, 6e-5, 0.005),
        Figures(1.0, 1e-5, 0.03),
    ):
        assert not judge([item(worse, base)], EXACT).verified


def test_a_reply_is_written_exactly_if_each_of_its_tokens_is_the_likeliest():
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]], dtype=np.float32))
    read = read_reply(logits, [0, 1])
    assert (read.exact, read.tokens) == (True, 2)
    assert read.loss == pytest.approx(-np.log(0.5) - np.log(0.8), abs=1e-6)
    assert not read_reply(logits, [0, 2]).exact
