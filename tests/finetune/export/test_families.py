"""Every supported family: exported, loaded by llama.cpp, it says what transformers says, in the same tokens."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_families import save_model

from finetune.base import find_base
from finetune.export import tensors
from finetune.export.adapter import export_adapter
from finetune.export.families import model_types
from finetune.export.gguf_model import write_model
from finetune.export.llama_vocabulary import LlamaVocabulary
from finetune.export.reference import fast_tokenizer
from finetune.export.texts import texts
from finetune.export.turns import chat_samples
from finetune.verify import Prompt, prove_adapter
from finetune.verify.figures import Figures, compare
from finetune.vocabulary import open_vocabulary
from finetune.weights import load
from fireside.models.gguf.forcing import TeacherForcing
from fireside.models.gguf_header import read_header

FAMILIES = model_types()
MOST_KL = 1e-4


def logits_of(model: Any, tokens: list[int]) -> Any:
    import torch

    with torch.no_grad():
        return model(input_ids=torch.tensor([tokens]), use_cache=False).logits[0].numpy()


def exported(folder: Path, target: Path, number_format: Any = "F32") -> Any:
    """Write the model in `folder` as GGUF; return it as transformers has it."""
    model = load(find_base(str(folder)))
    write_model(
        model.state_dict(), model.config, fast_tokenizer(folder), target, number_format=number_format, name="tiny"
    )
    return model


def compared(model: Any, file: Path) -> Figures:
    """Both on 60 random tokens."""
    tokens = np.random.default_rng(1).integers(5, 400, 60).tolist()
    forcing = TeacherForcing(file, context_length=128, threads=1)
    try:
        return compare(logits_of(model, tokens), forcing.logits(tokens))
    finally:
        forcing.free()


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory) -> Path:
    """A folder with a tiny model of each family, named by it."""
    return save_model(tmp_path_factory.mktemp("tiny") / request.param, request.param)


def test_llama_cpp_says_what_transformers_says_in_the_same_tokens(family, tmp_path):
    model = exported(family, tmp_path / "model.gguf")
    figures = compared(model, tmp_path / "model.gguf")
    # 16 bits of keys and values are all that differs.
    assert figures.kl < MOST_KL
    assert figures.logit_error < 0.01
    tokenizer = fast_tokenizer(family)
    vocabulary = LlamaVocabulary(tmp_path / "model.gguf")
    samples = [*texts(), *chat_samples(tokenizer)]
    assert len(samples) >= 200
    pairs = [
        (vocabulary.tokenize(text, begins=begins), tokenizer.encode(text, add_special_tokens=begins))
        for text in samples
        for begins in (False, True)
    ]
    vocabulary.free()
    assert sum(ours != theirs for ours, theirs in pairs) == 0
    assert read_header(tmp_path / "model.gguf").text("tokenizer.chat_template") == tokenizer.chat_template


def test_an_adapter_over_a_folder_is_proved_on_an_f16_file_of_it(family, tmp_path):
    proof = prove_adapter(*adapter_over(find_base(str(family)), tmp_path), threads=1)
    assert proof.verified, proof.reason


def adapter_over(base: Any, folder: Path, **changes: Any) -> tuple[Any, Any, Path, list[Prompt]]:
    """A random adapter over `base`, exported into `folder`: what prove_adapter takes."""
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules="all-linear", **changes)
    with warnings.catch_warnings():
        # peft asks transformers for something that is going to change.
        warnings.simplefilter("ignore")
        model = get_peft_model(load(base), config)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(0, 0.1)
    model.eval()
    model.save_pretrained(folder)
    export_adapter(folder, base, folder / "adapter.gguf")
    vocabulary = open_vocabulary(base)
    prompts = [
        Prompt(
            tuple(vocabulary.tokenize(f"The fire {number} läuft", begins=True)),
            True,
            tuple(vocabulary.tokenize(" over", begins=False)),
        )
        for number in range(3)
    ]
    return model, base, folder / "adapter.gguf", prompts


def test_rslora_keeps_its_strength(tmp_path):
    base = find_base(str(save_model(tmp_path / "model", "qwen3")))
    (tmp_path / "adapter").mkdir()
    proof = prove_adapter(*adapter_over(base, tmp_path / "adapter", use_rslora=True), threads=1)
    assert proof.adapter.logit_error < 2 * proof.base.logit_error


@pytest.mark.parametrize("broken", ["permute_rows", "norms"])
def test_a_broken_conversion_is_noticed(tmp_path, monkeypatch, broken):
    kind = "llama" if broken == "permute_rows" else "gemma3_text"
    folder = save_model(tmp_path / "model", kind)
    if broken == "permute_rows":
        monkeypatch.setattr(tensors, "permute_rows", lambda matrix, heads: matrix)
    else:
        family = tensors.layout_of(load(find_base(str(folder))).config, find_family(kind, adds_one=False))
        monkeypatch.setattr("finetune.export.gguf_model.layout_of", lambda config, _: family)
    model = exported(folder, tmp_path / "broken.gguf")
    assert compared(model, tmp_path / "broken.gguf").kl > 1e-3


def find_family(kind: str, **changes: Any) -> Any:
    from dataclasses import replace

    from finetune.export.families import family_of

    family = family_of(kind)
    assert family is not None
    return replace(family, **changes)


SCALED = [
    ("llama", {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}),
    (
        "llama",
        {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
            "rope_theta": 10000.0,
        },
    ),
    ("qwen2", {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512, "rope_theta": 10000.0}),
]


@pytest.mark.parametrize(("kind", "rope"), SCALED, ids=[f"{kind}-{rope['rope_type']}" for kind, rope in SCALED])
def test_stretched_positions_are_stretched_in_llama_cpp_too(tmp_path, kind, rope):
    folder = save_model(tmp_path / "model", kind, rope_parameters=rope)
    model = exported(folder, tmp_path / "model.gguf")
    assert compared(model, tmp_path / "model.gguf").kl < MOST_KL


@pytest.mark.parametrize("number_format", ["F16", "BF16"])
def test_sixteen_bits_are_near(tmp_path, number_format):
    folder = save_model(tmp_path / "model", "llama")
    model = exported(folder, tmp_path / "model.gguf", number_format)
    figures = compared(model, tmp_path / "model.gguf")
    assert 0 < figures.kl < (1e-4 if number_format == "F16" else 1e-2)


def test_a_head_of_its_own_and_biases_are_kept(tmp_path):
    folder = save_model(tmp_path / "model", "llama", tie_word_embeddings=False, attention_bias=True)
    model = exported(folder, tmp_path / "model.gguf")
    assert compared(model, tmp_path / "model.gguf").kl < MOST_KL
