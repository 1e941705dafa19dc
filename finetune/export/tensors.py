"""Weights under llama.cpp's names and in its order: from transformers' state to the tensors of a GGUF file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finetune.export.families import Family
from fireside.errors import TrainingError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float32]

_SKIPPED = ("rotary_emb.inv_freq", ".attention.bias", ".attention.masked_bias")


@dataclass(frozen=True)
class Layout:
    """How a model's weights lie in a GGUF file. heads, kv_heads: of queries and of keys; tied: the head is the
    embedding."""

    family: Family
    layers: int
    heads: int
    kv_heads: int
    tied: bool


def layout_of(config: Any, family: Family) -> Layout:
    """The layout of a model with transformers' `config`."""
    heads = int(config.num_attention_heads)
    kv_heads = int(getattr(config, "num_key_value_heads", None) or heads)
    return Layout(family, int(config.num_hidden_layers), heads, kv_heads, bool(config.tie_word_embeddings))


def gguf_names(keys: Iterable[str], layout: Layout) -> dict[str, str]:
    """GGUF's name of each of transformers' weights; those that a GGUF file does not hold are left out.

    Raises TrainingError for one that has no place there.
    """
    import gguf

    architecture = next(a for a, name in gguf.MODEL_ARCH_NAMES.items() if name == layout.family.architecture)
    names = gguf.get_tensor_name_map(architecture, layout.layers)
    found: dict[str, str] = {}
    for key in keys:
        if key.endswith(_SKIPPED) or (layout.tied and key.startswith("lm_head.")):
            continue
        name = names.get_name(key, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise TrainingError(
                f"the weight {key} has no place in a GGUF file of the architecture {layout.family.architecture}",
                "export it as safetensors: --format safetensors",
            )
        found[key] = name
    return found


def converted(key: str, weight: Any, layout: Layout) -> Array:
    """A weight of transformers (torch tensor) as llama.cpp keeps it: float32, queries and keys in its order."""
    import numpy as np

    array: Array = weight.detach().float().cpu().numpy()
    if layout.family.permutes and ".q_proj." in key:
        array = permute_rows(array, layout.heads)
    elif layout.family.permutes and ".k_proj." in key:
        array = permute_rows(array, layout.kv_heads)
    elif layout.family.adds_one and key.endswith("norm.weight"):
        array = array + np.float32(1)
    return np.ascontiguousarray(array, dtype=np.float32)


def permute_rows(matrix: Array, heads: int) -> Array:
    """Rows from transformers' order to llama.cpp's: per head, (half, pair) becomes (pair, half).

    transformers rotates row i of a head with row i + size/2 (its `rotate_half`), llama.cpp's llama rotates neighbours.
    """
    rows = matrix.shape[0]
    halves = matrix.reshape(heads, 2, rows // heads // 2, *matrix.shape[1:])
    return halves.swapaxes(1, 2).reshape(matrix.shape)


def rope_tensors(config: Any) -> Iterator[tuple[str, Array]]:
    """The tensors by which llama.cpp stretches rotary frequencies, where the model's scaling needs any."""
    import numpy as np

    rope = dict(getattr(config, "rope_parameters", None) or {})
    kind = rope.get("rope_type", "default")
    if kind == "llama3":
        yield "rope_freqs.weight", np.array(_llama3_factors(config, rope), dtype=np.float32)
    elif kind == "longrope":
        yield "rope_factors_long.weight", np.array(rope["long_factor"], dtype=np.float32)
        yield "rope_factors_short.weight", np.array(rope["short_factor"], dtype=np.float32)


def _llama3_factors(config: Any, rope: dict[str, Any]) -> list[float]:
    """What each frequency is divided by (Llama 3.1; transformers' `_compute_llama3_parameters`)."""
    size = int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)
    factor, low, high = (float(rope[key]) for key in ("factor", "low_freq_factor", "high_freq_factor"))
    length = float(rope["original_max_position_embeddings"])
    factors = []
    for pair in range(0, size, 2):
        wavelength = 2 * math.pi * float(rope["rope_theta"]) ** (pair / size)
        if wavelength < length / high:
            factors.append(1.0)
        elif wavelength > length / low:
            factors.append(factor)
        else:
            smooth = (length / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return factors
