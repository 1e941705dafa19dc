"""The sizes of a base model, read from its headers before any of its weights is loaded."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fireside.errors import ModelError
from fireside.models.gguf_header import read_header
from fireside.models.hf.weights import read_config

if TYPE_CHECKING:
    from finetune.base import Base

# llama.cpp's names of the linear layers of a block, and transformers'.
_LINEAR = {
    "attn_q": "q_proj",
    "attn_k": "k_proj",
    "attn_v": "v_proj",
    "attn_qkv": "qkv_proj",
    "attn_output": "o_proj",
    "ffn_gate": "gate_proj",
    "ffn_up": "up_proj",
    "ffn_down": "down_proj",
}
# transformers' Phi-3 keeps gate and up in one layer, which llama.cpp calls up.
_OF_ARCHITECTURE = {"phi3": {"ffn_up": "gate_up_proj"}}
_IN_BLOCK = re.compile(r"(?:^|\.)(?:blk|layers|h|blocks)\.\d+\.(?P<rest>.+)\.weight")


@dataclass(frozen=True)
class Shape:
    """A model's sizes.

    parameters: weights in all. layers: blocks. hidden, feed_forward: width of the residual stream and of the layer
    between. heads, kv_heads: attention heads of queries and of keys. vocabulary: tokens. linear: inputs and outputs
    of the linear layers of a block, by the names transformers has for them; the language head is not among them.
    """

    parameters: int
    layers: int
    hidden: int
    feed_forward: int
    heads: int
    kv_heads: int
    vocabulary: int
    linear: Mapping[str, tuple[int, int]]
    family: str


def shape_of(base: Base) -> Shape:
    """The sizes of `base`, a GGUF file or a folder of safetensors. Raises ModelError where they cannot be read."""
    return _of_folder(base.path) if base.path.is_dir() else _of_gguf(base.path)


def _of_gguf(path: Path) -> Shape:
    header = read_header(path)
    names = _LINEAR | _OF_ARCHITECTURE.get(header.text("general.architecture"), {})
    embedding = next((tensor.shape for tensor in header.tensors if tensor.name == "token_embd.weight"), (0, 0))
    found = ((_IN_BLOCK.fullmatch(tensor.name), tensor.shape) for tensor in header.tensors if len(tensor.shape) == 2)
    heads = header.number("attention.head_count")
    return Shape(
        parameters=header.parameters,
        layers=header.number("block_count"),
        hidden=header.number("embedding_length"),
        feed_forward=header.number("feed_forward_length"),
        heads=heads,
        kv_heads=header.number("attention.head_count_kv") or heads,
        vocabulary=embedding[-1],
        linear={names[match["rest"]]: (ins, outs) for match, (ins, outs) in found if match and match["rest"] in names},
        family=header.text("general.architecture"),
    )


def _of_folder(folder: Path) -> Shape:
    config = read_config(folder)
    text: dict[str, Any] = config.get("text_config") or config
    tensors = _tensors(folder)
    found = ((_IN_BLOCK.search(name), shape) for name, shape in tensors.items() if len(shape) == 2)
    heads = _number(text, "num_attention_heads")
    return Shape(
        parameters=sum(math.prod(shape) for shape in tensors.values()),
        layers=_number(text, "num_hidden_layers"),
        hidden=_number(text, "hidden_size"),
        feed_forward=_number(text, "intermediate_size"),
        heads=heads,
        kv_heads=_number(text, "num_key_value_heads") or heads,
        vocabulary=_number(text, "vocab_size"),
        linear={match["rest"].rpartition(".")[2]: (ins, outs) for match, (outs, ins) in found if match},
        family=str(text.get("model_type") or ""),
    )


def _tensors(folder: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors in the folder's safetensors; only headers are read."""
    from safetensors import SafetensorError, safe_open

    shapes: dict[str, tuple[int, ...]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="numpy") as opened:
                shapes |= {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise ModelError(f"cannot read {file}: {error}", "get the model again") from error
    if not shapes:
        raise ModelError(f"{folder.name} holds no weights (*.safetensors)", "get the model again")
    return shapes


def _number(config: dict[str, Any], key: str) -> int:
    value = config.get(key, 0)
    return value if isinstance(value, int) else 0
