"""Settings that do not go together are refused by name, before a weight is read; the sizes come from headers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny_training
from tiny_base import write_tiny_base
from tiny_training import config_of

from finetune.base import find_base
from finetune.methods import check, makes_adapter
from finetune.shape import Shape, shape_of
from fireside.errors import ModelError, SettingsError

LINEAR = {
    "q_proj": (576, 576), "k_proj": (576, 192), "v_proj": (576, 192), "o_proj": (576, 576),
    "gate_proj": (576, 1536), "up_proj": (576, 1536), "down_proj": (1536, 576),
}  # fmt: skip
SHAPE = Shape(134_515_008, 30, 576, 1536, 9, 3, 49_152, LINEAR, "llama")


@pytest.mark.parametrize(
    ("lora", "rest", "words"),
    [
        ({"init": "loftq"}, {}, "loftq.*the weights are plain"),
        ({"init": "loftq"}, {"weights": "int8"}, "loftq.*the weights are int8"),
        ({"init": "pissa"}, {"weights": "nf4"}, "pissa.*nf4"),
        ({"dora": True, "init": "pissa"}, {}, "dora.*pissa"),
        ({"target_modules": ["q_prj"]}, {}, "'q_prj'"),
        ({"target_modules": ["q_proj", "lm_head"]}, {}, "'lm_head'"),
        ({"target_modules": []}, {}, "nothing would be trained"),
        ({"dora": True}, {"method": "full"}, r"lora\.dora"),
        ({"plus": 16.0}, {"method": "full"}, r"lora\.plus"),
        ({"rank": 8}, {"method": "full"}, r"lora\.rank"),
        ({"init": "loftq"}, {"method": "full"}, r"lora\.init"),
        ({}, {"method": "full", "weights": "nf4"}, "nf4"),
        ({}, {"training": {"packing": "on", "curriculum": "length"}}, r"curriculum.*packing"),
    ],
)
def test_what_does_not_go_together_is_refused(lora: dict[str, Any], rest: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        check(config_of(lora, **rest), SHAPE)
    assert caught.value.hint


def test_a_wrong_name_of_a_layer_brings_the_nearest() -> None:
    with pytest.raises(SettingsError) as caught:
        check(config_of({"target_modules": ["q_prj"]}), SHAPE)
    assert caught.value.hint == "did you mean q_proj?"


@pytest.mark.parametrize(
    ("lora", "rest", "adapter"),
    [
        ({}, {}, True),
        ({"rslora": True, "init": "pissa", "plus": 16.0, "dropout": 0.1}, {}, True),
        ({"init": "loftq"}, {"weights": "nf4"}, True),
        ({"dora": True}, {"weights": "int8"}, False),
        ({"target_modules": ["q_proj", "v_proj"]}, {}, True),
        ({"rank": 16, "alpha": 32.0}, {"method": "full"}, False),
    ],
)
def test_what_goes_together_is_taken(lora: dict[str, Any], rest: dict[str, Any], adapter: bool) -> None:
    config = config_of(lora, **rest)
    check(config, SHAPE)
    assert makes_adapter(config) is adapter


def test_sizes_of_a_folder_and_of_a_gguf_file(tmp_path: Path) -> None:
    folder = shape_of(tiny_training.write_tiny_llama(tmp_path / "tiny"))
    blocks = 2 * (64 * (64 + 32 + 32 + 64) + 3 * 64 * 128 + 128)
    linear = {
        "q_proj": (64, 64), "k_proj": (64, 32), "v_proj": (64, 32), "o_proj": (64, 64),
        "gate_proj": (64, 128), "up_proj": (64, 128), "down_proj": (128, 64),
    }  # fmt: skip
    assert folder == Shape(48 * 64 + blocks + 64, 2, 64, 128, 4, 2, 48, linear, "llama")
    file = shape_of(find_base(str(write_tiny_base(tmp_path / "tiny.gguf"))))
    assert (file.layers, file.hidden, file.feed_forward, file.heads, file.kv_heads) == (2, 32, 64, 4, 2)
    assert file.linear.keys() == LINEAR.keys()
    assert file.linear["down_proj"] == (64, 32)
    assert shape_of(find_base("smollm2-135m")) == SHAPE


def test_a_damaged_folder_is_told(tmp_path: Path) -> None:
    base = tiny_training.write_tiny_llama(tmp_path / "tiny")
    (base.path / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        shape_of(base)
    (base.path / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="no weights"):
        shape_of(base)
