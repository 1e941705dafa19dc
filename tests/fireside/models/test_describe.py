from __future__ import annotations

import json
from pathlib import Path

import pytest
from local_hub import small_gguf

from fireside.models import catalog, memory
from fireside.models.catalog import ModelFile
from fireside.models.describe import Description, described


def test_the_bundled_model() -> None:
    found = described(catalog.find(catalog.BUNDLED_NAME), 1024)
    assert (found.architecture, found.parameters, found.quantisation) == ("llama", 134_515_008, "Q4_1")
    assert (found.trained_context, found.layers, found.license, found.chat_template) == (8192, 30, "apache-2.0", True)
    assert found.fits
    assert found.problem == found.note == ""
    assert found.memory_needed < described(catalog.find(catalog.BUNDLED_NAME), 4096).memory_needed


def test_a_model_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 150_000_000)
    found = described(catalog.find(catalog.BUNDLED_NAME), 4096)
    assert found.fits is False
    assert found.note.startswith("set model.context_length to ")


def test_files_that_are_no_models(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF")
    assert "its header is cut off" in described(ModelFile("broken", broken, "file", 4)).problem
    adapter = tmp_path / "adapter.gguf"
    adapter.write_bytes(small_gguf(tmp_path).replace(b"\x05\0\0\0\0\0\0\0model", b"\x07\0\0\0\0\0\0\0adapter"))
    found = described(ModelFile("adapter", adapter, "file", 4))
    assert found.problem == "this is an adapter, not a model"


def folder(path: Path, header: object, data: int = 8, **config: object) -> ModelFile:
    path.mkdir()
    text = json.dumps(header).encode()
    (path / "config.json").write_text(json.dumps(config))
    (path / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(data))
    return ModelFile("m", path, "folder", 8 + len(text) + data, "hf")


def test_a_model_folder(tmp_path: Path) -> None:
    tensors = {"w": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}, "__metadata__": {"format": "pt"}}
    config = {"model_type": "llama", "max_position_embeddings": 2048, "num_hidden_layers": 3}
    model = folder(tmp_path / "m", tensors, **config)
    assert described(model) == Description("llama", 4, "BF16", 2048, 3, "", False, 1, model.size, True)
    (model.path / "tokenizer_config.json").write_text('{"chat_template": "{{ x }}"}')
    assert described(model).chat_template
    (model.path / "config.json").write_text(json.dumps(config | {"quantization_config": {"quant_method": "awq"}}))
    assert (described(model).quantisation, described(model).parameters) == ("awq", 0)


@pytest.mark.parametrize(
    ("header", "data", "said"),
    [
        ([], 8, "not a usable safetensors file"),
        ({"w": {}}, 8, "not a usable safetensors file"),
        ({"w": {"dtype": "F32", "shape": ["x"], "data_offsets": [0, 8]}}, 8, "not a usable safetensors file"),
        ({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, 7, "is cut off"),
    ],
)
def test_a_damaged_folder(tmp_path: Path, header: object, data: int, said: str) -> None:
    assert said in described(folder(tmp_path / "m", header, data)).problem


def test_a_damaged_configuration(tmp_path: Path) -> None:
    model = folder(tmp_path / "m", {})
    for text in ("[]", "{", "[" * 100_000):
        (model.path / "config.json").write_text(text)
        assert "is not a JSON object" in described(model).problem
    (model.path / "config.json").unlink()
    assert described(model).problem == "m has no config.json"
