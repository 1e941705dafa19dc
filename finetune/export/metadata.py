"""A model's sizes and constants as GGUF keys, from transformers' configuration; what llama.cpp cannot do is refused."""

from __future__ import annotations

import math
from typing import Any

from finetune.export.families import Family
from fireside.errors import TrainingError

Metadata = dict[str, int | float | str | bool]
"""GGUF keys without the architecture's prefix."""


def model_metadata(config: Any, family: Family) -> Metadata:
    """The keys `ARCHITECTURE.KEY` for a model with transformers' `config`, without that prefix.

    Raises TrainingError where the model does something that llama.cpp computes otherwise.
    """
    heads = int(config.num_attention_heads)
    size = int(getattr(config, "head_dim", None) or config.hidden_size // heads)
    keys: Metadata = {
        "context_length": int(config.max_position_embeddings),
        "embedding_length": int(config.hidden_size),
        "block_count": int(config.num_hidden_layers),
        "feed_forward_length": int(config.intermediate_size),
        "attention.head_count": heads,
        "attention.head_count_kv": int(getattr(config, "num_key_value_heads", None) or heads),
        "attention.key_length": size,
        "attention.value_length": size,
        "vocab_size": int(config.vocab_size),
    }
    if family.architecture == "phi2":
        keys["attention.layer_norm_epsilon"] = float(config.layer_norm_eps)
    else:
        keys["attention.layer_norm_rms_epsilon"] = float(config.rms_norm_eps)
    _check_activation(config, family)
    if family.architecture in ("gemma2", "gemma3"):
        _add_gemma(keys, config, family, size)
    elif family.architecture == "phi3":
        keys["attention.sliding_window"] = int(getattr(config, "sliding_window", None) or 0)
    elif family.architecture in ("qwen2", "qwen3") and _slides(config):
        raise _cannot(family, "a sliding window")
    _add_rope(keys, config, family, size)
    return keys


def _check_activation(config: Any, family: Family) -> None:
    known = {"gemma": ("gelu_pytorch_tanh", "gelu"), "phi2": ("gelu_new", "gelu_pytorch_tanh")}
    kind = "gemma" if family.architecture.startswith("gemma") else family.architecture
    activation = getattr(config, "hidden_activation", None) or getattr(config, "hidden_act", None) or "silu"
    if activation not in known.get(kind, ("silu", "swish")):
        raise _cannot(family, f"the activation {activation!r}")


def _slides(config: Any) -> bool:
    return any(kind != "full_attention" for kind in getattr(config, "layer_types", None) or ())


def _add_gemma(keys: Metadata, config: Any, family: Family, size: int) -> None:
    """Gemma's sliding windows, soft caps and scale of attention, of which llama.cpp takes some for granted."""
    every, layers = 2 if family.architecture == "gemma2" else 6, int(config.num_hidden_layers)
    expected = ["full_attention" if (n + 1) % every == 0 else "sliding_attention" for n in range(layers)]
    if list(config.layer_types) != expected:
        raise _cannot(family, "another order of sliding and full attention")
    keys["attention.sliding_window"] = int(config.sliding_window)
    for key, value in (
        ("attn_logit_softcapping", config.attn_logit_softcapping),
        ("final_logit_softcapping", config.final_logit_softcapping),
    ):
        if value and family.architecture == "gemma2":
            keys[key] = float(value)
        elif value:
            raise _cannot(family, "soft caps")
    # Both 27B models, which llama.cpp knows by their layers, scale by the width of a head in the hidden state.
    layers_of_27b = 46 if family.architecture == "gemma2" else 62
    wide = layers == layers_of_27b
    if config.query_pre_attn_scalar != (config.hidden_size // config.num_attention_heads if wide else size):
        raise _cannot(family, f"a scale of attention of {config.query_pre_attn_scalar}")


def _add_rope(keys: Metadata, config: Any, family: Family, size: int) -> None:
    """Rotary positions: base, share of a head that is rotated, and scaling."""
    rope = dict(config.rope_parameters)
    if "full_attention" in rope:
        sliding, rope = dict(rope["sliding_attention"]), dict(rope["full_attention"])
        if sliding.get("rope_type", "default") != "default":
            raise _cannot(family, "scaled positions in sliding layers")
        if family.architecture == "gemma3":
            keys["rope.freq_base_swa"] = float(sliding["rope_theta"])
    keys["rope.freq_base"] = float(rope["rope_theta"])
    share = float(rope.get("partial_rotary_factor") or getattr(config, "partial_rotary_factor", None) or 1.0)
    keys["rope.dimension_count"] = int(size * share)
    kind = rope.get("rope_type", "default")
    if kind == "linear":
        keys["rope.scaling.type"], keys["rope.scaling.factor"] = "linear", float(rope["factor"])
    elif kind == "yarn":
        keys["rope.scaling.type"], keys["rope.scaling.factor"] = "yarn", float(rope["factor"])
        keys["rope.scaling.original_context_length"] = int(rope["original_max_position_embeddings"])
        unlike = [key for key in ("mscale", "mscale_all_dim", "attention_factor") if rope.get(key)]
        if unlike or rope.get("truncate") is False:
            raise _cannot(family, f"YaRN with {', '.join(unlike) or 'truncate'}")
        for key, name in (("beta_fast", "yarn_beta_fast"), ("beta_slow", "yarn_beta_slow")):
            if rope.get(key):
                keys[f"rope.scaling.{name}"] = float(rope[key])
    elif kind == "longrope":
        before = int(rope["original_max_position_embeddings"])
        scale = int(config.max_position_embeddings) / before
        keys["rope.scaling.original_context_length"] = before
        # transformers' `_compute_longrope_parameters`.
        usual = math.sqrt(1 + math.log(scale) / math.log(before)) if scale > 1 else 1.0
        keys["rope.scaling.attn_factor"] = float(rope.get("attention_factor") or usual)
    elif kind not in ("default", "llama3"):
        raise _cannot(family, f"positions scaled by {kind!r}")


def _cannot(family: Family, what: str) -> TrainingError:
    return TrainingError(
        f"the model has {what}, which llama.cpp does not compute for {family.architecture}",
        "export it as safetensors: --format safetensors",
    )
