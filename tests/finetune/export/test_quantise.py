"""Quantising: smaller, still itself; what fell back is told; what llama.cpp refuses is one line."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
from tiny_families import save_model

from finetune.base import find_base
from finetune.export.gguf_model import supported_family
from finetune.export.imatrix import collect_importance, read_importance, write_importance
from finetune.export.quantise import checked_kind, quantise
from finetune.export.reference import write_reference
from finetune.export.tensors import layout_of
from finetune.verify.figures import compare
from finetune.weights import load
from fireside.errors import StorageError, TrainingError
from fireside.models.gguf.forcing import TeacherForcing
from fireside.models.gguf_header import read_header

TOKENS = list(range(20, 80))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny model with rows of 256 and of 64: the folder, and its F16 file."""
    folder = tmp_path_factory.mktemp("tiny")
    base = find_base(str(save_model(folder / "model", "llama", intermediate_size=256)))
    write_reference(base, "plain", folder / "f16.gguf")
    return base, folder / "f16.gguf"


def logits(file):
    forcing = TeacherForcing(file, context_length=128, threads=1)
    try:
        return forcing.logits(TOKENS)
    finally:
        forcing.free()


def weights(file):
    return {each.name: gguf.dequantize(each.data, each.tensor_type) for each in gguf.GGUFReader(file).tensors}


def test_a_quantised_file_is_smaller_and_near(model, tmp_path):
    _, file = model
    done = quantise(file, tmp_path / "q8.gguf", "Q8_0", threads=1)
    assert done.fallbacks == 0
    assert 1.7 < done.before / done.size < 2
    figures = compare(logits(file), logits(tmp_path / "q8.gguf"))
    assert 0 < figures.kl < 0.01
    # And back: nothing is lost that 8 bits hold.
    quantise(tmp_path / "q8.gguf", tmp_path / "again.gguf", "F16", threads=1)
    eight, again = weights(tmp_path / "q8.gguf"), weights(tmp_path / "again.gguf")
    for name, values in eight.items():
        np.testing.assert_allclose(again[name], values, rtol=1e-3, atol=1e-6)


def test_weights_that_fall_back_are_counted(model, tmp_path):
    _, file = model
    done = quantise(file, tmp_path / "q4.gguf", "Q4_K_M", threads=1)
    # Of each of the two layers, all but the one weight with rows of 256.
    assert done.fallbacks == 2 * 6
    assert f"12 of {done.tensors} weights" in done.in_words()
    by_name = {tensor.name: tensor.ggml_type for tensor in read_header(tmp_path / "q4.gguf").tensors}
    assert by_name["blk.0.ffn_down.weight"] != by_name["blk.0.ffn_up.weight"]


def test_the_importance_matrix_is_measured_kept_and_used(model, tmp_path):
    base, file = model
    network = load(base)
    layout = layout_of(network.config, supported_family(network.config))
    texts = [TOKENS, TOKENS[:20]]
    importance = collect_importance(network, layout, texts)
    seen = []
    hook = network.model.layers[0].mlp.down_proj.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    import torch

    with torch.no_grad():
        for text in texts:
            network(input_ids=torch.tensor([text]))
    hook.remove()
    expected = torch.cat([rows[0] for rows in seen]).square().mean(dim=0).numpy()
    np.testing.assert_allclose(importance["blk.0.ffn_down.weight"], expected, rtol=1e-4)
    assert len(importance) == 2 * 7
    write_importance(importance, tmp_path / "matrix.gguf", tokens=80)
    read = read_importance(tmp_path / "matrix.gguf")
    np.testing.assert_allclose(read["blk.0.ffn_down.weight"], expected, rtol=1e-4)
    quantise(file, tmp_path / "without.gguf", "IQ4_NL", threads=1)
    quantise(file, tmp_path / "with.gguf", "IQ4_NL", importance=tmp_path / "matrix.gguf", threads=1)
    assert (tmp_path / "without.gguf").read_bytes() != (tmp_path / "with.gguf").read_bytes()


def test_what_needs_a_matrix_says_so(model, tmp_path):
    with pytest.raises(TrainingError, match="imatrix") as refused:
        quantise(model[1], tmp_path / "q.gguf", "IQ1_S", threads=1)
    assert "--imatrix" in (refused.value.hint or "")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_type_is_refused_with_the_nearest():
    assert checked_kind("q4_k_m") == "Q4_K_M"
    with pytest.raises(TrainingError) as refused:
        checked_kind("Q4_K_X")
    assert "Q4_K_" in (refused.value.hint or "")


def test_a_file_that_is_no_importance_matrix_is_refused(model):
    with pytest.raises(TrainingError, match="no importance matrix"):
        read_importance(model[1])


def test_a_full_disk_leaves_nothing(model, tmp_path):
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(StorageError):
            quantise(model[1], tmp_path / "q.gguf", "Q8_0", threads=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []
