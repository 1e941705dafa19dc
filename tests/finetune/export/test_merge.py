"""Merging: it says what was trained; 4-bit weights stay, or give way to the base's own, and that is measured."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_families import save_model

from finetune.base import find_base
from finetune.export.adapter import export_adapter
from finetune.export.merge import difference, merged
from finetune.verify import Prompt, prove_adapter
from finetune.verify.again import trained_model
from finetune.weights import load

TOKENS = list(range(20, 60))
PROMPTS = [Prompt(tuple(TOKENS[:10]), True, tuple(TOKENS[10:20])), Prompt(tuple(TOKENS), True)]


def logits(model):
    with torch.no_grad():
        return model(input_ids=torch.tensor([TOKENS]), use_cache=False).logits[0].numpy()


@pytest.fixture(scope="module", params=["plain", "nf4"])
def run(request, tmp_path_factory):
    """A base, how its weights are held, and the folder of an adapter over it."""
    folder = tmp_path_factory.mktemp("merge")
    base = find_base(str(save_model(folder / "model", "qwen3")))
    with warnings.catch_warnings():
        # peft asks transformers for something that is going to change.
        warnings.simplefilter("ignore")
        model = get_peft_model(
            load(base, request.param), LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear")
        )
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(0, 0.1)
    model.save_pretrained(folder / "adapter")
    return base, request.param, folder / "adapter"


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_the_merged_model_says_what_was_trained(run):
    base, weights, folder = run
    trained = logits(trained_model(folder, base, weights))
    whole = merged(folder, base, weights, "dequantised")
    assert not any("lora" in name for name, _ in whole.named_parameters())
    np.testing.assert_allclose(logits(whole), trained, atol=1e-3)
    assert np.abs(logits(load(base)) - trained).max() > 0.1


def test_the_choice_of_weights_is_measured(run):
    base, weights, folder = run
    pair = (merged(folder, base, weights, "dequantised"), merged(folder, base, weights, "original"))
    found = difference(*pair, PROMPTS)
    assert found is not None
    if weights == "plain":
        assert found.figures.kl == pytest.approx(0, abs=1e-9)
        assert found.dequantised_loss == found.original_loss
    else:
        assert found.figures.kl > 1e-4
        assert found.dequantised_loss != found.original_loss
    assert difference(*pair, PROMPTS[1:]) is None


def test_an_adapter_over_four_bits_is_proved_on_a_file_of_those(run):
    base, weights, folder = run
    export_adapter(folder, base, folder / "adapter.gguf")
    proof = prove_adapter(
        trained_model(folder, base, weights), base, folder / "adapter.gguf", PROMPTS, weights=weights, threads=1
    )
    assert proof.verified, proof.reason
    assert proof.scores()["replies"] == 1
