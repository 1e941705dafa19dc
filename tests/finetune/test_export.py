"""The GGUF adapter: names, shapes, the order of rows, and a file that is whole or not there."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.base import Base
from finetune.export.adapter import export_adapter, gguf_tensors
from finetune.export.tensors import permute_rows
from fireside.errors import AdapterError, StorageError
from fireside.models.gguf_header import read_header

BASE = Base("tiny", Path("tiny.gguf"), "ab" * 32, "llama", layers=1, heads=4, kv_heads=2)
PREFIX = "base_model.model.model.layers.0"


def peft_folder(folder: Path, **configuration: object) -> Path:
    """What PEFT leaves for a rank-2 adapter on one query layer, 16 wide."""
    from safetensors.numpy import save_file

    weights = {
        f"{PREFIX}.self_attn.q_proj.lora_A.weight": np.ones((2, 16), dtype=np.float32),
        f"{PREFIX}.self_attn.q_proj.lora_B.weight": np.arange(32, dtype=np.float32).reshape(16, 2),
    }
    save_file(weights, folder / "adapter_model.safetensors")
    values = {"peft_type": "LORA", "lora_alpha": 4, "r": 2, **configuration}
    (folder / "adapter_config.json").write_text(json.dumps(values), "utf-8")
    return folder


def test_the_file_says_what_llama_cpp_and_we_ask_of_it(tmp_path):
    export_adapter(peft_folder(tmp_path), BASE, tmp_path / "adapter.gguf")
    header = read_header(tmp_path / "adapter.gguf")
    assert header.metadata["general.type"] == "adapter"
    assert header.metadata["general.architecture"] == "llama"
    assert header.metadata["adapter.type"] == "lora"
    assert header.metadata["adapter.lora.alpha"] == 4.0
    assert header.metadata["fireside.base.sha256"] == BASE.sha256
    shapes = {tensor.name: tensor.shape for tensor in header.tensors}
    # GGUF names the fastest axis first.
    assert shapes == {"blk.0.attn_q.weight.lora_a": (16, 2), "blk.0.attn_q.weight.lora_b": (2, 16)}


def test_rows_of_queries_and_keys_are_reordered_by_their_own_heads_and_no_others():
    weights = {}
    for layer, rows in (("q_proj", 16), ("k_proj", 8), ("v_proj", 8), ("o_proj", 16)):
        weights[f"{PREFIX}.self_attn.{layer}.lora_A.weight"] = np.zeros((1, 4), dtype=np.float32)
        weights[f"{PREFIX}.self_attn.{layer}.lora_B.weight"] = np.arange(rows, dtype=np.float32)[:, None]
    tensors = gguf_tensors(weights, BASE)
    # Worked by hand: heads of four rows, halves (0 1) (2 3), so pairs are rotated as (0 2) (1 3).
    head = np.array([0, 2, 1, 3])
    queries = np.concatenate([head + 4 * number for number in range(4)])
    assert tensors["blk.0.attn_q.weight.lora_b"][:, 0].tolist() == queries.tolist()
    assert tensors["blk.0.attn_k.weight.lora_b"][:, 0].tolist() == queries[:8].tolist()
    assert tensors["blk.0.attn_v.weight.lora_b"][:, 0].tolist() == list(range(8))
    assert tensors["blk.0.attn_output.weight.lora_b"][:, 0].tolist() == list(range(16))


@given(st.integers(1, 6), st.integers(1, 8), st.integers(1, 3))
def test_permuting_is_a_reordering_within_each_head_that_pairs_the_halves(heads, half, columns):
    rows = heads * 2 * half
    matrix = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)
    permuted = permute_rows(matrix, heads)
    size = 2 * half
    for head in range(heads):
        before, after = matrix[head * size : (head + 1) * size], permuted[head * size : (head + 1) * size]
        assert (after[0::2] == before[:half]).all()
        assert (after[1::2] == before[half:]).all()


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("use_dora", "DoRA"),
        ("alpha_pattern", "strength"),
        ("rank_pattern", "rank"),
        ("modules_to_save", "embeddings"),
        ("bias", "biases"),
    ],
)
def test_kinds_of_lora_that_llama_cpp_would_apply_wrongly_are_refused(tmp_path, key, told):
    folder = peft_folder(tmp_path, **{key: {"a": 1}})
    with pytest.raises(AdapterError, match=told) as refused:
        export_adapter(folder, BASE, tmp_path / "adapter.gguf")
    assert "whole model" in (refused.value.hint or "")


def test_rslora_becomes_another_alpha(tmp_path):
    export_adapter(peft_folder(tmp_path, use_rslora=True), BASE, tmp_path / "adapter.gguf")
    # alpha / sqrt(rank) = alpha' / rank
    assert read_header(tmp_path / "adapter.gguf").metadata["adapter.lora.alpha"] == pytest.approx(4 * 2**0.5)


def test_families_without_llamas_order_are_not_permuted():
    matrix = np.arange(16, dtype=np.float32)[:, None]
    base = Base("tiny", Path("tiny.gguf"), "ab" * 32, "qwen2", layers=1, heads=4, kv_heads=2)
    tensors = gguf_tensors({f"{PREFIX}.self_attn.q_proj.lora_B.weight": matrix}, base)
    assert tensors["blk.0.attn_q.weight.lora_b"][:, 0].tolist() == list(range(16))


def test_weights_without_a_place_in_the_file_are_refused():
    with pytest.raises(AdapterError, match="no place"):
        gguf_tensors({"base_model.model.model.other.lora_A.weight": np.zeros((1, 1), dtype=np.float32)}, BASE)
    with pytest.raises(AdapterError, match="no weights"):
        gguf_tensors({}, BASE)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    folder = peft_folder(tmp_path)
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / "adapter.gguf"
    target.write_bytes(b"old")
    # A limit on the size of files fails a write as a full disk does.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(StorageError, match="cannot write"):
            export_adapter(folder, BASE, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert target.read_bytes() == b"old"
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["adapter.gguf"]
